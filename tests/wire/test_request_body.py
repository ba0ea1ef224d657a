"""The request's body as receive() gives it: framing, order, the end, bodies cut off."""

from __future__ import annotations

import pytest
from harness.apps import Gate, Recorder, read_body, replies, respond
from harness.client import REQUEST, chunked, request
from harness.fixtures import Site
from harness.server import eventually

CHUNKED_HEAD = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_body(site: Site, method: str) -> None:
    site.app = recorder = Recorder()
    site.connect().exchange(request(method))
    assert recorder.received == [
        {"type": "http.request", "body": b"", "more_body": False}
    ]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PURGE"])
def test_any_method_may_have_a_body(site: Site, method: str) -> None:
    site.app = Recorder()
    answer = site.connect().exchange(request(method, body=b"hello"))
    assert answer.body == b"hello"


def test_a_body_there_at_once_comes_in_one_message(site: Site) -> None:
    site.app = recorder = Recorder()
    site.connect().exchange(request("POST", body=b"hello"))
    assert recorder.received == [
        {"type": "http.request", "body": b"hello", "more_body": False}
    ]


@pytest.mark.parametrize("size", [1, 1000, 65_536, 65_537, 300_000, 3_000_000])
def test_large_bodies(site: Site, size: int) -> None:
    site.app = Recorder()
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    client = site.connect()
    assert client.exchange(request("POST", body=data)).body == data
    parts = [data[at : at + 50_000] for at in range(0, size, 50_000)]
    assert client.exchange(CHUNKED_HEAD + chunked(*parts)).body == data


def test_parts_arrive_as_they_are_sent(site: Site) -> None:
    """Nothing is held back until the body is whole."""
    site.app = recorder = Recorder()
    client = site.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n")
    for part in (b"ab", b"cd", b"ef"):
        client.send(part)
        eventually(lambda part=part: recorder.body.endswith(part))
    assert client.answer().body == b"abcdef"
    assert [m["more_body"] for m in recorder.received][-1] is False
    assert all(m["more_body"] for m in recorder.received[:-1])


def test_receive_waits_for_bytes_and_gives_no_empty_messages(site: Site) -> None:
    site.app = recorder = Recorder()
    client = site.connect()
    client.send(CHUNKED_HEAD, b"5\r", b"\n", b"he", pause=0.01)
    eventually(lambda: recorder.received)
    client.send(b"llo\r\n", b"0\r\n", b"\r\n", pause=0.01)
    assert client.answer().body == b"hello"
    assert all(m["body"] for m in recorder.received[:-1])


def test_messages_have_bytes_of_their_own(site: Site) -> None:
    """A body kept by the application is not overwritten by what comes later."""
    kept = []

    async def app(scope, receive, send):
        message = await receive()
        kept.append(message["body"])
        await respond(send)

    site.app = app
    client = site.connect()
    for letter in b"abc":
        client.exchange(request("POST", body=bytes([letter]) * 1000))
    assert kept == [b"a" * 1000, b"b" * 1000, b"c" * 1000]
    assert {type(data) for data in kept} == {bytes}


def test_receive_after_the_answer_is_a_disconnect(site: Site) -> None:
    after = []

    async def app(scope, receive, send):
        await read_body(receive)
        await respond(send)
        after.append(await receive())
        after.append(await receive())

    site.app = app
    client = site.connect()
    assert client.exchange(REQUEST).status == 200
    eventually(lambda: len(after) == 2)
    assert after == [{"type": "http.disconnect"}] * 2
    assert client.exchange(REQUEST).status == 200


def test_receive_after_the_body_waits_for_the_client_to_go(site: Site) -> None:
    site.app = recorder = Recorder(read_twice)
    client = site.connect()
    client.send(REQUEST)
    eventually(lambda: len(recorder.received) == 1)
    client.assert_silent()
    assert len(recorder.received) == 1
    client.close()
    eventually(lambda: len(recorder.received) == 2)
    assert recorder.received[1] == {"type": "http.disconnect"}


async def read_twice(scope, receive, send) -> None:
    await receive()
    await receive()


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello",
        CHUNKED_HEAD + b"5\r\nhello\r\n",
        CHUNKED_HEAD + b"a\r\nhello",
        CHUNKED_HEAD + b"5\r\nhello\r\n0",
        CHUNKED_HEAD + b"5\r\nhello\r\n0\r\n",
        CHUNKED_HEAD + b"5\r\nhello\r\n0\r\nX-T: 1\r\n",
        CHUNKED_HEAD + b"5\r\nhello\r\n0\r\n\r",
    ],
)
def test_body_cut_by_fin_is_never_complete(site: Site, sent: bytes) -> None:
    """What came is delivered first, then http.disconnect; the exchange is cut."""
    site.app = recorder = Recorder()
    client = site.connect()
    client.send(sent)
    client.finish()
    assert client.read_to_eof() == b""
    eventually(lambda: recorder.ended)
    assert recorder.body == b"hello"
    assert recorder.kinds[-1] == "http.disconnect"
    assert all(m["more_body"] for m in recorder.received[:-1])


def test_body_received_before_fin_is_delivered_first(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await gate.wait()
        await receive()
        await receive()

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhello")
    gate.wait_reached()
    client.finish()
    assert client.read_to_eof() == b""
    gate.open()
    eventually(lambda: recorder.ended)
    assert recorder.received == [
        {"type": "http.request", "body": b"hello", "more_body": True},
        {"type": "http.disconnect"},
    ]


def test_unread_body_is_dropped_and_the_connection_kept(site: Site) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    for data in (
        request("POST", body=b"x" * 10),
        request("POST", body=b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"),
        request("POST", body=b"x" * 2_000_000),
        CHUNKED_HEAD + chunked(b"x" * 1000, b"y" * 500_000, trailers=b"T: 1\r\n"),
        REQUEST,
    ):
        assert client.exchange(data).status == 200
    assert len(recorder.scopes) == 5


def test_unread_body_that_comes_after_the_answer(site: Site) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
    assert client.answer().status == 200
    client.send(b"x" * 999_999)
    client.assert_silent()
    client.send(b"x" + REQUEST)
    assert client.answer().status == 200
    assert len(recorder.scopes) == 2


def test_half_read_body_is_dropped(site: Site) -> None:
    async def app(scope, receive, send):
        await receive()
        await respond(send)

    site.app = app
    client = site.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\nx")
    assert client.answer().status == 200
    assert client.exchange(b"x" * 199_999 + REQUEST).status == 200


def test_request_hidden_in_an_unread_body_is_not_served(site: Site) -> None:
    """The answer comes before the body; the body stays a body."""
    site.app = recorder = Recorder(replies())
    client = site.connect()
    hidden = request(target="/hidden")
    client.send(
        b"POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(hidden)
    )
    assert client.answer().status == 200
    client.send(hidden)
    assert client.exchange(REQUEST).status == 200
    assert recorder.paths == ["/first", "/"]


def test_error_in_the_body_after_the_answer_began_cuts_it(site: Site) -> None:
    received = []

    async def app(scope, receive, send):
        start = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        while message := await receive():
            received.append(message["type"])
            if message["type"] == "http.disconnect":
                return

    site.app = app
    client = site.connect()
    client.send(CHUNKED_HEAD + b"5\r\nhello\r\n")
    client.read_until(b"some\r\n")
    client.send(b"XX\r\n")
    assert client.read_to_eof() == b""
    eventually(lambda: "http.disconnect" in received)


def test_error_in_the_body_before_the_answer_is_400(site: Site) -> None:
    site.app = recorder = Recorder(read_to_disconnect)
    client = site.connect()
    client.send(CHUNKED_HEAD + b"5\r\nhello\r\n")
    eventually(lambda: recorder.received)
    client.send(b"XX\r\n")
    client.refused()
    eventually(lambda: recorder.ended)
    assert recorder.kinds[-1] == "http.disconnect"


async def read_to_disconnect(scope, receive, send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

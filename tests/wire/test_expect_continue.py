"""100 Continue: at the first receive(), on 1.1, before the answer (RFC 9110 10.1.1)."""

from __future__ import annotations

import pytest
from harness.apps import Gate, Recorder, read_body, replies, respond
from harness.client import REQUEST, request
from harness.fixtures import Site

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HEAD = (
    b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
)


def test_only_when_the_app_asks_for_the_body(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await gate.wait()
        await respond(send, await read_body(receive))

    site.app = app
    client = site.connect()
    client.send(HEAD)
    gate.wait_reached()
    client.assert_silent()
    gate.open()
    assert client.read_until(CONTINUE) == CONTINUE
    client.assert_silent()
    client.send(b"hello")
    answer = client.answer()
    assert (answer.status, answer.body, answer.interim) == (200, b"hello", [])


@pytest.mark.parametrize("value", ["100-continue", "100-CONTINUE", "\t100-Continue "])
@pytest.mark.parametrize("body", [b"hello", b""])
def test_even_when_the_body_is_there_already(
    site: Site, value: str, body: bytes
) -> None:
    site.app = Recorder()
    answer = site.connect().exchange(
        request("POST", headers=[("Expect", value)], body=body)
    )
    assert (answer.body, answer.interim) == (body, [100])


def test_once_however_often_the_app_receives(site: Site) -> None:
    site.app = Recorder()
    client = site.connect()
    client.send(HEAD)
    client.read_until(CONTINUE)
    client.send(b"he", b"l", b"lo", pause=0.01)
    answer = client.answer()
    assert (answer.body, answer.interim) == (b"hello", [])


def test_not_on_http_1_0(site: Site) -> None:
    site.app = Recorder()
    client = site.connect()
    client.send(HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"))
    client.assert_silent()
    client.send(b"hello")
    assert client.last_answer().interim == []


def test_not_without_the_expectation(site: Site) -> None:
    site.app = Recorder()
    answer = site.connect().exchange(request("POST", body=b"hello"))
    assert answer.interim == []


@pytest.mark.parametrize("value", ["", "x", "100-continue-x", "200-ok"])
def test_another_expectation_is_ignored(site: Site, value: str) -> None:
    site.app = Recorder()
    answer = site.connect().exchange(
        request("POST", headers=[("Expect", value)], body=b"hello")
    )
    assert (answer.status, answer.body, answer.interim) == (200, b"hello", [])


def test_not_when_the_app_does_not_receive(site: Site) -> None:
    site.app = replies()
    client = site.connect()
    client.send(HEAD)
    answer = client.answer()
    assert (answer.status, answer.interim) == (200, [])


def test_not_after_the_answer_began(site: Site) -> None:
    async def app(scope, receive, send):
        start = {"type": "http.response.start", "status": 200}
        await send(start)
        await send({"type": "http.response.body", "body": b"some ", "more_body": True})
        await send({"type": "http.response.body", "body": await read_body(receive)})

    site.app = app
    client = site.connect()
    client.send(HEAD)
    data = client.read_until(b"some \r\n")
    assert b"100 Continue" not in data
    client.assert_silent()
    client.send(b"hello")
    assert client.read_until(b"0\r\n\r\n") == b"5\r\nhello\r\n0\r\n\r\n"


def test_not_after_a_start_that_has_no_body_yet(site: Site) -> None:
    async def app(scope, receive, send):
        fields = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": await read_body(receive)})

    site.app = app
    client = site.connect()
    client.send(HEAD + b"hello")
    answer = client.answer()
    assert (answer.status, answer.body, answer.interim) == (200, b"hello", [])


def test_an_answer_instead_of_100_closes(site: Site) -> None:
    """The client may leave the body out now: what follows could be either."""
    site.app = recorder = Recorder(replies())
    client = site.connect()
    client.send(HEAD)
    answer = client.answer()
    assert (answer.status, answer.header(b"connection")) == (200, b"close")
    client.send(b"hello" + REQUEST)
    assert client.read_to_eof() == b""
    assert recorder.started == 1


def test_a_body_that_did_not_wait_keeps_the_connection(site: Site) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    client.send(HEAD + b"hello")
    assert client.answer().status == 200
    assert client.exchange(REQUEST).status == 200
    assert recorder.started == 2


def test_each_pipelined_request_has_its_own(site: Site) -> None:
    site.app = Recorder()
    client = site.connect()
    client.send(HEAD + b"first" + REQUEST + HEAD + b"third")
    answers = [client.answer() for _ in range(3)]
    assert [a.interim for a in answers] == [[100], [], [100]]
    assert [a.body for a in answers] == [b"first", b"", b"third"]


def test_not_written_into_a_running_answer(site: Site) -> None:
    """The second request's 100 waits until the first answer is out."""
    gate = Gate()

    async def app(scope, receive, send):
        if scope["path"] == "/slow":
            await gate.wait()
        await respond(send, await read_body(receive))

    site.app = app
    client = site.connect()
    client.send(request(target="/slow") + HEAD)
    gate.wait_reached()
    client.assert_silent()
    gate.open()
    assert client.answer().interim == []
    client.read_until(CONTINUE)
    client.send(b"hello")
    assert client.answer().body == b"hello"

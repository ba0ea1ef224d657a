"""A client that goes away: FIN, half-close, RST; what the application sees of it.

A FIN after a complete request is a client that waits for its answer; a FIN inside one,
and any RST, is a client that has left. Neither leaves a traceback in the log.
"""

from __future__ import annotations

import asyncio

import pytest
from harness.apps import Gate, Recorder, body, read_body, replies, respond, start
from harness.client import REQUEST, request
from harness.fixtures import Site
from harness.server import eventually

DISCONNECT = {"type": "http.disconnect"}


def test_fin_after_a_request_is_a_disconnect_and_the_answer_is_delivered(
    site: Site,
) -> None:
    received = []

    async def app(scope, receive, send):
        received.append(await receive())
        received.append(await receive())
        await respond(send, b"still here")

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    eventually(lambda: received)
    client.finish()
    answer = client.last_answer()
    assert answer.body == b"still here"
    assert received[1:] == [DISCONNECT]


def test_fin_together_with_the_request(site: Site) -> None:
    site.app = recorder = Recorder()
    client = site.connect()
    client.send(request("POST", body=b"hello"))
    client.finish()
    assert client.last_answer().body == b"hello"
    assert recorder.body == b"hello"


def test_a_stream_to_a_half_closed_client_goes_on(site: Site) -> None:
    async def app(scope, receive, send):
        await read_body(receive)
        assert await receive() == DISCONNECT
        await send(start())
        for _ in range(50):
            await send(body(b"x" * 20_000, True))
            await asyncio.sleep(0)
        await send(body())

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    client.finish()
    assert len(client.last_answer().body) == 1_000_000


def test_fin_while_a_complete_answer_is_still_on_its_way(site: Site) -> None:
    site.app = recorder = Recorder(replies(b"x" * 8_000_000))
    client = site.connect()
    client.send(REQUEST)
    eventually(lambda: recorder.ended)
    client.finish()
    assert len(client.last_answer().body) == 8_000_000


def test_receive_gives_disconnect_again_and_again(site: Site) -> None:
    async def app(scope, receive, send):
        for _ in range(4):
            await receive()
        await respond(send)

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(REQUEST)
    client.finish()
    client.last_answer()
    assert recorder.received[1:] == [DISCONNECT] * 3


def test_fin_behind_pipelined_requests_is_told_to_each(site: Site) -> None:
    """The end was read before the later ones began; they hear of it all the same."""
    gate = Gate()

    async def app(scope, receive, send):
        if scope["path"] == "/first":
            await gate.wait()
        assert await read_body(receive) == b"body"
        assert await receive() == DISCONNECT
        await respond(send, scope["path"].encode())

    site.app = app
    client = site.connect()
    client.send(request("POST", "/first", body=b"body"))
    client.send(request("POST", "/next", body=b"body") * 3)
    gate.wait_reached()
    client.finish()
    client.assert_silent()
    gate.open()
    assert [client.answer().body for _ in range(4)] == [b"/first"] + [b"/next"] * 3
    assert client.read_to_eof() == b""


def test_a_listener_in_a_task_of_its_own_sees_the_client_go(site: Site) -> None:
    """How streaming responses watch for the end."""
    done = []

    async def app(scope, receive, send):
        await read_body(receive)
        gone = asyncio.Event()

        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()

        task = asyncio.ensure_future(listen())
        await send(start())
        while not gone.is_set():
            await send(body(b"tick", True))
            await asyncio.sleep(0.002)
        await task
        done.append(True)

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    client.read_until(b"tick")
    client.reset()
    eventually(lambda: done)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_send_to_a_client_that_left_is_silent(site: Site, how: str) -> None:
    gate = Gate()
    sent = []

    async def app(scope, receive, send):
        await send(start())
        await gate.wait()
        for _ in range(200):
            await send(body(b"x" * 10_000, True))
            await asyncio.sleep(0)
        await send(body())
        sent.append(True)

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(REQUEST)
    gate.wait_reached()
    getattr(client, how)()
    gate.open()
    eventually(lambda: sent)
    assert recorder.raised == []
    site.wait_idle()
    assert site.warnings == []


def test_send_that_waits_for_a_client_that_leaves_returns(site: Site) -> None:
    sent = []

    async def app(scope, receive, send):
        await send(start())
        for _ in range(100):
            await send(body(b"x" * 1_000_000, True))
            sent.append(True)
        await send(body())

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(REQUEST)
    client.read_until(b"\r\n\r\n")
    client.assert_not_progressing(lambda: len(sent))
    assert len(sent) < 100
    client.reset()
    eventually(lambda: recorder.ended)
    assert len(sent) == 100
    assert recorder.raised == []
    assert site.warnings == []


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("before", [[], [start()], [start(), body(b"tick", True)]])
def test_app_that_stops_at_the_disconnect_is_no_fault(
    site: Site, how: str, before: list
) -> None:
    """Returning without an answer, or inside one, is right once nobody is there."""

    async def app(scope, receive, send):
        await read_body(receive)
        for message in before:
            await send(message)
        while (await receive())["type"] != "http.disconnect":
            pass

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(REQUEST)
    eventually(lambda: recorder.received)
    getattr(client, how)()
    eventually(lambda: recorder.ended)
    site.wait_idle()
    assert site.warnings == []


@pytest.mark.parametrize("before", [[start()], [start(), body(b"tick", True)]])
def test_an_answer_left_off_for_a_half_closed_client_is_cut(
    site: Site, before: list
) -> None:
    async def app(scope, receive, send):
        await read_body(receive)
        for message in before:
            await send(message)
        await receive()

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    client.finish()
    client.cut_answer()
    assert site.warnings == []


def test_rst_inside_a_head_is_silent(site: Site) -> None:
    client = site.connect()
    client.send(b"GET / HTTP/1.1\r\nHo")
    eventually(lambda: site.server.server.server_state.connections)
    client.reset()
    site.wait_idle()
    assert site.warnings == []


@pytest.mark.parametrize("how", ["close", "reset", "finish"])
def test_left_inside_the_body(site: Site, how: str) -> None:
    site.app = recorder = Recorder()
    client = site.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello")
    eventually(lambda: recorder.received)
    getattr(client, how)()
    eventually(lambda: recorder.ended)
    assert recorder.kinds[-1] == "http.disconnect"
    site.wait_idle()
    assert site.warnings == []


def test_fin_inside_the_body_cuts_a_running_answer(site: Site) -> None:
    gate = Gate()
    sent = []

    async def app(scope, receive, send):
        await send(start())
        await send(body(b"some", True))
        await gate.wait()
        await send(body(b"more", True))
        await send(body())
        sent.append(True)

    site.app = app
    client = site.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello")
    client.read_until(b"some\r\n")
    client.finish()
    assert client.read_to_eof() == b""
    gate.open()
    eventually(lambda: sent)
    assert site.warnings == []


def test_cut_requests_behind_a_running_one_are_not_served(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await gate.wait()
        await respond(send, scope["path"].encode())

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(request(target="/1") + b"GET /2 HTTP/1.1\r\nHost: h\r\n")
    gate.wait_reached()
    client.finish()
    client.assert_silent()
    gate.open()
    assert client.last_answer().body == b"/1"
    assert recorder.paths == ["/1"]
    assert site.warnings == []


def test_fault_after_the_client_left_is_still_logged(site: Site) -> None:
    async def app(scope, receive, send):
        await read_body(receive)
        await receive()
        raise ValueError("a fault of its own")

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    client.finish()
    site.wait_for_message("Exception in ASGI application")
    assert "a fault of its own" in site.errors[0]


def test_many_clients_leave_in_every_way(site: Site) -> None:
    """The server is as it was: no connection, no task, no word in the log."""

    async def app(scope, receive, send):
        await read_body(receive)
        await send(start())
        await send(body(b"x" * 100_000, True))
        await receive()

    async def tolerant(scope, receive, send):
        try:
            await app(scope, receive, send)
        except ConnectionError:
            pass

    site.app = tolerant
    for number in range(120):
        client = site.connect()
        client.send([b"", b"GET", REQUEST[:20], REQUEST, REQUEST * 2][number % 5])
        [client.close, client.reset, client.finish][number % 3]()
        if number % 3 == 2:
            client.close()
    site.wait_idle()
    site.app = lambda scope, receive, send: respond(send)
    assert site.connect().exchange(REQUEST).status == 200
    site.allow_errors()  # an answer left half done, by an app that saw nobody leave
    assert not [text for text in site.warnings if "Exception" in text]

"""A turn of the loop: every read first, then the applications, then every send.

What comes between a read and its application (another read, the peer's end, a
shutdown, a deadline) meets the request as if it had begun at once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from _fakes import (
    FakeLoop,
    Seen,
    Wire,
    answer,
    get,
    hello,
    make_shared,
    on_loop,
    post,
    turns,
)
from _sockets import Pair, Peer, SocketTransport

HANDSHAKE = get(
    b"/",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
HELLO_FRAME = b"\x81\x85\0\0\0\0hello"


class Messages:
    """An application that keeps all it receives, to the end, and never answers."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
        while not self.got or "disconnect" not in self.got[-1]["type"]:
            self.got.append(await receive())


@on_loop
async def test_applications_run_when_all_have_read(pair: Pair) -> None:
    seen = Seen()
    shared = make_shared(seen)
    wires = [Wire(shared, SocketTransport(pair[0])) for _ in range(3)]
    for number, wire in enumerate(wires):
        wire.data(get(b"/%d" % number))
    assert seen.scopes == []
    await turns()
    assert [scope["path"] for scope in seen.scopes] == ["/0", "/1", "/2"]
    assert Peer(pair[1]).read() == b"".join(answer(b"/%d" % n) for n in range(3))


@on_loop
async def test_a_large_read_is_served_at_once(pair: Pair) -> None:
    app = Messages()
    Wire(make_shared(app), SocketTransport(pair[0])).data(post(b"x" * 5000))
    assert app.got == [
        {"type": "http.request", "body": b"x" * 5000, "more_body": False}
    ]


@on_loop
async def test_two_reads_of_one_turn_stay_in_order(pair: Pair) -> None:
    app = Messages()
    wire = Wire(make_shared(app), SocketTransport(pair[0]))
    whole = post(b"one, two, three")
    wire.data(whole[:10], whole[10:-5], whole[-5:])
    await turns()
    assert b"".join(message["body"] for message in app.got) == b"one, two, three"
    assert not app.got[-1]["more_body"]


@on_loop
async def test_a_request_whose_client_is_lost_in_its_turn(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    app = Messages()
    wire = Wire(make_shared(app), SocketTransport(pair[0]))
    wire.data(post(b"whole"))
    wire.lost(ConnectionResetError())
    await turns()
    assert app.got == [
        {"type": "http.request", "body": b"whole", "more_body": False},
        {"type": "http.disconnect"},
    ]
    assert wire.written == Peer(pair[1]).read() == b""
    assert not wire.shared.connections and not wire.shared.tasks
    assert [each for each in caplog.records if each.levelno > logging.INFO] == []


@on_loop
@pytest.mark.parametrize("bad", [b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", HANDSHAKE])
async def test_what_needs_its_client_is_not_begun_without(
    pair: Pair, bad: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire(make_shared(), SocketTransport(pair[0]))
    wire.data(bad)
    wire.lost(ConnectionResetError())
    await turns()
    assert wire.written == Peer(pair[1]).read() == b""
    assert not wire.shared.connections and not wire.shared.tasks
    assert [each for each in caplog.records if each.levelno > logging.WARNING] == []


@on_loop
async def test_a_body_whose_client_is_lost_in_its_turn(pair: Pair) -> None:
    app = Messages()
    wire = Wire(make_shared(app), SocketTransport(pair[0]))
    wire.data(post(b"begun", length=9))
    await turns()
    wire.data(b", go")
    wire.lost()
    await turns()
    assert [message.get("body") for message in app.got] == [b"begun", b", go", None]


@on_loop
async def test_a_frame_in_the_turn_of_its_handshake(pair: Pair) -> None:
    app = Messages()
    wire = Wire(make_shared(app, ws_ping_interval=None), SocketTransport(pair[0]))
    wire.data(HANDSHAKE, HELLO_FRAME)
    await turns()
    assert [message["text"] for message in app.got] == ["hello"]
    wire.transport.protocol.connection_lost(None)
    await turns()


@on_loop
async def test_the_end_in_the_turn_of_a_handshake(pair: Pair) -> None:
    app = Messages()
    wire = Wire(make_shared(app, ws_ping_interval=None), SocketTransport(pair[0]))
    wire.data(HANDSHAKE)
    assert wire.connection.eof_received() is False
    await turns()
    assert [message["code"] for message in app.got] == [1006]
    wire.transport.protocol.connection_lost(None)


@on_loop
async def test_a_shutdown_in_the_turn_of_a_request(pair: Pair) -> None:
    wire = Wire(make_shared(hello), SocketTransport(pair[0]))
    wire.data(get())
    wire.connection.shutdown()
    assert wire.calls == []
    await turns()
    assert Peer(pair[1]).read() == answer(b"/", b"connection: close")
    assert wire.calls == ["close"]


@pytest.mark.parametrize("seconds", [5, 0.5])
def test_a_deadline_in_the_turn_of_a_request(pair: Pair, seconds: float) -> None:
    """Timers come before callbacks in a turn: here they find the request waiting."""
    loop = FakeLoop()
    shared = make_shared(hello, loop=loop, timeout_keep_alive=seconds)
    wire = Wire(shared, SocketTransport(pair[0]))
    peer = Peer(pair[1])
    wire.data(get(b"/1"))
    loop.turn()
    loop.hold_up(2 * seconds)
    wire.data(get(b"/2"))
    for _ in range(3):
        loop.turn()
    assert wire.calls == []
    assert peer.read() == answer(b"/1") + answer(b"/2")
    loop.advance(2 * seconds + 2)
    assert wire.calls == ["close"]


@on_loop
async def test_a_fault_of_one_leaves_the_others_of_its_turn(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    shared = make_shared(hello)
    broken, sound = SocketTransport(pair[0]), SocketTransport(pair[0])
    for number, transport in enumerate((broken, sound)):
        Wire(shared, transport).data(get(b"/%d" % number))
    broken.get_extra_info = None  # type: ignore[assignment,method-assign]
    await asyncio.sleep(0.01)
    assert Peer(pair[1]).read() == answer(b"/1")
    assert broken.calls == ["abort"] and sound.calls == []
    assert "A connection failed." in caplog.text

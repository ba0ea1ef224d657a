"""WebSocketConnection on a transport that only records: what a peer that sends and does
not read is answered with, and how much of that waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from _fakes import (
    FakeLoop,
    FakeTransport,
    ResetTransport,
    Wire,
    make_shared,
    on_loop,
    turns,
)
from harness.frames import BINARY, CLOSE, PING, PONG, TEXT, close, frame, server_frame
from harness.websocket import ACCEPT, CONNECT, echo, handshake, say

LIMIT = 1000  # bytes that the transport holds before it says that it is too much


def open_websocket(app: Any, limit: int = LIMIT) -> FakeTransport:
    """A transport whose connection has accepted a WebSocket; its 101 is read."""
    shared = make_shared(app, ws_ping_interval=0)
    transport = FakeTransport(limit)
    Wire(shared, transport).data(handshake())
    return transport


def sent_since(transport: FakeTransport) -> bytes:
    written = transport.written
    transport.writes.clear()
    return written


@on_loop
async def test_pings_of_a_peer_that_does_not_read_are_not_all_answered() -> None:
    """Or its pongs would fill the memory. RFC 6455 5.5.3: the last one is due."""
    transport = open_websocket(echo)
    await turns()
    assert sent_since(transport).startswith(b"HTTP/1.1 101 ")
    for number in range(100):
        transport.protocol.data_received(frame(PING, b"%0120d" % number))
        await turns(1)
    pongs = [server_frame(PONG, b"%0120d" % number) for number in range(100)]
    answered = sent_since(transport)
    count = len(answered) // len(pongs[0])
    assert answered == b"".join(pongs[:count])
    assert LIMIT < transport.buffered < LIMIT + 2 * len(pongs[0])
    transport.drain()
    await turns()
    assert sent_since(transport) == pongs[99]
    # And from now on as ever: a pong is not sent again.
    transport.protocol.data_received(frame(PING, b"x") + frame(TEXT, b"hello"))
    await turns()
    pong, text = server_frame(PONG, b"x"), server_frame(TEXT, b"hello")
    assert sent_since(transport) == pong + text
    transport.drain()
    await turns()
    assert sent_since(transport) == b""
    transport.protocol.connection_lost(None)


@on_loop
async def test_a_pong_that_waits_goes_out_before_the_sends_that_wait() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        for _ in range(3):
            await send(say("x" * LIMIT))
            await asyncio.sleep(0)
        await receive()
        await receive()

    transport = open_websocket(app)
    await turns()
    assert sent_since(transport).endswith(b"x" * LIMIT)
    transport.protocol.data_received(frame(PING, b"?"))
    assert sent_since(transport) == b""
    transport.drain()
    await turns()
    assert sent_since(transport).startswith(server_frame(PONG, b"?") + b"\x81\x7e")
    transport.protocol.connection_lost(None)


@on_loop
async def test_no_pong_is_sent_behind_a_close_frame() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        await send(say("x" * LIMIT))
        while (await receive())["type"] != "websocket.disconnect":
            pass

    transport = open_websocket(app)
    await turns()
    transport.protocol.data_received(frame(PING, b"?"))
    sent_since(transport)
    transport.protocol.data_received(close(1000))
    await turns()
    assert sent_since(transport) == server_frame(CLOSE, b"\x03\xe8")
    assert transport.calls == ["close"]
    transport.drain()
    await turns()
    assert sent_since(transport) == b""
    transport.protocol.connection_lost(None)


@on_loop
async def test_a_violation_that_meets_a_reset(caplog: pytest.LogCaptureFixture) -> None:
    """FIN cannot be sent any more, which is no fault of the server."""
    wire = Wire(make_shared(echo, ws_ping_interval=0), ResetTransport())
    wire.data(handshake())
    await turns()
    assert wire.written.startswith(b"HTTP/1.1 101 ")
    wire.transport.protocol.data_received(server_frame(TEXT, b"no mask"))
    await turns()
    assert wire.written.endswith(b"\x03\xeaa frame without a mask")
    assert wire.calls == ["close"]
    wire.transport.protocol.connection_lost(None)
    assert "ERROR" not in {record.levelname for record in caplog.records}


# -- more than may come before the application accepts ---------------------------------


def flooded(app: Any, loop: FakeLoop) -> Wire:
    """A WebSocket that is not accepted, whose peer has sent over 64 KiB and is held."""
    wire = Wire(make_shared(app, loop, ws_ping_interval=0, timeout_request_header=30))
    wire.data(handshake())
    protocol = wire.transport.protocol
    protocol.data_received(frame(BINARY, bytes(65_536)))
    assert not wire.transport.reading and wire.calls.count("pause_reading") == 1
    return wire


def test_a_peer_that_has_sent_much_is_not_waited_for_without_end() -> None:
    """It is not read from, so that its end cannot be seen."""
    loop = FakeLoop()
    received: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        received.append(await receive())
        received.append(await receive())

    wire = flooded(app, loop)
    loop.advance(29.9)
    assert received == [CONNECT] and "abort" not in wire.calls
    loop.advance(1)
    loop.turn()
    assert received == [CONNECT, {"type": "websocket.disconnect", "code": 1006}]
    assert wire.calls[-1] == "abort" and wire.written == b""
    assert wire.shared.server_state.limits_met["timeout_request_header"] == 1


def test_what_was_held_is_delivered_however_late_the_rest_comes() -> None:
    loop = FakeLoop()
    opened: asyncio.Future[None] = loop.create_future()
    received: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await opened
        await receive()
        await send(ACCEPT)
        while True:
            received.append(len((await receive())["bytes"]))

    wire = flooded(app, loop)
    loop.advance(29)
    opened.set_result(None)
    loop.turn()
    assert received == [65_536] and wire.transport.reading
    loop.advance(100)
    wire.transport.protocol.data_received(frame(BINARY, b"late"))
    assert received == [65_536, 4]
    wire.transport.protocol.connection_lost(None)


@on_loop
async def test_a_queue_of_none_holds_one_message() -> None:
    """Or nothing would ever be delivered."""
    shared = make_shared(echo, ws_ping_interval=0, ws_max_queue=0)
    wire = Wire(shared)
    wire.data(handshake())
    wire.transport.protocol.data_received(frame(TEXT, b"a") + frame(TEXT, b"b"))
    await turns()
    assert wire.written.endswith(server_frame(TEXT, b"a") + server_frame(TEXT, b"b"))
    wire.transport.protocol.connection_lost(None)

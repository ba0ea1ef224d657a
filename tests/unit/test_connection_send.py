"""Connection on a plain socket: what it sends directly, and what by the transport.

A pair of sockets stands where the transport's would be. Whatever way bytes take, the
peer gets them in order, each once.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from _fakes import (
    Wire,
    answer,
    body,
    get,
    hello,
    make_shared,
    on_loop,
    start,
    turns,
)
from _sockets import Pair, Peer, SocketTransport


@on_loop
async def test_an_answer_goes_into_the_socket(pair: Pair) -> None:
    peer = Peer(pair[1])
    wire = Wire(make_shared(hello), SocketTransport(pair[0]))
    wire.data(get(b"/1"))
    assert peer.read() == b""  # not before the loop's turn ends
    await turns()
    assert peer.read() == answer(b"/1")
    wire.data(get(b"/2") + get(b"/3"))
    await turns()
    assert peer.read() == answer(b"/2") + answer(b"/3")
    assert wire.transport.writes == []


@on_loop
async def test_not_behind_tls(pair: Pair) -> None:
    transport = SocketTransport(pair[0], sslcontext=object())
    wire = Wire(make_shared(hello), transport)
    wire.data(get())
    assert wire.written == answer(b"/")
    assert Peer(pair[1]).read() == b""


@on_loop
async def test_what_the_socket_does_not_take_goes_to_the_transport(pair: Pair) -> None:
    size = 3_000_000
    data = random.Random(1).randbytes(size)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/small":
            return await hello(scope, receive, send)
        await send(start(200, (b"content-length", b"%d" % size)))
        await send(body(data))

    transport = SocketTransport(pair[0])
    peer = Peer(pair[1])
    wire = Wire(make_shared(app), transport)
    wire.data(get() + get(b"/small"))
    await turns()
    expected = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + data
    expected += answer(b"/small")
    assert 0 < len(wire.written) < len(expected)
    assert expected.endswith(wire.written)
    # While the transport holds something nothing overtakes it.
    wire.data(get(b"/small"))
    await turns()
    expected += answer(b"/small")
    assert wire.written.endswith(answer(b"/small"))
    while len(peer.got) < len(expected):
        assert peer.read() or transport.held
        transport.drain()
    assert peer.got == expected
    # Then the socket is used again.
    written = len(wire.written)
    wire.data(get(b"/small"))
    await turns()
    assert peer.read() == answer(b"/small")
    assert len(wire.written) == written


@on_loop
async def test_what_a_task_of_the_apps_own_sends_keeps_its_place(pair: Pair) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def other() -> None:
            await send(body(b"two", True))

        await send(start())
        await send(body(b"one", True))
        await asyncio.create_task(other())
        await send(body(b"six"))

    transport = SocketTransport(pair[0])
    peer = Peer(pair[1])
    wire = Wire(make_shared(app), transport)
    wire.data(get())
    await turns()
    peer.read()
    transport.drain()
    peer.read()
    assert peer.got.endswith(b"3\r\none\r\n3\r\ntwo\r\n3\r\nsix\r\n0\r\n\r\n")


@on_loop
async def test_a_socket_that_has_failed(pair: Pair) -> None:
    """The transport finds out, and says so in its own way."""
    wire = Wire(make_shared(hello), SocketTransport(pair[0]))
    pair[1].close()
    wire.data(get())
    await turns()
    assert wire.written == answer(b"/")
    wire.lost(BrokenPipeError())


@on_loop
async def test_an_answer_goes_out_before_a_close(pair: Pair) -> None:
    """What waits for the turn's end is not lost to a FIN or a shutdown before it."""
    peer = Peer(pair[1])
    wire = Wire(make_shared(hello), SocketTransport(pair[0]))
    wire.data(get())
    assert wire.connection.eof_received() is False
    assert peer.read() == answer(b"/")


@on_loop
async def test_nothing_is_sent_on_the_socket_of_a_lost_connection(pair: Pair) -> None:
    """Its number may be another connection's by then."""
    gate = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()
        await hello(scope, receive, send)

    shared = make_shared(app)
    wires = [Wire(shared, SocketTransport(pair[0])) for _ in range(2)]
    for wire in wires:
        wire.data(get())
    wires[0].lost()
    wires[1].connection.transport.abort()  # type: ignore[union-attr]
    wires[1].lost(ConnectionResetError())
    gate.set()
    await turns()
    assert Peer(pair[1]).read() == b""
    assert wires[0].written == wires[1].written == b""


@on_loop
@pytest.mark.parametrize("seed", range(10))
async def test_the_peer_gets_all_in_order(pair: Pair, seed: int) -> None:
    """Answers of any size, sent in any number of steps, to a peer of any speed."""
    chance = random.Random(seed)
    sent = b""
    finished = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent, finished
        data = chance.randbytes(chance.choice([1, 100, 20_000, 70_000, 300_000]))
        sent += data
        await send(start(200, (b"content-length", b"%d" % len(data))))
        while data:
            part = data[: chance.randint(1, len(data))]
            data = data[len(part) :]
            await send(body(part, bool(data)))
            if chance.randrange(2):
                await asyncio.sleep(0)
        finished += 1

    transport = SocketTransport(pair[0])
    peer = Peer(pair[1])
    wire = Wire(make_shared(app), transport)
    total = 0
    for _ in range(40):
        number = chance.randint(1, 3)
        total += number
        wire.data(get() * number)
        peer.read(chance.choice([0, 1000, 100_000, 1 << 20]))
        if chance.randrange(2):
            transport.drain()
        await turns(chance.randrange(4))
    for _ in range(10_000):
        transport.drain()
        was_finished = finished == total
        await turns(2)  # what the last step has written goes out in the next turn
        if not peer.read() and not transport.held and was_finished:
            break
    assert finished == total == wire.shared.total_requests
    bodies = b""
    rest = peer.got
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        size = int(head.rpartition(b" ")[2])
        bodies += rest[:size]
        rest = rest[size:]
    assert bodies == sent

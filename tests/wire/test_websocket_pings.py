"""Keep-alive: pings of the server's, and when a peer that is silent is given up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from harness.apps import Recorder
from harness.fixtures import Site
from harness.frames import PING, PONG, TEXT, frame
from harness.server import eventually
from harness.websocket import ACCEPT, CONNECT, Peer, gone, listen, received

REASON = "keepalive ping timeout"


@pytest.mark.parametrize(("interval", "count"), [(0.1, 3), (1.0, 1)])
def test_pings_come_in_their_interval(
    start_server: Callable[..., Site], interval: float, count: int
) -> None:
    site = start_server(listen, ws_ping_interval=interval)
    begun = time.monotonic()
    peer = Peer(site.connect())
    payloads = []
    for _ in range(count):
        payloads.append(peer.control(PING))
        peer.pong(payloads[-1])
    assert time.monotonic() - begun >= count * interval
    assert [len(payload) for payload in payloads] == [4] * count
    assert len(set(payloads)) == count
    peer.leave()


@pytest.mark.parametrize("timeout", [0.2, 1.0])
def test_a_silent_peer_is_given_up_with_1011(
    start_server: Callable[..., Site], timeout: float
) -> None:
    recorder = Recorder(listen)
    site = start_server(recorder, ws_ping_interval=0.05, ws_ping_timeout=timeout)
    begun = time.monotonic()
    peer = Peer(site.connect())
    peer.control(PING)
    assert peer.closed() == (1011, REASON)  # and no second ping meanwhile
    assert time.monotonic() - begun >= timeout
    peer.ended()
    eventually(lambda: recorder.ended)
    assert recorder.received == [CONNECT, gone(1011, REASON)]


@pytest.mark.parametrize("life", ["pong", "ping", "text", "part"])
def test_any_bytes_are_life(start_server: Callable[..., Site], life: str) -> None:
    """Each next ping comes because the bytes were an answer to the one before."""
    site = start_server(listen, ws_ping_interval=0.05)
    peer = Peer(site.connect())
    whole = frame(TEXT, b"x" * 256)
    for sent in range(5):
        peer.control(PING)
        peer.client.assert_silent(0.06)  # one at a time
        if life == "part":
            peer.client.send(whole[sent : sent + 1])
        elif life == "text":
            peer.text("hello")
        else:
            getattr(peer, life)(b"not the payload that was asked for")
        if life == "ping":
            peer.control(PONG)
    peer.client.reset()


def test_a_slow_app_is_not_a_dead_peer(start_server: Callable[..., Site]) -> None:
    """Its queue is full, so the peer's pongs are unread: nobody knows, nobody ends."""
    opened: list[int] = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        while not opened:
            await asyncio.sleep(0.01)
        while (await receive())["type"] == "websocket.receive":
            pass

    recorder = Recorder(app)
    site = start_server(
        recorder, ws_ping_interval=0.05, ws_ping_timeout=0.1, ws_max_queue=2
    )
    four = b"".join(frame(TEXT, b"%d" % number) for number in range(4))
    peer = Peer(site.connect(), behind=four)
    peer.control(PING)
    peer.client.assert_silent(0.5)  # no close, and no second ping
    assert recorder.received == [CONNECT]
    opened.append(1)
    eventually(lambda: len(recorder.received) >= 5)
    # Read again, this peer is silent: on a busy machine its end may come by now.
    texts = [received(str(number)) for number in range(4)]
    assert recorder.received[:5] == [CONNECT, *texts]
    peer.client.reset()


def test_a_loop_held_up_is_not_a_dead_peer(start_server: Callable[..., Site]) -> None:
    answered = threading.Event()

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        for _ in range(3):
            await asyncio.sleep(0.03)  # a ping is written
        answered.wait(20)
        time.sleep(0.8)  # longer than its answer may take
        await receive()
        await receive()

    recorder = Recorder(app)
    site = start_server(recorder, ws_ping_interval=0.05, ws_ping_timeout=0.5)
    peer = Peer(site.connect())
    peer.pong(peer.control(PING))
    peer.text("still here")
    answered.set()
    eventually(lambda: len(recorder.received) == 2, 20)
    assert recorder.received[1] == received("still here")
    peer.client.reset()


@pytest.mark.parametrize("interval", [0, None])
def test_no_pings(start_server: Callable[..., Site], interval: int | None) -> None:
    site = start_server(listen, ws_ping_interval=interval, ws_ping_timeout=0.1)
    peer = Peer(site.connect())
    peer.client.assert_silent(0.25)
    peer.leave()


def test_pings_that_need_no_answer(start_server: Callable[..., Site]) -> None:
    site = start_server(listen, ws_ping_interval=0.05, ws_ping_timeout=None)
    peer = Peer(site.connect())
    for _ in range(5):
        peer.control(PING)
    peer.client.reset()


def test_a_ping_is_answered_while_the_app_does_not_read(site: Site) -> None:
    async def app(scope, receive, send):
        await send(ACCEPT)
        await receive()
        await receive()

    site.app = app
    peer = Peer(site.connect())
    for payload in (b"", b"x" * 125):
        peer.ping(payload)
        assert peer.control(PONG) == payload
    peer.leave()

"""Bounded memory: reading stops while the application does not read, send() waits while
the client does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import psutil
import pytest
from harness.apps import Gate, Recorder, body, read_body, respond, start
from harness.client import REQUEST, Client, request
from harness.fixtures import Site
from harness.server import eventually

MIB = 1 << 20
# What both kernels' socket buffers may take before a sender feels anything.
SOCKETS = 20 * MIB


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_reading_pauses_while_the_app_does_not_receive(site: Site, coding: str) -> None:
    gate = Gate()
    size, total = 0, 50 * MIB

    async def app(scope, receive, send):
        nonlocal size
        await gate.wait()
        while True:
            message = await receive()
            size += len(message["body"])
            if not message["more_body"]:
                return await respond(send)

    site.app = app
    client = site.connect()
    if coding == "length":
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % total)
        piece = b"x" * (MIB // 4)
    else:
        client.send(request("POST", headers=[("Transfer-Encoding", "chunked")]))
        piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    gate.wait_reached()
    sent = client.send_while_accepted(piece, total)
    assert sent < SOCKETS
    gate.open()
    rest = total - sent
    if coding == "chunked":
        rest = -sent % len(piece)  # to the end of the chunk under way
    client.send((piece * (rest // len(piece) + 2))[sent % len(piece) :][:rest])
    if coding == "chunked":
        client.send(b"0\r\n\r\n")
    assert client.answer().status == 200
    assert size == (
        total if coding == "length" else (sent + rest) // len(piece) * 65_536
    )


def test_at_most_64_kib_and_one_read_wait_for_the_app(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await gate.wait()
        await receive()
        await read_body(receive)
        await respond(send)

    site.app = recorder = Recorder(app)
    client = site.connect()
    total = 4 * MIB
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % total)
    gate.wait_reached()
    sent = client.send_while_accepted(b"x" * 65_536, total, stall=0.1)
    gate.open()
    client.send(b"x" * (total - sent))
    assert client.answer().status == 200
    first = len(recorder.received[0]["body"])
    assert 65_536 <= first <= 65_536 + 262_144  # the largest read of either loop


def test_send_waits_for_a_client_that_does_not_read(site: Site) -> None:
    sent = 0

    async def app(scope, receive, send):
        nonlocal sent
        await send(start())
        for _ in range(300):
            await send(body(b"x" * 100_000, True))
            sent += 100_000
        await send(body())

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    client.assert_not_progressing(lambda: sent)
    assert sent < SOCKETS
    assert len(client.answer().body) == 30_000_000


def test_send_that_waits_does_not_stop_other_connections(site: Site) -> None:
    async def app(scope, receive, send):
        await send(start())
        for _ in range(100 if scope["path"] == "/big" else 1):
            await send(body(b"x" * 200_000, True))
        await send(body())

    site.app = app
    stuck, other = site.connect(), site.connect()
    stuck.send(request(target="/big"))
    for _ in range(5):
        assert len(other.exchange(REQUEST).body) == 200_000
    assert len(stuck.answer().body) == 20_000_000


def test_several_sends_that_wait_at_once_all_go_on(site: Site) -> None:
    async def app(scope, receive, send):
        await send(start())
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(send(body(b"x" * 500_000, True)))
        await send(body())

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    time.sleep(0.1)
    assert len(client.answer().body) == 10_000_000


def rss() -> int:
    return psutil.Process().memory_info().rss


@pytest.mark.parametrize("size", [2, 2000])
def test_a_client_that_pipelines_and_never_reads_costs_little(
    start_server: Callable[..., Site], size: int
) -> None:
    """Under 1 MB a connection: the server stops reading what it cannot answer."""
    started = 0

    async def app(scope, receive, send):
        nonlocal started
        started += 1
        await respond(send, b"x" * size)

    site = start_server(app, access_log=False)
    data = REQUEST * 1000
    warm = site.connect()
    assert warm.exchange(REQUEST).status == 200
    before = rss()
    clients: list[Client] = [site.connect() for _ in range(8)]
    limit = 100_000 * len(REQUEST)
    for client in clients:
        client.send_while_accepted(data, limit, stall=0.2)
    assert rss() - before < len(clients) * 1_000_000
    if size == 2000:  # more answers than the sockets hold: no more requests run
        assert started < 8 * 50_000
    assert warm.exchange(REQUEST).status == 200


def test_a_client_that_pipelines_to_a_waiting_app_is_held_back(site: Site) -> None:
    """What waits behind a running request is bounded, in the same way."""
    gate = Gate()

    async def app(scope, receive, send):
        await gate.wait()
        await respond(send)

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(REQUEST)
    gate.wait_reached()
    before = rss()
    sent = client.send_while_accepted(REQUEST * 1000, 100_000 * len(REQUEST), stall=0.2)
    assert rss() - before < 1_000_000
    assert recorder.started == 1
    gate.open()
    whole = sent // len(REQUEST)
    assert [client.answer().status for _ in range(min(whole, 1000))][-1] == 200


def test_reading_goes_on_after_each_pause(site: Site) -> None:
    """Pause and resume again and again within one body and across requests."""

    async def app(scope, receive, send):
        size = 0
        while True:
            message = await receive()
            size += len(message["body"])
            await asyncio.sleep(0)
            if not message["more_body"]:
                return await respond(send, b"%d" % size)

    site.app = app
    client = site.connect()
    for _ in range(3):
        answer = client.exchange(request("POST", body=b"x" * 5_000_000))
        assert answer.body == b"5000000"


def test_an_unread_body_is_dropped_while_the_app_still_works(site: Site) -> None:
    """The answer is out; the rest of the body does not wait for the app's end."""
    gate = Gate()

    async def app(scope, receive, send):
        await respond(send)
        if scope["path"] == "/first":
            await gate.wait()

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(request("POST", "/first", body=b"x" * 5_000_000))
    assert client.answer().status == 200
    assert client.exchange(REQUEST).status == 200
    gate.open()
    eventually(lambda: recorder.ended == 2)

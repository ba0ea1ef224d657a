"""Several requests before the first answer (RFC 9112 9.3.2): order, isolation."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable

import pytest
from harness.apps import (
    Gate,
    Receive,
    Recorder,
    Scope,
    Send,
    body,
    echo,
    echo_path,
    read_body,
    replies,
    respond,
    start,
)
from harness.client import REQUEST, chunked, request
from harness.fixtures import Site
from harness.server import TIMEOUT, eventually


def numbered(count: int, first: int = 0) -> bytes:
    return b"".join(request(target=f"/{n}") for n in range(first, first + count))


@pytest.mark.parametrize("count", [2, 31, 32, 33, 64, 200])
def test_answers_come_in_order(site: Site, count: int) -> None:
    site.app = echo_path
    client = site.connect()
    client.send(numbered(count))
    got = [client.answer().body for _ in range(count)]
    assert got == [b"/%d" % n for n in range(count)]
    client.assert_silent()
    assert client.exchange(request(target="/last")).body == b"/last"


def test_order_holds_when_the_app_waits(site: Site) -> None:
    async def app(scope, receive, send):
        number = int(scope["path"][1:])
        for _ in range(number % 3):
            await asyncio.sleep(0)
        await respond(send, scope["path"].encode())

    site.app = app
    client = site.connect()
    client.send(numbered(100))
    assert [client.answer().body for _ in range(100)] == [
        b"/%d" % n for n in range(100)
    ]


def test_order_holds_when_the_first_is_slow(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        if scope["path"] == "/0":
            await gate.wait()
        await respond(send, scope["path"].encode())

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(numbered(64))
    gate.wait_reached()
    client.assert_silent()
    assert recorder.paths == ["/0"]
    gate.open()
    assert [client.answer().body for _ in range(64)] == [b"/%d" % n for n in range(64)]


def test_bodies_stay_with_their_requests(site: Site) -> None:
    site.app = echo
    client = site.connect()
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [
        request("POST", body=b"one"),
        head + chunked(b"t", b"wo"),
        REQUEST,
        request("POST", body=b"x" * 200_000),
        head + chunked(b"y" * 100_000, b"z" * 100_000, trailers=b"T: 1\r\n"),
        request("POST", body=b"last"),
    ]
    client.send(b"".join(parts))
    assert [client.answer().body for _ in parts] == [
        b"one",
        b"two",
        b"",
        b"x" * 200_000,
        b"y" * 100_000 + b"z" * 100_000,
        b"last",
    ]


def test_unread_bodies_are_dropped_between_requests(site: Site) -> None:
    site.app = recorder = Recorder(echo_path)
    client = site.connect()
    client.send(
        b"".join(request("POST", f"/{n}", body=b"x" * 70_000) for n in range(10))
    )
    assert [client.answer().body for _ in range(10)] == [b"/%d" % n for n in range(10)]
    assert recorder.paths == [f"/{n}" for n in range(10)]


def test_streams_do_not_mix(site: Site) -> None:
    async def app(scope, receive, send):
        await send(start())
        for _ in range(5):
            await send(body(scope["path"].encode(), True))
            await asyncio.sleep(0)
        await send(body())

    site.app = app
    client = site.connect()
    client.send(numbered(10))
    assert [client.answer().body for _ in range(10)] == [
        b"/%d" % n * 5 for n in range(10)
    ]


def test_the_next_starts_neither_in_send_nor_in_the_step_that_called_it(
    site: Site,
) -> None:
    order = []

    async def app(scope, receive, send):
        order.append("start " + scope["path"])
        await respond(send)
        order.append("sent " + scope["path"])

    site.app = app
    client = site.connect()
    client.send(numbered(3))
    for _ in range(3):
        client.answer()
    eventually(lambda: len(order) == 6)
    assert order == [f"{what} /{n}" for n in range(3) for what in ("start", "sent")]


def test_the_next_does_not_wait_for_the_end_of_the_application(site: Site) -> None:
    """Only for its answer: what goes on after that is a background task."""
    gate = Gate()

    async def app(scope, receive, send):
        await respond(send, scope["path"].encode())
        if scope["path"] == "/0":
            await gate.wait()

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(numbered(3))
    assert [client.answer().body for _ in range(3)] == [b"/0", b"/1", b"/2"]
    assert client.exchange(request(target="/3")).body == b"/3"
    assert recorder.ended == 3
    gate.open()
    eventually(lambda: recorder.ended == 4)


def test_other_connections_are_served_between(
    start_server: Callable[..., Site],
) -> None:
    """A connection that pipelines without end does not hold up the others."""
    site = start_server(limit_pipelined_requests=2000)
    begun, sent = threading.Event(), threading.Event()

    async def app(scope, receive, send):
        if not begun.is_set():
            begun.set()
            sent.wait(TIMEOUT)
        await respond(send, scope["path"].encode())

    site.app = recorder = Recorder(app)
    greedy, other = site.connect(), site.connect()
    greedy.send(numbered(2000))
    assert begun.wait(TIMEOUT)
    other.send(REQUEST)
    sent.set()
    assert other.answer().status == 200
    assert recorder.paths.index("/") < 500
    assert [greedy.answer().body for _ in range(2000)][-1] == b"/1999"


def test_a_refusal_waits_for_the_answers_before_it(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await send(start(200, [(b"content-length", b"10")]))
        await send(body(b"first", True))
        await gate.wait()
        await send(body(b"-half"))

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(REQUEST + b"garbage\r\n\r\n")
    gate.wait_reached()
    data = client.read_until(b"first")
    assert data.count(b"HTTP/1.1") == 1
    client.assert_silent()
    gate.open()
    assert client.read_until(b"-half") == b"-half"
    client.refused()
    assert recorder.started == 1


def test_a_refusal_waits_for_an_answer_not_yet_begun(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await gate.wait()
        await respond(send, scope["path"].encode())

    site.app = app
    client = site.connect()
    client.send(numbered(2) + b"garbage\r\n\r\n")
    gate.wait_reached()
    client.assert_silent()
    gate.open()
    assert [client.answer().body for _ in range(2)] == [b"/0", b"/1"]
    client.refused()


def test_a_cut_answer_ends_the_connection_for_the_requests_behind_it(
    site: Site,
) -> None:
    async def app(scope, receive, send):
        if scope["path"] == "/1":
            await send(start())
            await send(body(b"some", True))
            raise ValueError("broken")
        await respond(send, scope["path"].encode())

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(numbered(4))
    assert client.answer().body == b"/0"
    assert client.cut_answer().body == b"some"
    assert recorder.paths == ["/0", "/1"]
    assert len(site.errors) == 1


def test_fault_after_a_complete_answer_closes_after_the_running_one(
    site: Site,
) -> None:
    first, second = Gate(), Gate()

    async def app(scope, receive, send):
        if scope["path"] == "/0":
            await respond(send, b"/0")
            await first.wait()
            raise ValueError("late")
        await send(start(200, [(b"content-length", b"4")]))
        await send(body(b"ha", True))
        await second.wait()
        await send(body(b"lf"))

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(numbered(1))
    assert client.answer().body == b"/0"
    client.send(numbered(2, first=1))
    client.read_until(b"ha")
    first.wait_reached()
    first.open()
    site.wait_for_message("Exception in ASGI application")
    client.assert_silent()
    second.open()
    assert client.read_to_eof() == b"lf"
    assert recorder.paths == ["/0", "/1"]
    assert len(site.errors) == 1


def test_fin_after_the_last_of_several_requests(site: Site) -> None:
    """Each is complete, so each is answered."""

    async def app(scope, receive, send):
        await read_body(receive)
        await asyncio.sleep(0.002)
        await respond(send, scope["path"].encode())

    site.app = app
    client = site.connect()
    client.send(numbered(5))
    client.finish()
    assert [client.answer().body for _ in range(5)] == [b"/%d" % n for n in range(5)]
    assert client.read_to_eof() == b""


@pytest.mark.parametrize("limit", [1, 3])
def test_more_requests_ahead_than_are_answered(
    limit: int, start_server: Callable[..., Site]
) -> None:
    """The last answer says that it is the last, and nothing behind it is served."""
    site = start_server(limit_pipelined_requests=limit)
    site.app = recorder = Recorder(replies())
    client = site.connect()
    client.send(numbered(limit + 2))
    for _ in range(limit - 1):
        assert client.answer().header(b"connection") is None
    last = client.last_answer()
    assert (last.status, last.header(b"connection")) == (200, b"close")
    assert recorder.paths == [f"/{n}" for n in range(limit)]
    assert site.server.server.server_state.limits_met["limit_pipelined_requests"] == 1
    assert re.fullmatch(
        r"Closed, from 127\.0\.0\.1:\d+: the peer sent more than "
        rf"{limit} requests ahead \(--limit-pipelined-requests\)\.",
        site.warnings[0],
    )


def test_as_many_requests_ahead_as_are_answered(
    start_server: Callable[..., Site],
) -> None:
    """Again and again: what was sent after an answer is not ahead of it."""
    site = start_server(limit_pipelined_requests=3)
    client = site.connect()
    for _ in range(5):
        client.send(REQUEST * 3)
        for _ in range(3):
            assert client.answer().header(b"connection") is None
    assert site.warnings == []


def test_requests_ahead_are_counted_while_one_is_answered(
    start_server: Callable[..., Site],
) -> None:
    """A window of three that never closes is not four requests ahead."""
    site = start_server(limit_pipelined_requests=4)
    gates = {f"/{n}": Gate() for n in range(12)}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gates[scope["path"]].wait()
        await respond(send)

    site.app = app
    client = site.connect()
    client.send(numbered(3))
    for n in range(12):
        gates[f"/{n}"].wait_reached()
        if n < 9:
            client.send(request(target=f"/{n + 3}"))
        gates[f"/{n}"].open()
        assert client.answer().header(b"connection") is None
    assert site.warnings == []

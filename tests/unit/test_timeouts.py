"""Deadlines of requests and answers, on a loop whose time the test moves.

A head has one from its first byte, or from accept, that no byte moves; a body has one
that every byte moves; output has one that is moved by what the peer takes.
"""

from __future__ import annotations

from typing import Any

import pytest
from _fakes import (
    FakeLoop,
    FakeTransport,
    Wire,
    answer,
    body,
    get,
    hangs,
    hello,
    make_shared,
    post,
    start,
)

STEP = 0.25
LATE = 2 * STEP + 0.02


def met(wire: Wire) -> dict[str, int]:
    return dict(wire.shared.server_state.limits_met)


def trickle(wire: Wire, loop: FakeLoop, data: bytes, pause: float) -> float:
    """Feed bytes one by one until there is an answer; how long that took."""
    begin = loop.now
    for byte in data:
        wire.data(bytes([byte]))
        loop.advance(pause)
        if wire.calls:
            return loop.now - begin
    raise AssertionError("the data was not long enough")


# --- the head -------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0.5, 3, 30])
@pytest.mark.parametrize(
    "head", [b"G", b"GET / HT", get()[:-1], get(b"/", b"X: y")[:-4]]
)
def test_a_head_that_stops(head: bytes, timeout: float) -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(hello, loop, timeout_request_header=timeout))
    wire.data(head)
    loop.advance(timeout - 0.01)
    assert wire.calls == []
    loop.advance(LATE)
    assert wire.calls == ["write_eof"]
    assert wire.written.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"connection: close" in wire.written
    assert met(wire) == {"timeout_request_header": 1}


@pytest.mark.parametrize("pause", [0.02, 0.2, 0.24, 0.26, 0.9, 4.9])
@pytest.mark.parametrize("before", [b"", get()])
def test_trickled_bytes_do_not_move_it(before: bytes, pause: float) -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(hello, loop, timeout_request_header=10))
    if before:
        wire.data(before)
    took = trickle(wire, loop, b"GET /" + b"x" * 20_000, pause)
    assert 10 <= took <= 10 + LATE + pause


def test_it_is_every_heads_own() -> None:
    """Also of the second one in a read, and of one behind an answer that took long."""
    loop = FakeLoop()
    wire = Wire(make_shared(hello, loop, timeout_request_header=10))
    for _ in range(5):
        wire.data(get()[:9])
        loop.advance(9)
        wire.data(get()[9:] + get() + get()[:5])
        loop.advance(9)
        wire.data(get()[5:])
        assert wire.calls == []
    assert wire.written == answer(b"/") * 15


def test_a_silent_connection_is_closed_without_an_answer() -> None:
    """A browser opens spare ones; an answer would meet its next request."""
    loop = FakeLoop()
    for data in (b"", b"\r\n", b"\r\n\r"):
        wire = Wire(make_shared(hello, loop))
        if data:
            wire.data(data)
        loop.advance(29.9)
        assert wire.calls == []
        loop.advance(0.1 + LATE)
        assert (wire.calls, wire.written) == (["close"], b"")
        assert met(wire) == {"timeout_request_header": 1}


def test_empty_lines_do_not_keep_a_connection() -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(hello, loop, timeout_request_header=10))
    wire.data(get())
    assert trickle(wire, loop, b"\r\n" * 100, 4.9) <= 10 + 2 * 4.9


def test_0_is_none() -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(hello, loop, timeout_request_header=0))
    loop.advance(1000)
    wire.data(get()[:-1])
    loop.advance(1000)
    assert wire.calls == [] and loop.timers == 0
    wire.data(b"\n")
    assert wire.written == answer(b"/")


# --- the body -------------------------------------------------------------------------


class Reader:
    """An application that reads its body, and answers if it gets it whole."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            self.got.append(await receive())
            more = self.got[-1].get("more_body", False)
        if self.got[-1:] != [{"type": "http.disconnect"}]:
            await hello(scope, receive, send)


def test_a_body_that_stops() -> None:
    app = Reader()
    loop = FakeLoop()
    wire = Wire(make_shared(app, loop, timeout_request_body=20))
    wire.data(post(b"part", length=10))
    loop.advance(19.9)
    wire.data(b"more")
    loop.advance(19.9)
    assert wire.calls == []
    loop.advance(0.1 + LATE)
    assert wire.calls == ["write_eof"]
    assert wire.written.startswith(b"HTTP/1.1 408 ")
    assert app.got[-1] == {"type": "http.disconnect"}
    assert met(wire) == {"timeout_request_body": 1}


def test_an_answer_that_has_begun_is_cut() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"first", more=True))
        while (await receive())["type"] != "http.disconnect":
            pass

    loop = FakeLoop()
    wire = Wire(make_shared(app, loop, timeout_request_body=20))
    wire.data(post(b"part", length=10))
    before = wire.written
    loop.advance(20 + LATE)
    assert wire.calls == ["write_eof"]
    assert wire.written == before and before.endswith(b"5\r\nfirst\r\n")


def test_the_application_may_take_its_time() -> None:
    """Reading pauses: it is not the peer that is late."""
    loop = FakeLoop()
    wire = Wire(make_shared(hangs(loop), loop, timeout_request_body=20))
    wire.data(post(b"x" * 100_000, length=200_000))
    assert wire.calls == ["pause_reading"]
    loop.advance(100)
    assert wire.calls == ["pause_reading"]


def test_a_client_that_waits_for_100_is_not_late() -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(hangs(loop), loop, timeout_request_body=20))
    wire.data(post(b"", b"Expect: 100-continue", length=10))
    loop.advance(100)
    assert wire.calls == []
    loop = FakeLoop()
    wire = Wire(make_shared(Reader(), loop, timeout_request_body=20))
    wire.data(post(b"", b"Expect: 100-continue", length=10))
    assert wire.written.startswith(b"HTTP/1.1 100 ")
    loop.advance(20 + LATE)
    assert b"HTTP/1.1 408 " in wire.written


# --- the answer -----------------------------------------------------------------------


class Slow(FakeTransport):
    """Takes into its buffer what is written; `take` is the peer's reading."""

    def __init__(self, **extra: Any) -> None:
        super().__init__(limit=65_536, **extra)

    def take(self, size: int) -> None:
        self.buffered -= size


def large(size: int = 1_000_000) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"x" * size))

    return app


def test_a_peer_that_takes_nothing_is_cut() -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(large(), loop, timeout_write=20), Slow())
    wire.data(get())
    loop.advance(19.9)
    assert wire.calls == []
    loop.advance(0.1 + LATE)
    assert wire.calls == ["abort"]
    assert met(wire) == {"timeout_write": 1}


def test_one_that_takes_little_is_not() -> None:
    loop = FakeLoop()
    transport = Slow()
    wire = Wire(make_shared(large(), loop, timeout_write=20), transport)
    wire.data(get())
    for _ in range(20):
        loop.advance(19)
        transport.take(10)
    assert wire.calls == []
    loop.advance(41)
    assert wire.calls == ["abort"]


def test_it_ends_when_the_peer_has_taken_enough() -> None:
    loop = FakeLoop()
    transport = Slow()
    wire = Wire(make_shared(large(), loop, timeout_keep_alive=75), transport)
    wire.data(get())
    loop.advance(59)
    transport.drain()
    loop.advance(10)
    assert wire.calls == []
    wire.data(get())
    loop.advance(61)
    assert wire.calls == ["abort"]


def test_closing_does_not_wait_for_ever() -> None:
    """Whatever little is left: the connection is closed, and its peer does not read."""
    loop = FakeLoop()
    transport = Slow()
    wire = Wire(make_shared(large(100), loop, timeout_write=20), transport)
    wire.data(get(b"/", b"Connection: close"))
    assert wire.calls == ["close"] and 0 < transport.buffered < 65_536
    loop.advance(20 + LATE)
    assert wire.calls == ["close", "abort"]


def test_a_connection_that_is_lost_is_watched_no_more() -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(large(), loop), Slow())
    wire.data(get())
    wire.lost()
    loop.advance(2 * STEP)
    assert loop.timers == 0
    loop.advance(100)
    assert wire.calls == [] and met(wire) == {}


def test_an_idle_connection_with_output_left_is_watched_too() -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(large(100), loop, timeout_write=20), Slow())
    wire.data(get())
    loop.advance(24.9)
    assert wire.calls == []
    loop.advance(1)
    assert wire.calls == ["abort"]

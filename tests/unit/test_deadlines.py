"""Deadlines, through connections of a loop whose time the test moves.

Nothing fires early; it fires a little late; and there is one timer, or none.
"""

from __future__ import annotations

import weakref
from typing import Any

import pytest
from _fakes import (
    FakeLoop,
    FakeTransport,
    Seen,
    Wire,
    answer,
    get,
    hangs,
    hello,
    make_shared,
    post,
)

# A deadline falls on the next quarter of a second, and is confirmed at the one after.
STEP = 0.25
TINY = 0.02
LATE = 2 * STEP + TINY


def closed_after(loop: FakeLoop, wire: Wire, limit: float = 200.0) -> float:
    """How long it takes until the connection is closed, seen every 10 ms."""
    begin = loop.now
    while not wire.transport.is_closing():
        assert loop.now < begin + limit, "never closed"
        loop.advance(0.01)
    return loop.now - begin


@pytest.mark.parametrize("timeout", [1, 2, 5, 75])
@pytest.mark.parametrize("offset", [0.0, 0.01, 0.1, 0.249, 0.25, 0.3, 7.77])
def test_an_idle_connection_is_closed_on_time(timeout: int, offset: float) -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(hello, loop, timeout_keep_alive=timeout))
    loop.advance(offset)
    wire.data(get())
    took = closed_after(loop, wire)
    assert timeout <= took <= timeout + LATE
    assert wire.calls == ["close"]


@pytest.mark.parametrize("offset", [0.0, 0.13])
def test_it_is_so_while_others_keep_the_wheel_turning(offset: float) -> None:
    loop = FakeLoop(now=0.7)
    shared = make_shared(hello, loop)
    wires = [Wire(shared) for _ in range(20)]
    took_of: dict[Wire, float] = {}
    begun: dict[Wire, float] = {}
    for step in range(3000):
        if step % 31 == 0 and len(begun) < len(wires):
            wire = wires[len(begun)]
            begun[wire] = loop.now
            wire.data(get())
        loop.advance(0.01 + offset / 100)
        for wire in [wire for wire in wires if wire.transport.is_closing()]:
            took_of.setdefault(wire, loop.now - begun[wire])
    assert len(took_of) == len(wires)
    assert all(5 <= took <= 5 + LATE for took in took_of.values())


def test_every_request_begins_it_anew() -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(hello, loop))
    for _ in range(30):
        wire.data(get())
        loop.advance(4.9)
    assert wire.calls == []
    loop.advance(0.1 + LATE)
    assert wire.calls == ["close"]


def test_a_request_that_begins_ends_it() -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(hello, loop))
    wire.data(get())
    wire.data(get()[:10])
    loop.advance(29)
    assert wire.calls == []
    wire.data(get()[10:])
    assert wire.written == answer(b"/") * 2


def test_the_rest_of_a_body_that_was_answered_early_is_waited_for_likewise() -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(hello, loop))
    wire.data(post(b"part", length=6))
    assert wire.written == answer(b"/")
    loop.advance(4.9)
    wire.data(b"p")
    assert 5 <= closed_after(loop, wire) <= 5 + LATE


def test_it_begins_when_the_peer_has_its_answer() -> None:
    loop = FakeLoop()
    transport = FakeTransport(limit=1_000_000)
    wire = Wire(make_shared(hello, loop, timeout_write=0), transport)
    wire.data(get())
    assert transport.buffered
    loop.advance(100)
    assert wire.calls == []
    transport.drain()
    assert closed_after(loop, wire) <= 5 + LATE
    # And a request that follows is served.
    wire = Wire(make_shared(hello, loop), transport := FakeTransport(limit=1_000_000))
    wire.data(get())
    loop.advance(30)
    transport.drain()
    wire.data(get())
    assert wire.written == answer(b"/") * 2


def test_nothing_fires_early_after_the_loop_was_held_up() -> None:
    """An application that blocks for longer than the deadline that follows it."""
    loop = FakeLoop()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        loop.hold_up(8.1)
        await hello(scope, receive, send)

    shared = make_shared(app, loop)
    wire = Wire(shared)
    for _ in range(3):
        wire.data(get())
        loop.turn()
        loop.advance(4.9)
        assert wire.calls == []
    assert 0.1 - TINY <= closed_after(loop, wire) <= 0.1 + LATE


def test_what_has_come_meanwhile_is_read_first() -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(hello, loop))
    wire.data(get())
    loop.advance(1.1)
    loop.hold_up(30)
    loop.turn()  # timers first, then what the sockets have
    wire.data(get())
    assert wire.calls == []
    assert wire.written == answer(b"/") * 2
    assert 5 <= closed_after(loop, wire) <= 5 + LATE
    # When it is read as late as can be, it still comes first.
    wire = Wire(make_shared(hello, loop))
    wire.data(get())
    loop.advance(5.25)
    wire.data(get())
    assert wire.calls == [] and wire.written == answer(b"/") * 2


@pytest.mark.parametrize("timeout", [1, 5, 75])
@pytest.mark.parametrize("idle", [0.0, 0.1, 1.6, 2.9, 4.9])
def test_input_is_dropped_for_two_seconds(timeout: int, idle: float) -> None:
    """However long the connection was idle before, and could have stayed so."""
    loop = FakeLoop()
    wire = Wire(make_shared(hello, loop, timeout_keep_alive=timeout))
    wire.data(get())
    if idle >= timeout:
        return
    loop.advance(idle)
    wire.data(b"BAD\r\n\r\n")
    assert wire.calls == ["write_eof"]
    begin = loop.now
    while not wire.transport.is_closing():
        wire.data(b"x" * 1000)
        loop.advance(0.1)
        assert loop.now < begin + 10
    # Not confirmed, as the other deadline is: what is read is dropped anyway.
    assert 2 <= loop.now - begin <= 2 + STEP + 0.1
    # Nor does the wheel turn for where the connection was before.
    loop.advance(2 * STEP)
    assert loop.timers == 0


def test_one_timer_for_all_and_none_for_nothing() -> None:
    loop = FakeLoop()
    shared = make_shared(hello, loop)
    assert loop.timers == 0
    wires = [Wire(shared) for _ in range(100)]
    for wire in wires:
        wire.data(get())
        assert loop.timers == 1
    for wire in wires[:50]:
        wire.lost()
    loop.advance(4)
    assert loop.timers == 1
    loop.advance(2)
    assert all(wire.calls == ["close"] for wire in wires[50:])
    loop.advance(1)
    assert loop.timers == 0
    # It wakes again.
    wire = Wire(shared)
    wire.data(get())
    assert 5 <= closed_after(loop, wire) <= 5 + LATE


def test_it_sleeps_when_the_last_has_left() -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(hello, loop, timeout_keep_alive=75))
    wire.data(get())
    loop.advance(10)
    assert loop.timers == 1
    wire.lost()
    loop.advance(2 * STEP)
    assert loop.timers == 0


def test_it_sleeps_while_an_application_works() -> None:
    loop = FakeLoop()
    wire = Wire(make_shared(hangs(loop), loop))
    assert loop.timers == 1  # the first request has to come
    wire.data(get())
    loop.advance(2)
    assert loop.timers == 0
    wire.lost()


def test_a_callback_that_fails_takes_no_other_deadline_with_it() -> None:
    class Broken(FakeTransport):
        def close(self) -> None:
            raise ZeroDivisionError

    loop = FakeLoop()
    shared = make_shared(hello, loop)
    wires = [Wire(shared, Broken() if n % 2 else None) for n in range(10)]
    for wire in wires:
        wire.data(get())
    loop.advance(5 + LATE)
    assert [wire.calls for wire in wires] == [["close"], []] * 5
    assert len(loop.exceptions) == 5
    for context in loop.exceptions:
        assert isinstance(context["exception"], ZeroDivisionError)
        assert context["message"] == "A deadline's callback failed"
    loop.advance(100)
    assert len(loop.exceptions) == 5 and loop.timers == 0


def test_close_stops_everything() -> None:
    loop = FakeLoop()
    shared = make_shared(hello, loop)
    wire = Wire(shared)
    wire.data(get())
    shared.close()
    shared.close()
    assert loop.timers == 0
    loop.advance(100)
    assert wire.calls == []
    wire.lost()


def test_a_lost_connection_is_kept_by_nothing() -> None:
    """Not by the wheel, nor by a cycle that only the collector would find."""
    loop = FakeLoop()
    shared = make_shared(hello, loop)
    wire = Wire(shared)
    wire.data(get())
    kept = weakref.ref(wire.connection)
    wire.lost()
    assert kept() is wire.connection
    del wire
    assert kept() is None


def test_what_a_busy_connection_remembers_an_idle_one_forgets() -> None:
    app = Seen()
    loop = FakeLoop()
    wire = Wire(make_shared(app, loop))
    for wait in (0.0, 0.0, 0.9, 0.9, 0.9, 3.0, 0.0, 0.0):
        loop.advance(wait)
        wire.data(get(b"/%20x"))
    headers = [scope["headers"][0] for scope in app.scopes]
    assert headers == [(b"host", b"a")] * 8
    # From the second request on: many connections see but one.
    assert headers[1] is headers[2] is headers[3] is headers[4]
    assert headers[5] is not headers[4]
    assert headers[6] is headers[7] is not headers[4]
    assert [scope["path"] for scope in app.scopes] == ["/ x"] * 8


def test_half_a_head_is_kept_while_the_server_ends() -> None:
    """The grace goes on for as long as the loop was held up, and so does the head."""
    app = Seen()
    loop = FakeLoop()
    wire = Wire(make_shared(app, loop))
    wire.data(get(b"/first"))
    loop.advance(1)
    wire.data(get(b"/second?q")[:-10])
    wire.shared.stop(1)
    wire.connection.shutdown()
    for held_up in (2, 0.75):
        loop.hold_up(held_up)
        loop.turn()
    loop.advance(0.3)
    wire.data(get(b"/second?q")[-10:])
    scope = app.scopes[1]
    assert (scope["path"], scope["query_string"]) == ("/second", b"q")


def test_who_is_accepted_while_the_server_ends_is_closed() -> None:
    shared = make_shared(hello, FakeLoop())
    shared.stop(0)
    assert Wire(shared).calls == ["close"]


@pytest.mark.parametrize("reads", [[], [b"GET / HT"], [b"GET", b" / HTTP/1.1\r\n"]])
def test_who_is_accepted_while_another_takes_over_has_its_grace(
    reads: list[bytes],
) -> None:
    """A second in all, which a head in pieces does not renew."""
    loop = FakeLoop()
    shared = make_shared(hello, loop)
    shared.stop(1)
    wire = Wire(shared)
    begin = loop.now
    for data in reads:
        loop.advance(0.3)
        wire.data(data)
    closed_after(loop, wire)
    assert 1 <= loop.now - begin <= 1 + LATE, loop.now - begin
    assert wire.written == b""


def test_a_request_within_the_grace_is_answered() -> None:
    loop = FakeLoop()
    shared = make_shared(hello, loop)
    shared.stop(1)
    wire = Wire(shared)
    loop.advance(0.5)
    wire.data(get(b"/late"))
    loop.turn()
    assert wire.written == answer(b"/late", b"connection: close")
    assert wire.calls == ["close"]

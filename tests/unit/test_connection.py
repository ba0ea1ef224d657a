"""Connection on a transport that only records: writes, turns, tasks, keep-alive.

Flow control is in test_connection_flow.py; the peer's end and faults are in
test_connection_ends.py; the same on sockets, with real clients, in tests/wire.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
import types
from typing import Any

import pytest
from _fakes import (
    Held,
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

CLOSE = b"connection: close"


# -- writes ----------------------------------------------------------------------------


@on_loop
async def test_head_and_body_are_one_write() -> None:
    wire = Wire(make_shared(hello))
    wire.data(get(b"/one"))
    assert wire.transport.writes == [answer(b"/one")]
    wire.data(get(b"/two"))
    assert wire.transport.writes == [answer(b"/one"), answer(b"/two")]
    assert wire.calls == []


@on_loop
async def test_pipelined_answers_are_one_write() -> None:
    wire = Wire(make_shared(hello))
    paths = [b"/%d" % number for number in range(20)]
    wire.data(b"".join(map(get, paths)))
    assert wire.transport.writes == [b"".join(map(answer, paths))]


@on_loop
async def test_what_one_step_sends_is_one_write() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        await send(start(200, (b"content-length", b"4")))
        await send(body(b"ab", True))
        await send(body(b"c", True))
        await asyncio.sleep(0)
        await send(body(b"d"))

    wire = Wire(make_shared(app))
    wire.data(get())
    await turns()
    first, second = wire.transport.writes
    assert first.endswith(b"\r\n\r\nabc")
    assert second == b"d"


@on_loop
async def test_a_large_answer() -> None:
    large = b"x" * 100_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, (b"content-length", b"100000")))
        await send(body(large))

    wire = Wire(make_shared(app))
    wire.data(get() * 3)
    assert wire.written.count(b"HTTP/1.1 200 OK") == 3
    assert wire.written.endswith(b"content-length: 100000\r\n\r\n" + large)


@on_loop
async def test_many_large_answers_are_not_collected() -> None:
    """Over 64 KiB what was collected goes out: that bounds it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, (b"content-length", b"30000")))
        await send(body(b"x" * 30_000))

    wire = Wire(make_shared(app))
    wire.data(get() * 10)
    assert wire.written.count(b"HTTP/1.1 200") == 10
    assert len(wire.transport.writes) >= 3
    assert max(map(len, wire.transport.writes)) <= 65536 + 31000


@on_loop
async def test_a_head_that_waits_for_its_body_goes_out_when_the_app_suspends() -> None:
    gate = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, (b"content-length", b"2")))
        await gate.wait()
        await send(body(b"ab"))

    wire = Wire(make_shared(app))
    wire.data(get())
    assert wire.written == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
    gate.set()
    await turns()
    assert wire.transport.writes[1:] == [b"ab"]


@on_loop
async def test_a_head_that_another_task_sends_goes_out_at_once() -> None:
    gate = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def other() -> None:
            await send(start(200, (b"content-length", b"0")))
            await gate.wait()
            await send(body())

        await asyncio.create_task(other())

    wire = Wire(make_shared(app))
    wire.data(get())
    await turns()
    assert wire.written == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    gate.set()
    await turns()
    assert len(wire.transport.writes) == 1


@on_loop
async def test_each_part_of_a_stream_goes_out_when_it_is_sent() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        for part in (b"one", b"two"):
            await send(body(part, True))
            await asyncio.sleep(0)
        await send(body())

    wire = Wire(make_shared(app))
    wire.data(get())
    await turns()
    head, *parts = wire.transport.writes
    assert head.endswith(b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n")
    assert parts == [b"3\r\ntwo\r\n", b"0\r\n\r\n"]


@on_loop
async def test_any_mapping_is_a_message() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        length = (b"content-length", b"1")
        await send(collections.UserDict(start(200, length)))
        await send(types.MappingProxyType(body(b"/")))

    wire = Wire(make_shared(app))
    wire.data(get())
    assert wire.written == answer(b"/")


@on_loop
async def test_any_buffer_is_data() -> None:
    wire = Wire(make_shared(hello))
    wire.data(bytearray(get(b"/1")), memoryview(get(b"/2")))  # type: ignore[arg-type]
    assert wire.written == answer(b"/1") + answer(b"/2")


# -- turns -----------------------------------------------------------------------------


@on_loop
async def test_at_most_32_requests_in_a_callback() -> None:
    seen = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal seen
        seen += 1
        await hello(scope, receive, send)

    wire = Wire(make_shared(app))
    wire.data(get() * 70)
    assert seen == 32
    await asyncio.sleep(0)
    assert seen == 64
    await asyncio.sleep(0)
    assert seen == 70
    assert wire.written == answer(b"/") * 70
    assert len(wire.transport.writes) == 3


@on_loop
async def test_others_have_their_turn_between_bursts() -> None:
    wires = [Wire(make_shared(hello)) for _ in range(2)]
    wires[0].data(get() * 64)
    wires[1].data(get())
    assert wires[0].written == answer(b"/") * 32
    assert wires[1].written == answer(b"/")


@on_loop
async def test_one_answer_at_a_time_and_in_order() -> None:
    app = Held()
    wire = Wire(make_shared(app))
    wire.data(get(b"/1") + get(b"/2"))
    await turns()
    assert app.log == ["start /1"]
    app.gate("/2").set()
    await turns()
    assert wire.written == b""
    await app.let_go("/1")
    assert wire.written == answer(b"/1") + answer(b"/2")


@on_loop
async def test_the_next_request_never_starts_inside_the_one_before() -> None:
    app = Held()
    wire = Wire(make_shared(app))
    wire.data(get(b"/1"), get(b"/2"))
    for path in ("/1", "/2"):
        await app.let_go(path)
    assert app.log == ["start /1", "end /1", "start /2", "end /2"]


@on_loop
async def test_it_does_not_wait_for_the_task_of_the_one_before() -> None:
    """A background task runs on after the answer."""
    app = Held()

    async def with_background(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        if scope["path"] == "/1":
            await app.gate("/1").wait()
            app.log.append("background over")

    wire = Wire(make_shared(with_background))
    wire.data(get(b"/1"), get(b"/2"))
    await turns()
    assert wire.written == answer(b"/1") + answer(b"/2")
    assert app.log == []
    await app.let_go("/1")
    assert app.log == ["background over"]
    assert wire.calls == []


# -- tasks and contexts ----------------------------------------------------------------


@on_loop
async def test_a_request_that_never_suspends_is_never_in_the_tasks() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((asyncio.current_task(), set(shared.server_state.tasks)))
        await hello(scope, receive, send)

    shared = make_shared(app)
    Wire(shared).data(get() * 2)
    ours = asyncio.current_task()
    (first, tasks), (second, _) = seen
    assert isinstance(first, asyncio.Task) and first is not second
    assert ours not in (first, second)
    assert tasks == shared.server_state.tasks == set()


@on_loop
async def test_a_suspended_request_is_in_the_tasks_until_it_ends() -> None:
    app = Held()
    shared = make_shared(app)
    Wire(shared).data(get())
    (task,) = shared.server_state.tasks
    assert task in asyncio.all_tasks() and not task.done()
    await app.let_go("/")
    assert task.done() and task.exception() is None
    assert shared.server_state.tasks == set()


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE")


@on_loop
async def test_what_a_request_sets_no_later_one_sees() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set(scope["path"])
        if scope["path"] == "/waits":
            await asyncio.sleep(0)
        seen.append(VARIABLE.get())
        await hello(scope, receive, send)

    VARIABLE.set("base")
    wire = Wire(make_shared(app))
    VARIABLE.set("later")
    # Pipelined in one read, over several turns, and on a connection of its own.
    wire.data(get(b"/1") + get(b"/2"))
    wire.data(get(b"/waits") + get(b"/3") + get(b"/waits"))
    await turns()
    wire.data(get(b"/4"))
    assert VARIABLE.get() == "later"
    assert seen[0::2] == ["base"] * 6
    assert seen[1::2] == ["/1", "/2", "/waits", "/3", "/waits", "/4"]


@on_loop
async def test_a_task_factory_is_used() -> None:
    made: list[Any] = []

    def factory(loop: Any, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **kwargs)

    asyncio.get_running_loop().set_task_factory(factory)  # type: ignore[arg-type]
    wire = Wire(make_shared(hello))
    wire.data(get() + get())
    assert len(made) == 1 and wire.written == b""
    await turns()
    assert len(made) == 2 and wire.written == answer(b"/") * 2


@on_loop
async def test_total_requests() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/bad":
            await send(start())
            await send(body(b"part", True))
            raise OSError
        await hello(scope, receive, send)

    shared = make_shared(app)
    wire = Wire(shared)
    wire.data(get() * 3)
    assert shared.total_requests == 3
    Wire(shared).data(get())
    wire.data(get(b"/bad"))
    assert shared.total_requests == 4  # one that was cut is not answered


# -- keep-alive and shutdown -----------------------------------------------------------


@on_loop
@pytest.mark.parametrize(
    "request_", [get(b"/", b"Connection: close"), get(version=b"1.0")]
)
async def test_a_connection_that_is_not_kept(request_: bytes) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await hello(scope, receive, send)

    wire = Wire(make_shared(app))
    wire.data(request_)
    assert wire.written == answer(b"/", CLOSE)
    assert wire.calls == ["close"]
    wire.data(get(b"/2"))
    assert seen == ["/"]
    # What came behind it is not served; the peer may still be sending: no RST.
    wire = Wire(make_shared(app))
    wire.data(request_ + get(b"/3"))
    assert wire.written == answer(b"/", CLOSE)
    assert wire.calls == ["write_eof"]
    wire.data(get(b"/4"))
    assert seen == ["/", "/"]
    assert wire.calls == ["write_eof"]


@on_loop
async def test_an_app_closes_the_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Connection", b"close"), (b"content-length", b"0")]
        await send(start(200, *headers))
        await send(body())

    wire = Wire(make_shared(app))
    wire.data(get())
    assert wire.written.count(CLOSE) == 1
    assert wire.calls == ["close"]


@on_loop
async def test_shutdown_closes_an_idle_connection() -> None:
    wire = Wire(make_shared(hello))
    wire.connection.shutdown()
    assert wire.calls == ["close"]
    wire = Wire(make_shared(hello))
    wire.data(get())
    wire.connection.shutdown()
    wire.connection.shutdown()
    assert wire.calls == ["close"]
    wire.lost()
    wire.connection.shutdown()
    assert wire.calls == ["close"]


@on_loop
async def test_shutdown_lets_the_running_answer_end() -> None:
    app = Held()
    wire = Wire(make_shared(app))
    wire.data(get())
    wire.connection.shutdown()
    assert wire.calls == []
    await app.let_go("/")
    assert wire.written == answer(b"/", CLOSE)
    assert wire.calls == ["close"]


@on_loop
async def test_shutdown_after_the_head_was_sent() -> None:
    gate = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"a", True))
        await gate.wait()
        await send(body(b"b"))

    wire = Wire(make_shared(app))
    wire.data(get())
    wire.connection.shutdown()
    gate.set()
    await turns()
    assert wire.written.endswith(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")
    assert wire.calls == ["close"]


@on_loop
async def test_no_request_that_waits_is_started_after_shutdown() -> None:
    app = Held()
    wire = Wire(make_shared(app))
    wire.data(get(b"/1") + get(b"/2"))
    wire.connection.shutdown()
    await app.let_go("/1")
    assert app.log == ["start /1", "end /1"]
    assert wire.written == answer(b"/1", CLOSE)
    assert wire.calls in (["close"], ["write_eof"])

"""A WebSocket application that waits in receive(): how a message wakes it, and that
what it waits for is a future as any task or tool may meet one."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from _fakes import FakeTransport, Wire, make_shared, on_loop, turns
from harness.frames import TEXT, frame
from harness.websocket import ACCEPT, handshake, received

Handler = Callable[[Any], Awaitable[Any]]


def open_websocket(handler: Handler) -> FakeTransport:
    """The transport of an accepted WebSocket; the handler is given its receive."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await handler(receive)
        await asyncio.Event().wait()

    transport = FakeTransport()
    Wire(make_shared(app, ws_ping_interval=0), transport).data(handshake())
    return transport


def say(transport: FakeTransport, *texts: bytes) -> None:
    """The peer's messages, in one read."""
    transport.protocol.data_received(b"".join(frame(TEXT, text) for text in texts))


async def from_the_loop(call: Callable[..., None], *args: Any) -> None:
    """Run call(*args) as the loop runs a protocol's callback: outside of any task."""
    asyncio.get_running_loop().call_soon(call, *args)
    await asyncio.sleep(0)


@on_loop
async def test_the_loops_own_call_runs_the_application() -> None:
    number: contextvars.ContextVar[int] = contextvars.ContextVar("number")
    order: list[Any] = []
    tasks: list[Any] = []

    async def handler(receive: Any) -> None:
        number.set(7)
        tasks.append(asyncio.current_task())
        while True:
            message = await receive()
            order.append((message["text"], number.get()))
            tasks.append(asyncio.current_task())

    def call() -> None:
        say(transport, b"a", b"b")
        order.append("returned")
        tasks.append(asyncio.current_task())
        with pytest.raises(LookupError):
            number.get()

    transport = open_websocket(handler)
    await from_the_loop(call)
    assert order == [("a", 7), ("b", 7), "returned"]
    assert tasks[0] is tasks[1] is tasks[2] is not None
    assert tasks[3] is None
    transport.protocol.connection_lost(None)


@on_loop
async def test_inside_a_task_the_application_waits_for_its_turn() -> None:
    order: list[Any] = []

    async def handler(receive: Any) -> None:
        order.append((await receive())["text"])

    transport = open_websocket(handler)
    say(transport, b"a")
    order.append("returned")
    await turns()
    assert order == ["returned", "a"]
    transport.protocol.connection_lost(None)


@on_loop
@pytest.mark.parametrize("how", ["wait_for", "task", "shield"])
async def test_a_receive_that_is_wrapped(how: str) -> None:
    got: list[Any] = []

    async def handler(receive: Any) -> None:
        for _ in range(2):
            if how == "wait_for":
                got.append(await asyncio.wait_for(receive(), 60))
            elif how == "task":
                got.append(await asyncio.create_task(receive()))
            else:
                got.append(await asyncio.shield(receive()))

    transport = open_websocket(handler)
    for text in (b"a", b"b"):
        await turns()
        await from_the_loop(say, transport, text)
    await turns()
    assert got == [received("a"), received("b")]
    transport.protocol.connection_lost(None)


@on_loop
async def test_several_that_wait_get_a_message_each() -> None:
    got: list[Any] = []

    async def handler(receive: Any) -> None:
        got.extend(await asyncio.gather(receive(), receive(), receive()))

    transport = open_websocket(handler)
    await turns()
    await from_the_loop(say, transport, b"a", b"b")
    await turns()
    await from_the_loop(say, transport, b"c")
    await turns()
    assert got == [received("a"), received("b"), received("c")]
    transport.protocol.connection_lost(None)


@on_loop
@pytest.mark.parametrize("after_the_message", [False, True])
async def test_a_receive_that_is_cancelled_loses_nothing(
    after_the_message: bool,
) -> None:
    got: list[Any] = []
    inner: list[asyncio.Task[Any]] = []

    async def handler(receive: Any) -> None:
        inner.append(asyncio.create_task(receive()))
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await inner[0]
        got.append(await receive())

    transport = open_websocket(handler)
    await turns()
    if after_the_message:
        say(transport, b"a")
        inner[0].cancel("enough")
    else:
        inner[0].cancel("enough")
        await turns()
        await from_the_loop(say, transport, b"a")
    await turns()
    assert got == [received("a")]
    transport.protocol.connection_lost(None)


async def waiter_of(tasks: list[Any]) -> Any:
    """What the application's task waits for."""
    await turns()
    return tasks[0]._fut_waiter


@on_loop
async def test_what_is_waited_for_is_a_future() -> None:
    tasks: list[Any] = []
    called: list[Any] = []

    async def handler(receive: Any) -> None:
        tasks.append(asyncio.current_task())
        await receive()

    transport = open_websocket(handler)
    waiter = await waiter_of(tasks)
    assert asyncio.isfuture(waiter)
    assert waiter.get_loop() is asyncio.get_running_loop()
    assert not waiter.done() and not waiter.cancelled()
    for ask in (waiter.result, waiter.exception):
        with pytest.raises(asyncio.InvalidStateError):
            ask()
    for callback in (called.append, called.append, called.extend):
        waiter.add_done_callback(callback)
    assert waiter.remove_done_callback(called.extend) == 1
    assert waiter.remove_done_callback(called.append) == 2
    waiter.add_done_callback(called.append)
    await from_the_loop(say, transport, b"a")
    assert called == []
    await turns()
    assert called == [waiter]
    waiter.add_done_callback(called.append)
    await turns()
    assert called == [waiter, waiter]
    assert waiter.done() and not waiter.cancelled()
    assert waiter.result() is waiter.exception() is None
    assert not waiter.cancel()
    transport.protocol.connection_lost(None)


@on_loop
async def test_others_may_wait_for_it_too() -> None:
    tasks: list[Any] = []
    got: list[Any] = []

    async def handler(receive: Any) -> None:
        tasks.append(asyncio.current_task())
        got.append(await receive())

    transport = open_websocket(handler)
    other = asyncio.ensure_future(wait_for_it(await waiter_of(tasks)))
    await turns()
    await from_the_loop(say, transport, b"a")
    assert await other == "it is done"
    assert got == [received("a")]
    transport.protocol.connection_lost(None)


async def wait_for_it(future: Any) -> str:
    assert await future is None
    return "it is done"


@on_loop
async def test_one_that_is_cancelled_by_itself() -> None:
    tasks: list[Any] = []

    async def handler(receive: Any) -> None:
        tasks.append(asyncio.current_task())
        with pytest.raises(asyncio.CancelledError):
            await receive()

    transport = open_websocket(handler)
    waiter = await waiter_of(tasks)
    assert waiter.cancel()
    assert waiter.cancelled()
    with pytest.raises(asyncio.CancelledError):
        waiter.result()
    await turns()
    assert tasks[0]._fut_waiter is not waiter
    transport.protocol.connection_lost(None)

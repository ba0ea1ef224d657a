"""anyio and sniffio inside a request, in its task's first step and in a later one.

anyio reaches into tasks: what they wait for, whether they have started, how often
they are being cancelled.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest
import sniffio
from harness.apps import Receive, Send
from harness.fixtures import Site
from harness.inside import run_inside

SCENARIOS: list[Callable[[Receive, Send], Awaitable[None]]] = []


def scenario(function):
    SCENARIOS.append(function)
    return function


@pytest.mark.parametrize("later", [False, True], ids=["first step", "later step"])
@pytest.mark.parametrize("play", SCENARIOS, ids=lambda play: play.__name__)
def test_scenario(site: Site, play, later: bool) -> None:
    run_inside(site, play, later=later)


@scenario
async def sniffio_knows_the_library(receive, send) -> None:
    assert sniffio.current_async_library() == "asyncio"
    await anyio.sleep(0)
    assert sniffio.current_async_library() == "asyncio"


@scenario
async def the_current_task_has_a_name(receive, send) -> None:
    info = anyio.get_current_task()
    assert isinstance(info.name, str) and info.id == id(asyncio.current_task())
    await anyio.sleep(0)
    assert info in anyio.get_running_tasks()


@scenario
async def task_group_runs_its_children(receive, send) -> None:
    seen = []

    async def child(number: int) -> None:
        await anyio.sleep(0.001)
        seen.append(number)

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(child, number)
    assert sorted(seen) == list(range(5))


@scenario
async def start_waits_for_started(receive, send) -> None:
    async def child(*, task_status=anyio.TASK_STATUS_IGNORED) -> None:
        await anyio.sleep(0.001)
        task_status.started("up")
        await anyio.sleep(10)

    async with anyio.create_task_group() as group:
        assert await group.start(child) == "up"
        group.cancel_scope.cancel()


@scenario
async def a_failing_child_cancels_the_body(receive, send) -> None:
    async def child() -> None:
        raise LookupError("child")

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as group:
            group.start_soon(child)
            await anyio.sleep(10)
    assert caught.value.subgroup(LookupError)
    await anyio.sleep(0)


@scenario
async def a_failing_body_cancels_the_children(receive, send) -> None:
    ended = []

    async def child() -> None:
        try:
            await anyio.sleep(10)
        finally:
            ended.append(True)

    with pytest.raises(ExceptionGroup):
        async with anyio.create_task_group() as group:
            group.start_soon(child)
            await anyio.sleep(0.001)
            raise LookupError("body")
    assert ended


@scenario
async def a_child_cancels_the_scope_of_the_request(receive, send) -> None:
    async def child() -> None:
        await anyio.sleep(0.001)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(child)
        await anyio.sleep(10)
        raise AssertionError("not cancelled")
    assert group.cancel_scope.cancelled_caught
    await anyio.sleep(0.001)


@scenario
async def a_scope_cancelled_before_any_await(receive, send) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.sleep(10)
        raise AssertionError("not cancelled")
    assert scope.cancelled_caught
    await anyio.sleep(0)


@scenario
async def a_scope_cancelled_without_an_await_has_no_effect_after(receive, send) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
    await anyio.sleep(0.001)


@scenario
async def nested_scopes(receive, send) -> None:
    with anyio.CancelScope() as outer:
        with anyio.CancelScope() as inner:
            inner.cancel()
            await anyio.sleep(10)
        assert inner.cancelled_caught
        await anyio.sleep(0.001)
        with anyio.CancelScope():
            outer.cancel()
            await anyio.sleep(10)
        raise AssertionError("not cancelled")
    assert outer.cancelled_caught


@scenario
async def move_on_and_fail_after(receive, send) -> None:
    with anyio.move_on_after(0.002) as scope:
        await anyio.sleep(10)
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.002):
            await anyio.sleep(10)
    with anyio.fail_after(10):
        await anyio.sleep(0.001)
    with anyio.move_on_after(0) as scope:
        await anyio.sleep(10)
    assert scope.cancelled_caught


@scenario
async def fail_after_a_receive_that_has_nothing(receive, send) -> None:
    await receive()
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.002):
            await receive()
    with anyio.move_on_after(0.002) as scope:
        await receive()
    assert scope.cancelled_caught


@scenario
async def a_shield_holds_until_it_ends(receive, send) -> None:
    steps = []
    with anyio.move_on_after(0.002) as scope:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.01)
            steps.append("shielded")
        await anyio.sleep(10)
        steps.append("never")
    assert scope.cancelled_caught and steps == ["shielded"]


@scenario
async def clean_up_under_a_shield(receive, send) -> None:
    cleaned = []
    with anyio.CancelScope() as scope:
        try:
            scope.cancel()
            await anyio.sleep(10)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.001)
                cleaned.append(True)
    assert cleaned


@scenario
async def cancellation_is_delivered_again_and_again(receive, send) -> None:
    """Level-triggered: an await after a swallowed cancellation is cancelled too."""
    caught = 0
    with anyio.CancelScope() as scope:
        scope.cancel()
        for _ in range(3):
            try:
                await anyio.sleep(10)
            except anyio.get_cancelled_exc_class():
                caught += 1
        await anyio.sleep(10)
    assert caught == 3 and scope.cancelled_caught


@scenario
async def checkpoints(receive, send) -> None:
    await anyio.lowlevel.checkpoint()
    await anyio.lowlevel.cancel_shielded_checkpoint()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.lowlevel.checkpoint_if_cancelled()
    assert scope.cancelled_caught


@scenario
async def threads_there_and_back(receive, send) -> None:
    loop_thread = threading.current_thread()

    async def in_loop() -> str:
        assert threading.current_thread() is loop_thread
        await anyio.sleep(0)
        return sniffio.current_async_library()

    def in_thread() -> str:
        assert threading.current_thread() is not loop_thread
        with pytest.raises(sniffio.AsyncLibraryNotFoundError):
            sniffio.current_async_library()
        assert anyio.from_thread.run_sync(threading.current_thread) is loop_thread
        return anyio.from_thread.run(in_loop)

    assert await anyio.to_thread.run_sync(in_thread) == "asyncio"


@scenario
async def threads_in_a_task_group(receive, send) -> None:
    results = []

    async def call(number: int) -> None:
        results.append(await anyio.to_thread.run_sync(pow, number, 2))

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(call, number)
    assert sorted(results) == [n * n for n in range(8)]


@scenario
async def send_and_receive_may_be_started_in_a_group(receive, send) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(receive)
    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        await anyio.sleep(0.001)
        group.cancel_scope.cancel()


@scenario
async def send_from_a_thread(receive, send) -> None:
    wrong = {"type": "http.response.body"}
    with pytest.raises(RuntimeError, match=r"Expected ASGI message"):
        await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(send, wrong))


@scenario
async def streams_events_and_limiters(receive, send) -> None:
    writer, reader = anyio.create_memory_object_stream[int](1)
    limiter, event = anyio.CapacityLimiter(2), anyio.Event()
    got = []

    async def produce() -> None:
        async with writer:
            for number in range(5):
                async with limiter:
                    await writer.send(number)
        event.set()

    async with anyio.create_task_group() as group, reader:
        group.start_soon(produce)
        async for number in reader:
            got.append(number)
        await event.wait()
    assert got == list(range(5))


@scenario
async def condition_and_semaphore(receive, send) -> None:
    condition, semaphore = anyio.Condition(), anyio.Semaphore(1)
    woken = []

    async def wait() -> None:
        async with condition:
            await condition.wait()
            woken.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.sleep(0.001)
        async with semaphore, condition:
            condition.notify_all()
    assert woken


@scenario
async def groups_in_groups_under_a_deadline(receive, send) -> None:
    ended = []

    async def leaf() -> None:
        try:
            await anyio.sleep(10)
        finally:
            ended.append(True)

    async def branch() -> None:
        async with anyio.create_task_group() as inner:
            inner.start_soon(leaf)
            inner.start_soon(leaf)

    with anyio.move_on_after(0.005) as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(branch)
            group.start_soon(branch)
            await anyio.sleep(10)
    assert scope.cancelled_caught and len(ended) == 4
    await anyio.sleep(0)

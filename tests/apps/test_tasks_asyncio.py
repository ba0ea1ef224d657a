"""asyncio's tools inside a request: its task is a task like any other.

Each scenario runs in the task's first step, which is eager, and in a later one.
"""

from __future__ import annotations

import asyncio
import io
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable

import pytest
from harness.apps import Receive, Send, respond
from harness.client import REQUEST, request
from harness.fixtures import Site
from harness.inside import run_inside
from harness.server import eventually

SCENARIOS: list[Callable[[Receive, Send], Awaitable[None]]] = []


def scenario(function):
    SCENARIOS.append(function)
    return function


def this_task() -> asyncio.Task:
    task = asyncio.current_task()
    assert task is not None
    return task


@pytest.mark.parametrize("later", [False, True], ids=["first step", "later step"])
@pytest.mark.parametrize("play", SCENARIOS, ids=lambda play: play.__name__)
def test_scenario(site: Site, play, later: bool) -> None:
    run_inside(site, play, later=later)


@scenario
async def the_current_task_is_a_task(receive, send) -> None:
    task = this_task()
    assert isinstance(task, asyncio.Task) and isinstance(task, asyncio.Future)
    assert asyncio.isfuture(task)
    assert not task.done() and not task.cancelled() and task.cancelling() == 0
    assert task.get_loop() is asyncio.get_running_loop()
    assert asyncio.iscoroutine(task.get_coro())
    task.set_name("renamed")
    assert task.get_name() == "renamed" and "renamed" in repr(task)
    with pytest.raises(asyncio.InvalidStateError):
        task.result()
    await asyncio.sleep(0)
    assert this_task() is task


@scenario
async def it_stays_current_over_every_kind_of_await(receive, send) -> None:
    task = this_task()
    await receive()
    assert this_task() is task
    await asyncio.sleep(0.001)
    assert this_task() is task
    await asyncio.to_thread(int)
    assert this_task() is task
    await asyncio.create_task(asyncio.sleep(0))
    assert this_task() is task


@scenario
async def no_task_is_current_in_a_callback(receive, send) -> None:
    loop = asyncio.get_running_loop()
    seen = loop.create_future()
    loop.call_soon(lambda: seen.set_result(asyncio.current_task()))
    assert await seen is None


@scenario
async def it_is_in_all_tasks_once_it_was_suspended(receive, send) -> None:
    if sys.version_info >= (3, 12):
        assert this_task() in asyncio.all_tasks()
    await asyncio.sleep(0)
    assert this_task() in asyncio.all_tasks()


@scenario
async def it_can_be_referenced_weakly_and_hashed(receive, send) -> None:
    task = this_task()
    assert weakref.ref(task)() is task
    assert task in {task} and {task: 1}[task] == 1
    assert task in weakref.WeakSet([task])


@scenario
async def its_stack_can_be_read(receive, send) -> None:
    stacks = []

    async def look(task: asyncio.Task) -> None:
        stacks.append([frame.f_code.co_name for frame in task.get_stack()])
        task.print_stack(file=(text := io.StringIO()))
        assert text.getvalue().startswith("Stack for ")

    await asyncio.create_task(look(this_task()))
    assert stacks[0]


@scenario
async def timeout_fires(receive, send) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.005):
            await asyncio.sleep(10)
    assert this_task().cancelling() == 0
    await asyncio.sleep(0)


@scenario
async def timeout_that_is_over_fires_at_the_next_await(receive, send) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.sleep(10)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(-1):
            await asyncio.sleep(10)


@scenario
async def timeout_in_time_does_nothing(receive, send) -> None:
    async with asyncio.timeout(10) as limit:
        await asyncio.sleep(0.001)
    assert not limit.expired()
    assert this_task().cancelling() == 0


@scenario
async def timeout_can_be_rescheduled(receive, send) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:
            limit.reschedule(asyncio.get_running_loop().time() + 0.005)
            await asyncio.sleep(10)


@scenario
async def only_the_inner_timeout_fires(receive, send) -> None:
    async with asyncio.timeout(10) as outer:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.005):
                await asyncio.sleep(10)
        await asyncio.sleep(0.001)
    assert not outer.expired()


@scenario
async def the_outer_timeout_passes_through_the_inner(receive, send) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.005):
            async with asyncio.timeout(10) as inner:
                await asyncio.sleep(10)
    assert not inner.expired()


@scenario
async def wait_for_gives_results_and_errors(receive, send) -> None:
    async def give(value: int) -> int:
        await asyncio.sleep(0)
        return value

    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("inner")

    assert await asyncio.wait_for(give(5), 5) == 5
    with pytest.raises(LookupError):
        await asyncio.wait_for(fail(), 30)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(10), 0.005)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(10), 0)


@scenario
async def wait_for_a_receive_that_has_nothing(receive, send) -> None:
    await receive()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(receive(), 0.005)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.005):
            await receive()


@scenario
async def task_group_gives_results(receive, send) -> None:
    async def give(value: int) -> int:
        await asyncio.sleep(0.001)
        return value

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(give(n)) for n in range(5)]
    assert [task.result() for task in tasks] == list(range(5))


@scenario
async def task_group_with_a_failing_child_cancels_the_body(receive, send) -> None:
    async def fail() -> None:
        raise LookupError("child")

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            sibling = group.create_task(asyncio.sleep(10))
            await asyncio.sleep(10)
    assert caught.value.subgroup(LookupError)
    assert sibling.cancelled()
    assert this_task().cancelling() == 0
    await asyncio.sleep(0)


@scenario
async def task_group_inside_a_timeout(receive, send) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.005), asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(10))
            await asyncio.sleep(10)
    assert this_task().cancelling() == 0


@scenario
async def gather_gives_results_and_errors(receive, send) -> None:
    async def fail() -> None:
        raise LookupError

    assert await asyncio.gather(*(asyncio.sleep(0, n) for n in range(5))) == [*range(5)]
    results = await asyncio.gather(asyncio.sleep(0, 1), fail(), return_exceptions=True)
    assert results[0] == 1 and isinstance(results[1], LookupError)
    with pytest.raises(LookupError):
        await asyncio.gather(asyncio.sleep(0), fail())


@scenario
async def shield_keeps_the_inner_alive(receive, send) -> None:
    done = []

    async def inner() -> None:
        await asyncio.sleep(0.01)
        done.append(True)

    task = asyncio.create_task(inner())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.002):
            await asyncio.shield(task)
    assert not done
    await task
    assert done


@scenario
async def cancelling_itself_raises_at_the_next_await(receive, send) -> None:
    task = this_task()
    assert task.cancel("why")
    assert task.cancelling() == 1
    with pytest.raises(asyncio.CancelledError) as caught:
        await asyncio.sleep(10)
    assert caught.value.args == ("why",)
    assert task.uncancel() == 0
    await asyncio.sleep(0)


@scenario
async def cancelling_itself_twice_counts_twice(receive, send) -> None:
    task = this_task()
    task.cancel()
    task.cancel()
    assert task.cancelling() == 2
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert (task.uncancel(), task.uncancel()) == (1, 0)
    await asyncio.sleep(0)


@scenario
async def another_task_may_cancel_it(receive, send) -> None:
    task = this_task()

    async def cancel() -> None:
        task.cancel("from outside")

    child = asyncio.create_task(cancel())
    with pytest.raises(asyncio.CancelledError) as caught:
        await asyncio.sleep(10)
    assert caught.value.args == ("from outside",)
    assert child.done()
    task.uncancel()


@scenario
async def cancelled_while_it_receives(receive, send) -> None:
    await receive()
    asyncio.get_running_loop().call_later(0.002, this_task().cancel)
    with pytest.raises(asyncio.CancelledError):
        await receive()
    this_task().uncancel()


@scenario
async def locks_queues_and_events(receive, send) -> None:
    lock, queue, event = asyncio.Lock(), asyncio.Queue(1), asyncio.Event()
    order = []

    async def worker(name: str) -> None:
        async with lock:
            order.append(name)
            await queue.put(name)
        event.set()

    workers = [asyncio.create_task(worker(name)) for name in "abc"]
    await event.wait()
    assert [await queue.get() for _ in range(3)] == order == ["a", "b", "c"]
    await asyncio.wait(workers)


@scenario
async def threads_there_and_back(receive, send) -> None:
    loop = asyncio.get_running_loop()

    async def in_loop() -> threading.Thread:
        return threading.current_thread()

    def in_thread() -> tuple:
        future = asyncio.run_coroutine_threadsafe(in_loop(), loop)
        return threading.current_thread(), future.result(5)

    thread, back = await asyncio.to_thread(in_thread)
    assert thread is not back and back is threading.current_thread()
    assert await loop.run_in_executor(None, lambda: 7) == 7


@scenario
async def async_generators_are_closed(receive, send) -> None:
    closed = []

    async def numbers():
        try:
            for number in range(10):
                await asyncio.sleep(0)
                yield number
        finally:
            closed.append(True)

    generator = numbers()
    async for number in generator:
        if number == 3:
            break
    await generator.aclose()
    assert closed


@scenario
async def tasks_started_eagerly_inside(receive, send) -> None:
    """A child that runs before its parent goes on must not become the current task."""
    if sys.version_info < (3, 12):
        return
    outer, seen = this_task(), []

    async def child() -> None:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    loop = asyncio.get_running_loop()
    task = asyncio.Task(child(), loop=loop, eager_start=True)
    assert this_task() is outer
    await task
    assert seen == [task, task] and this_task() is outer


@pytest.mark.parametrize("later", [False, True], ids=["first step", "later step"])
def test_others_can_wait_for_the_request_s_task(site: Site, later: bool) -> None:
    found, called = [], []

    async def app(scope, receive, send):
        if later:
            await asyncio.sleep(0)
        task = this_task()
        task.add_done_callback(called.append)
        waiter = asyncio.create_task(asyncio.wait({task}, timeout=30))
        found.extend((task, waiter))
        await asyncio.sleep(0.002)
        await respond(send)

    site.app = app
    site.connect().exchange(REQUEST)
    task, waiter = found
    done, pending = site.server.run(asyncio.wait_for(waiter, 5))
    assert done == {task} and not pending
    assert task.done() and not task.cancelled()
    assert task.result() is None and task.exception() is None
    assert called == [task]
    assert not task.cancel()


def test_a_request_that_ended_is_in_no_list(site: Site) -> None:
    tasks = []

    async def app(scope, receive, send):
        tasks.append(this_task())
        await asyncio.sleep(0.001)
        await respond(send)

    site.app = app
    client = site.connect()
    for _ in range(3):
        client.exchange(REQUEST)
    state = site.server.server.server_state
    eventually(lambda: not state.tasks)

    async def listed() -> set:
        return asyncio.all_tasks() & set(tasks)

    assert site.server.run(listed()) == set()


def test_server_state_knows_tasks_that_are_suspended(site: Site) -> None:
    state = site.server.server.server_state
    tasks, release = [], []

    async def app(scope, receive, send):
        tasks.append(this_task())
        release.append(asyncio.Event())
        await release[-1].wait()
        await respond(send)

    site.app = app
    clients = [site.connect() for _ in range(3)]
    for client in clients:
        client.send(REQUEST)
    eventually(lambda: len(state.tasks) == 3)
    assert set(tasks) == set(state.tasks)

    async def go_on() -> None:
        for event in release:
            event.set()

    site.server.run(go_on())
    assert [client.answer().status for client in clients] == [200] * 3
    eventually(lambda: not state.tasks)


def test_cancelling_the_request_from_outside_is_a_500(site: Site) -> None:
    found = []

    async def app(scope, receive, send):
        found.append(this_task())
        await asyncio.sleep(10)

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    eventually(lambda: found)

    async def cancel() -> None:
        found[0].cancel()

    site.server.run(cancel())
    assert client.last_answer().status == 500
    assert site.errors == ["Exception in ASGI application\nCancelledError()"]


def test_requests_that_wait_on_one_another(site: Site) -> None:
    """Two connections; the second's application lets the first go on."""
    waiting = []

    async def app(scope, receive, send):
        if scope["path"] == "/first":
            waiting.append(asyncio.get_running_loop().create_future())
            await respond(send, await waiting[0])
        else:
            waiting[0].set_result(b"from the second")
            await respond(send)

    site.app = app
    first, second = site.connect(), site.connect()
    first.send(request(target="/first"))
    eventually(lambda: waiting)
    assert second.exchange(REQUEST).status == 200
    assert first.answer().body == b"from the second"

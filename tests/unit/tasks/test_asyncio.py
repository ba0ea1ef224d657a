"""asyncio's own tools, used inside a task and on it from outside."""

import asyncio
import contextvars
import threading

import pytest


async def returns(value=None):
    return value


async def suspends(value=None):
    await asyncio.sleep(0)
    return value


async def forever():
    await asyncio.get_running_loop().create_future()


# -- inside the task ---------------------------------------------------------


async def test_timeout_that_expires(start):
    async def work():
        task = asyncio.current_task()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await forever()
        assert task.cancelling() == 0
        await asyncio.sleep(0)
        return "went on"

    assert await start(work()) == "went on"


async def test_timeout_that_does_not_expire(start):
    async def work():
        async with asyncio.timeout(5) as scope:
            await asyncio.sleep(0)
        return scope.expired()

    assert await start(work()) is False


async def test_timeout_and_a_real_cancellation(start):
    async def work():
        async with asyncio.timeout(5):
            await forever()

    task = start(work())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nested_timeouts(start):
    async def work():
        async with asyncio.timeout(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await forever()
            await asyncio.sleep(0)
        return asyncio.current_task().cancelling()

    assert await start(work()) == 0


async def test_wait_for(start):
    async def work():
        assert await asyncio.wait_for(suspends("in time"), 5) == "in time"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forever(), 0.01)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forever(), 0)
        return "went on"

    assert await start(work()) == "went on"


async def test_task_group(start):
    async def work():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(suspends(n)) for n in range(5)]
        return [task.result() for task in tasks]

    assert await start(work()) == [0, 1, 2, 3, 4]


async def test_task_group_with_a_failing_child(start):
    async def fails():
        await asyncio.sleep(0)
        raise LookupError

    async def work():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                group.create_task(forever())
                await forever()
        except* LookupError:
            pass
        task = asyncio.current_task()
        assert task.cancelling() == 0
        await asyncio.sleep(0)
        return "went on"

    assert await start(work()) == "went on"


async def test_task_group_cancelled_from_outside(start):
    children = []

    async def work():
        async with asyncio.TaskGroup() as group:
            children.append(group.create_task(forever()))
            await forever()

    task = start(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children[0].cancelled()


async def test_gather_inside(start):
    async def fails():
        raise LookupError

    async def work():
        got = await asyncio.gather(
            suspends(1), returns(2), fails(), return_exceptions=True
        )
        assert isinstance(got.pop(), LookupError)
        return got

    assert await start(work()) == [1, 2]


async def test_gather_cancelled(start):
    async def work():
        await asyncio.gather(forever(), forever())

    task = start(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_as_completed_and_wait(start):
    async def work():
        got = [await each for each in asyncio.as_completed([suspends(1), returns(2)])]
        done, pending = await asyncio.wait(
            [asyncio.create_task(suspends(3)), asyncio.create_task(forever())],
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in pending:
            task.cancel()
        return sorted(got) + [task.result() for task in done]

    assert await start(work()) == [1, 2, 3]


async def test_locks_queues_events(start):
    lock, event, queue = asyncio.Lock(), asyncio.Event(), asyncio.Queue(maxsize=1)
    got = []

    async def puts():
        for n in range(5):
            await queue.put(n)
        event.set()

    async def gets():
        async with lock:
            while not (event.is_set() and queue.empty()):
                got.append(await queue.get())

    async def waits():
        await event.wait()
        async with lock, asyncio.Semaphore(1):
            return "all"

    tasks = [start(gets()), start(waits()), start(puts())]
    await asyncio.gather(*tasks)
    assert got == [0, 1, 2, 3, 4]


async def test_cancel_while_waiting_for_a_lock(start):
    lock = asyncio.Lock()

    async def work():
        async with lock:
            await asyncio.sleep(0)

    async with lock:
        task = start(work())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not lock.locked()


async def test_threads(start):
    loop = asyncio.get_running_loop()

    async def work():
        here = threading.get_ident()
        there = await asyncio.to_thread(threading.get_ident)
        assert there != here
        assert await loop.run_in_executor(None, lambda: 5) == 5
        assert threading.get_ident() == here

        def from_thread():
            made = asyncio.run_coroutine_threadsafe(suspends("back"), loop)
            return made.result(5)

        return await asyncio.to_thread(from_thread)

    assert await start(work()) == "back"


async def test_subtask_made_in_the_first_step_outlives_it(start):
    async def work():
        return asyncio.create_task(suspends("child"))

    child = start(work()).result()
    assert await child == "child"


async def test_async_generators_and_context_managers(start):
    async def numbers():
        for n in range(3):
            await asyncio.sleep(0)
            yield n

    async def work():
        return [n async for n in numbers()]

    assert await start(work()) == [0, 1, 2]


# -- on the task from outside ------------------------------------------------


@pytest.mark.parametrize("make", [returns, suspends])
async def test_wait_on_the_task(start, make):
    task = start(make("value"))
    done, pending = await asyncio.wait([task], timeout=30)
    assert done == {task}
    assert not pending
    assert task.result() == "value"


async def test_wait_with_a_time_limit_leaves_the_task(start):
    task = start(forever())
    done, pending = await asyncio.wait([task], timeout=0.01)
    assert not done
    assert pending == {task}
    assert not task._callbacks
    task.cancel()
    await asyncio.wait([task])


async def test_wait_for_on_the_task(start):
    assert await asyncio.wait_for(start(suspends(1)), 5) == 1
    assert await asyncio.wait_for(start(returns(2)), 5) == 2
    task = start(forever())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(task, 0.01)
    assert task.cancelled()


async def test_gather_of_tasks(start):
    tasks = [start(suspends(1)), start(returns(2)), asyncio.create_task(returns(3))]
    assert await asyncio.gather(*tasks) == [1, 2, 3]


async def test_gather_of_tasks_cancelled(start):
    tasks = [start(forever()), start(forever())]
    both = asyncio.gather(*tasks)
    await asyncio.sleep(0)
    both.cancel()
    with pytest.raises(asyncio.CancelledError):
        await both
    assert [task.cancelled() for task in tasks] == [True, True]


async def test_shield_of_a_task(start):
    assert await asyncio.shield(start(suspends(1))) == 1
    assert await asyncio.shield(start(returns(2))) == 2


async def test_as_completed_of_tasks(start):
    tasks = [start(suspends(1)), start(returns(2))]
    assert {await each for each in asyncio.as_completed(tasks)} == {1, 2}


def test_run_until_complete(start, runner):
    loop = runner.get_loop()
    tasks = []
    loop.call_soon(lambda: (tasks.append(start(suspends("value"))), loop.stop()))
    loop.run_forever()
    assert loop.run_until_complete(tasks[0]) == "value"
    assert loop.run_until_complete(tasks[0]) == "value"


async def test_all_tasks(start):
    before = asyncio.all_tasks()
    tasks = {start(forever()) for _ in range(3)} | {start(suspends())}
    assert asyncio.all_tasks() - before == tasks
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert asyncio.all_tasks() == before


async def test_cancel_from_another_thread(start):
    task = start(forever())
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(loop.call_soon_threadsafe, task.cancel)
    await asyncio.wait([task])
    assert task.cancelled()


async def test_context_of_done_callbacks_of_awaited_futures(start):
    # The wakeup goes through the loop under the task's own context.
    var = contextvars.ContextVar("var", default="outside")
    seen = []

    async def work():
        var.set("inside")
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda f: seen.append(var.get()))
        asyncio.get_running_loop().call_soon(future.set_result, None)
        await future
        seen.append(var.get())

    await start(work())
    assert seen == ["inside", "inside"]
    assert var.get() == "outside"

"""anyio in a task: it reads more of a task's inside than asyncio itself."""

import asyncio
import math

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import sniffio


async def suspends(value=None):
    await asyncio.sleep(0)
    return value


async def test_sniffio_knows_the_library(start):
    async def work():
        first = sniffio.current_async_library()
        await anyio.sleep(0)
        return first, sniffio.current_async_library()

    assert await start(work()) == ("asyncio", "asyncio")


async def test_task_group(start):
    async def work():
        got = []

        async def child(n):
            await anyio.sleep(0)
            got.append(n)

        async with anyio.create_task_group() as group:
            for n in range(5):
                group.start_soon(child, n)
        return sorted(got)

    assert await start(work()) == [0, 1, 2, 3, 4]


async def test_task_group_start_waits_for_started(start):
    async def work():
        async def child(*, task_status):
            task_status.started("ready")
            await anyio.sleep_forever()

        async with anyio.create_task_group() as group:
            got = await group.start(child)
            group.cancel_scope.cancel()
        return got

    assert await start(work()) == "ready"


async def test_task_group_with_a_failing_child(start):
    async def fails():
        await anyio.sleep(0)
        raise LookupError

    async def work():
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(fails)
                group.start_soon(anyio.sleep_forever)
                await anyio.sleep_forever()
        except* LookupError:
            pass
        await anyio.sleep(0)
        return asyncio.current_task().cancelling()

    assert await start(work()) == 0


@pytest.mark.parametrize("steps_before", [0, 1])
async def test_cancel_scope(start, steps_before):
    async def work():
        for _ in range(steps_before):
            await anyio.sleep(0)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        await anyio.sleep(0)
        return asyncio.current_task().cancelling()

    assert await start(work()) == 0


async def test_cancel_scope_from_another_task(start):
    scopes = []

    async def work():
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            await anyio.sleep_forever()
        return scope.cancelled_caught

    task = start(work())
    scopes[0].cancel()
    assert await task is True


async def test_level_cancellation_hits_every_await(start):
    async def work():
        hits = 0
        with anyio.CancelScope() as scope:
            scope.cancel()
            for _ in range(3):
                try:
                    await anyio.sleep_forever()
                except asyncio.CancelledError:
                    hits += 1
            await anyio.sleep_forever()
        return hits

    assert await start(work()) == 3


async def test_shielded_scope(start):
    async def work():
        steps = []
        with anyio.CancelScope() as outer:
            outer.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.001)
                steps.append("shielded")
            await anyio.sleep(0)
            steps.append("not reached")
        return steps

    assert await start(work()) == ["shielded"]


async def test_fail_after(start):
    async def work():
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.01):
                await anyio.sleep_forever()
        with anyio.fail_after(5):
            await anyio.sleep(0)
        return asyncio.current_task().cancelling()

    assert await start(work()) == 0


async def test_move_on_after(start):
    async def work():
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        with anyio.move_on_after(5) as scope:
            await anyio.sleep(0)
        assert not scope.cancelled_caught
        with anyio.move_on_after(0) as scope:
            await anyio.sleep_forever()
        return scope.cancelled_caught

    assert await start(work()) is True


async def test_native_cancellation_goes_through_a_scope(start):
    async def work():
        with anyio.CancelScope():
            await anyio.sleep_forever()

    task = start(work())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_native_cancellation_ends_a_task_group(start):
    ended = []

    async def child():
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    async def work():
        async with anyio.create_task_group() as group:
            group.start_soon(child)
            group.start_soon(child)
            await anyio.sleep_forever()

    task = start(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True, True]


async def test_effective_deadline_and_pending_cancellation(start):
    async def work():
        assert anyio.current_effective_deadline() == math.inf
        info = anyio.get_current_task()
        assert not info.has_pending_cancellation()
        with anyio.CancelScope() as scope:
            scope.cancel()
            assert info.has_pending_cancellation()
            assert anyio.current_effective_deadline() == -math.inf
        asyncio.current_task().cancel()
        assert info.has_pending_cancellation()
        with pytest.raises(asyncio.CancelledError):
            await anyio.sleep(0)
        return info.id == id(asyncio.current_task())

    assert await start(work()) is True


async def test_get_running_tasks_and_names(start):
    event = anyio.Event()

    async def work():
        asyncio.current_task().set_name("the request")
        await event.wait()

    task = start(work())
    infos = {info.id: info for info in anyio.get_running_tasks()}
    assert infos[id(task)].name == "the request"
    assert infos[id(task)].coro is task.get_coro()
    event.set()
    await task


async def test_wait_all_tasks_blocked(start):
    event = anyio.Event()
    task = start(event.wait())

    async def work():
        await anyio.wait_all_tasks_blocked()
        return "blocked"

    assert await start(work()) == "blocked"
    event.set()
    await task


async def test_to_thread(start):
    async def work():
        await anyio.sleep(0)
        return await anyio.to_thread.run_sync(lambda: "from the thread")

    assert await start(work()) == "from the thread"


async def test_to_thread_in_the_first_step(start):
    # anyio looks for the loop's root task here, among all tasks' callbacks.
    async def work():
        return await anyio.to_thread.run_sync(lambda: "from the thread")

    assert await start(work()) == "from the thread"


async def test_to_thread_from_a_callback_of_the_loop(start):
    loop = asyncio.get_running_loop()
    started = loop.create_future()

    async def work():
        return await anyio.to_thread.run_sync(lambda: "from the thread")

    loop.call_soon(lambda: started.set_result(start(work())))
    assert await (await started) == "from the thread"


async def test_cancelled_while_in_a_thread(start):
    async def work():
        with anyio.move_on_after(0.01) as scope:
            await anyio.to_thread.run_sync(anyio.from_thread.run, anyio.sleep, 0.03)
        return scope.cancel_called

    assert await start(work()) is True


async def test_from_thread(start):
    def in_thread():
        assert anyio.from_thread.run(suspends, "back") == "back"
        return anyio.from_thread.run_sync(asyncio.get_running_loop)

    async def work():
        return await anyio.to_thread.run_sync(in_thread)

    assert await start(work()) is asyncio.get_running_loop()


async def test_blocking_portal(start):
    async def work():
        async with anyio.from_thread.BlockingPortal() as portal:
            return await anyio.to_thread.run_sync(portal.call, suspends, "called")

    assert await start(work()) == "called"


async def test_streams_and_locks(start):
    async def work():
        send, receive = anyio.create_memory_object_stream(1)
        lock, limiter = anyio.Lock(), anyio.CapacityLimiter(1)

        async def puts():
            async with send, lock:
                for n in range(5):
                    await send.send(n)

        async with anyio.create_task_group() as group, limiter:
            group.start_soon(puts)
            async with receive:
                return [n async for n in receive]

    assert await start(work()) == [0, 1, 2, 3, 4]


async def test_lock_belongs_to_the_task(start):
    lock = anyio.Lock()

    async def work():
        async with lock:
            with pytest.raises(RuntimeError):
                lock.acquire_nowait()
            await anyio.sleep(0)
            return lock.statistics().owner.id == id(asyncio.current_task())

    assert await start(work()) is True

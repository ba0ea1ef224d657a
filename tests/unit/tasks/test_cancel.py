"""Cancellation of a task, before, between and after its steps."""

import asyncio

import pytest


async def returns(value=None):
    return value


async def waits(awaitable):
    return await awaitable


async def forever():
    await asyncio.get_running_loop().create_future()


async def test_done_task_cannot_be_cancelled(start):
    task = start(returns("value"))
    assert task.cancel() is False
    assert task.cancelling() == 0
    assert await task == "value"


async def test_cancel_throws_into_the_coroutine(start):
    task = start(forever())
    assert task.cancel() is True
    assert not task.done()
    assert not task.cancelled()
    assert task.cancelling() == 1
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.done()
    assert task.cancelled()
    assert task._state == "CANCELLED"
    for method in (task.result, task.exception):
        with pytest.raises(asyncio.CancelledError):
            method()


async def test_cancel_cancels_the_waiter(start):
    future = asyncio.get_running_loop().create_future()
    task = start(waits(future))
    task.cancel()
    assert future.cancelled()
    assert task._fut_waiter is future
    assert not task._must_cancel
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("message", [None, "why", ("a", 1)])
async def test_message_arrives_in_the_coroutine(start, message):
    async def work(suspend):
        try:
            await suspend
        except asyncio.CancelledError as error:
            seen.append(error.args)
            raise

    seen = []
    for suspend in (forever(), asyncio.sleep(0)):
        task = start(work(suspend))
        task.cancel(message)
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == seen.pop()
        assert caught.value.args == (() if message is None else (message,))


async def test_message_by_keyword(start):
    task = start(forever())
    task.cancel(msg="why")
    with pytest.raises(asyncio.CancelledError, match="why"):
        await task


async def test_first_error_out_of_a_cancelled_task_is_the_coroutines_own(start):
    raised = asyncio.CancelledError("mine")

    async def work():
        await asyncio.sleep(0)
        raise raised

    task = start(work())
    await asyncio.wait([task])
    assert task.cancelled()
    with pytest.raises(asyncio.CancelledError) as caught:
        task.result()
    assert caught.value is raised
    with pytest.raises(asyncio.CancelledError) as caught:
        task.exception()
    assert caught.value is not raised
    assert caught.value.args == ()


async def test_cancelled_error_in_the_first_step(start):
    async def work():
        raise asyncio.CancelledError("at once")

    task = start(work())
    assert task.cancelled()
    with pytest.raises(asyncio.CancelledError, match="at once"):
        await task


async def test_make_cancelled_error(start):
    task = start(forever())
    task.cancel("why")
    await asyncio.wait([task])
    assert isinstance(task._make_cancelled_error(), asyncio.CancelledError)


async def test_self_cancel_before_any_suspension(start):
    steps = []

    async def work():
        task = asyncio.current_task()
        assert task.cancel("by myself")
        assert task._must_cancel
        steps.append("goes on")
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as error:
            steps.append(error.args)
            raise
        raise AssertionError("not reached")

    task = start(work())
    assert steps == ["goes on"]
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["goes on", ("by myself",)]


async def test_self_cancel_before_awaiting_a_future(start):
    future = asyncio.get_running_loop().create_future()

    async def work():
        asyncio.current_task().cancel("by myself")
        await future

    task = start(work())
    assert future.cancelled()
    assert not task._must_cancel
    with pytest.raises(asyncio.CancelledError, match="by myself"):
        await task


async def test_self_cancel_right_before_the_return(start):
    async def at_once():
        asyncio.current_task().cancel("late")
        return "lost"

    async def later():
        await asyncio.sleep(0)
        return await at_once()

    for make in (at_once, later):
        task = start(make())
        await asyncio.wait([task])
        assert task.cancelled()
        with pytest.raises(asyncio.CancelledError, match="late"):
            task.result()


async def test_self_cancel_and_another_exception(start):
    async def work():
        asyncio.current_task().cancel()
        raise LookupError("first")

    task = start(work())
    assert isinstance(task.exception(), LookupError)
    assert not task.cancelled()


async def test_cancel_in_the_first_step_by_somebody_else(start):
    tasks = []

    async def inner():
        tasks[0].cancel("by inner")

    async def outer():
        tasks.append(asyncio.current_task())
        start(inner())
        await asyncio.sleep(0)

    task = start(outer())
    with pytest.raises(asyncio.CancelledError, match="by inner"):
        await task


async def test_swallowed_cancellation(start):
    async def work():
        try:
            await forever()
        except asyncio.CancelledError:
            pass
        await asyncio.sleep(0)
        return "survived"

    task = start(work())
    task.cancel()
    assert await task == "survived"
    assert not task.cancelled()
    assert task.cancelling() == 1


async def test_cancel_counts_and_uncancel(start):
    counts = []

    async def work():
        task = asyncio.current_task()
        for _ in range(2):
            try:
                await forever()
            except asyncio.CancelledError:
                counts.append(task.cancelling())
        counts.append(task.uncancel())
        counts.append(task.uncancel())
        counts.append(task.uncancel())
        await asyncio.sleep(0)

    task = start(work())
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await task
    assert counts == [1, 2, 1, 0, 0]
    assert task.cancelling() == 0


async def test_second_cancel_before_the_first_arrives(start):
    task = start(forever())
    assert task.cancel("first") is True
    assert task.cancel("second") is True
    assert task.cancelling() == 2
    assert task._must_cancel
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_waiter_that_swallows_is_cancelled_again(start):
    inner_cancels = 0

    async def inner():
        nonlocal inner_cancels
        while inner_cancels < 2:
            try:
                await forever()
            except asyncio.CancelledError:
                inner_cancels += 1
        return "inner's"

    for make in (start, asyncio.create_task):
        inner_cancels = 0
        task = start(waits(make(inner())))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        assert task._fut_waiter is not None
        task.cancel()
        assert await task == "inner's"
        assert not task.cancelled()
        assert inner_cancels == 2


async def test_cancel_when_the_waiter_is_done_already(start):
    future = asyncio.get_running_loop().create_future()
    task = start(waits(future))
    future.set_result("too late")
    task.cancel("wins")
    assert task._must_cancel
    with pytest.raises(asyncio.CancelledError, match="wins"):
        await task


async def test_cancel_wins_over_the_waiters_exception(start):
    future = asyncio.get_running_loop().create_future()
    task = start(waits(future))
    future.set_exception(LookupError())
    task.cancel("wins")
    with pytest.raises(asyncio.CancelledError, match="wins"):
        await task


async def test_cancelled_waiter_cancels_the_task(start):
    future = asyncio.get_running_loop().create_future()
    task = start(waits(future))
    future.cancel("from below")
    with pytest.raises(asyncio.CancelledError, match="from below"):
        await task
    assert task.cancelled()
    assert task.cancelling() == 0


async def test_exception_during_cancellation(start):
    async def work():
        try:
            await forever()
        finally:
            raise LookupError("cleanup failed")

    task = start(work())
    task.cancel()
    with pytest.raises(LookupError) as caught:
        await task
    assert isinstance(caught.value.__context__, asyncio.CancelledError)
    assert not task.cancelled()


async def test_cleanup_may_await(start):
    cleaned = []

    async def work():
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    task = start(work())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]


async def test_cancelling_the_awaiter_cancels_the_task(start):
    inner = start(forever())
    outer = asyncio.create_task(waits(inner))
    await asyncio.sleep(0)
    outer.cancel("all the way")
    with pytest.raises(asyncio.CancelledError, match="all the way"):
        await outer
    assert inner.cancelled()


async def test_shield_keeps_the_task(start):
    future = asyncio.get_running_loop().create_future()
    inner = start(waits(future))
    outer = start(waits(asyncio.shield(inner)))
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert not inner.done()
    future.set_result("kept")
    assert await inner == "kept"


def test_runner_cancels_what_is_left(runner, start):
    ended = []

    async def work():
        try:
            await forever()
        finally:
            ended.append(asyncio.current_task())

    tasks = []

    async def main():
        tasks.append(start(work()))

    runner.run(main())
    assert ended == []
    runner.close()
    assert ended == tasks
    assert tasks[0].cancelled()

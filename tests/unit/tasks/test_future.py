"""What a task has from asyncio.Future: outcome, callbacks, being awaited."""

import asyncio
import contextvars
import traceback

import pytest

var = contextvars.ContextVar("var", default="outside")


async def returns(value=None):
    return value


async def fails(error):
    raise error


async def suspends(value=None):
    await asyncio.sleep(0)
    return value


async def test_pending_task_has_no_outcome(start):
    task = start(suspends())
    with pytest.raises(asyncio.InvalidStateError):
        task.result()
    with pytest.raises(asyncio.InvalidStateError):
        task.exception()
    assert not task.done()
    assert not task.cancelled()
    await task


@pytest.mark.parametrize("value", [None, 0, (), (1, 2), ValueError("a value"), "x"])
async def test_any_value_is_a_result(start, value):
    for make in (returns, suspends):
        task = start(make(value))
        assert await task is value
        assert task.result() is value


async def test_result_raises_the_same_exception_each_time(start):
    error = LookupError("no")
    for coro in (fails(error), asyncio.wait_for(fails(error), 5)):
        task = start(coro)
        await asyncio.wait([task])
        depths = []
        for _ in range(3):
            with pytest.raises(LookupError) as caught:
                task.result()
            assert caught.value is error
            depths.append(len(traceback.extract_tb(error.__traceback__)))
        assert max(depths) == depths[0], "the traceback grew"
        assert task.exception() is error


async def test_traceback_of_a_failure_begins_with_the_coroutine(start):
    async def below():
        raise ValueError

    async def top():
        await below()

    task = start(top())
    frames = traceback.extract_tb(task.exception().__traceback__)
    assert [frame.name for frame in frames] == ["top", "below"]


async def test_traceback_has_no_entry_of_ours_between_the_steps(start):
    future = asyncio.get_running_loop().create_future()

    async def work():
        await future

    task = start(work())
    future.set_exception(ValueError())
    await asyncio.wait([task])
    frames = traceback.extract_tb(task.exception().__traceback__)
    assert [frame.name for frame in frames] == ["work"]


async def test_set_result_and_set_exception_are_refused(start):
    task = start(suspends(1))
    with pytest.raises(RuntimeError, match="does not support set_result"):
        task.set_result(1)
    with pytest.raises(RuntimeError, match="does not support set_exception"):
        task.set_exception(ValueError())
    assert await task == 1


async def test_get_loop(start):
    task = start(returns())
    assert task.get_loop() is asyncio.get_running_loop()
    assert task._loop is asyncio.get_running_loop()


# -- callbacks ---------------------------------------------------------------


async def test_callback_is_scheduled_never_called_at_once(start):
    called = []
    for make in (returns, suspends):
        task = start(make())
        while not task.done():
            await asyncio.sleep(0)
        task.add_done_callback(called.append)
        assert called == []
        await asyncio.sleep(0)
        assert called == [task]
        called.clear()


async def test_callbacks_run_in_order_once_the_task_is_done(start):
    called = []
    task = start(suspends())
    for number in range(4):
        task.add_done_callback(lambda t, n=number: called.append((n, t)))
    await task
    await asyncio.sleep(0)
    assert called == [(n, task) for n in range(4)]
    assert not task._callbacks


async def test_callback_runs_in_its_own_context(start):
    seen = []
    context = contextvars.Context()
    context.run(var.set, "given")
    for make in (returns, suspends):
        task = start(make())
        task.add_done_callback(lambda t: seen.append(var.get()), context=context)
        task.add_done_callback(lambda t: seen.append(var.get()))
        await task
        await asyncio.sleep(0)
    assert seen == ["given", "outside"] * 2


async def test_callback_added_by_the_first_step(start):
    called = []

    async def work():
        asyncio.current_task().add_done_callback(called.append)

    task = start(work())
    assert called == []
    await asyncio.sleep(0)
    assert called == [task]


async def test_remove_done_callback_counts(start):
    called = []

    def other(task):
        called.append("other")

    task = start(suspends())
    assert task.remove_done_callback(called.append) == 0
    for callback in (called.append, other, called.append):
        task.add_done_callback(callback)
    assert task.remove_done_callback(called.append) == 2
    assert task.remove_done_callback(called.append) == 0
    await task
    await asyncio.sleep(0)
    assert called == ["other"]
    assert task.remove_done_callback(other) == 0


async def test_removing_the_last_callback_leaves_none(start):
    task = start(suspends())
    task.add_done_callback(print)
    assert task.remove_done_callback(print) == 1
    assert not task._callbacks
    await task


async def test_callbacks_attribute_holds_pairs(start):
    # anyio's find_root_task() reads it so.
    task = start(suspends())
    assert not task._callbacks
    context = contextvars.copy_context()
    task.add_done_callback(print, context=context)
    task.add_done_callback(repr)
    pairs = task._callbacks
    assert pairs[0] == (print, context)
    assert pairs[1][0] is repr
    assert isinstance(pairs[1][1], contextvars.Context)
    task.remove_done_callback(print)
    task.remove_done_callback(repr)
    await task


async def test_callback_that_raises_is_reported(start, reports):
    task = start(suspends())
    task.add_done_callback(lambda t: 1 / 0)
    await task
    await asyncio.sleep(0)
    assert isinstance(reports.pop()["exception"], ZeroDivisionError)


# -- being awaited -----------------------------------------------------------


async def test_await_from_many_tasks(start):
    future = asyncio.get_running_loop().create_future()

    async def work():
        return await future

    async def waits(task):
        return await task

    task = start(work())
    waiters = [start(waits(task)) for _ in range(3)]
    waiters += [asyncio.create_task(waits(task)) for _ in range(3)]
    await asyncio.sleep(0)
    future.set_result("shared")
    assert await asyncio.gather(*waiters) == ["shared"] * 6


async def test_await_raises_what_the_task_raised(start):
    async def late():
        await asyncio.sleep(0)
        raise LookupError("late")

    with pytest.raises(LookupError, match="late"):
        await start(late())
    with pytest.raises(LookupError, match="early"):
        await start(fails(LookupError("early")))


async def test_await_of_a_done_task_does_not_suspend(start):
    steps = start(returns("value")).__await__()
    with pytest.raises(StopIteration) as stopped:
        steps.send(None)
    assert stopped.value.value == "value"


@pytest.mark.parametrize("method", ["__await__", "__iter__"])
async def test_iterator_yields_the_task_itself(start, method):
    task = start(suspends("value"))
    steps = getattr(task, method)()
    assert next(steps) is task
    assert task._asyncio_future_blocking is True
    with pytest.raises(RuntimeError, match="await wasn't used with future"):
        next(steps)
    task._asyncio_future_blocking = False
    await task
    steps = getattr(task, method)()
    with pytest.raises(StopIteration) as stopped:
        next(steps)
    assert stopped.value.value == "value"


async def test_second_await_before_the_first_was_taken(start):
    task = start(suspends())
    next(task.__await__())
    with pytest.raises(RuntimeError, match="await wasn't used with future"):
        next(task.__await__())
    task._asyncio_future_blocking = False
    await task


async def test_iterator_takes_an_exception(start):
    task = start(suspends())
    steps = task.__await__()
    next(steps)
    with pytest.raises(KeyError):
        steps.throw(KeyError("thrown"))
    task._asyncio_future_blocking = False
    await task


async def test_isfuture_and_ensure_future(start):
    task = start(suspends("value"))
    assert asyncio.isfuture(task)
    assert asyncio.ensure_future(task) is task
    assert await asyncio.wrap_future(task) == "value"

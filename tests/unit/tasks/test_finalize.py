"""What is said when a task is thrown away, and that it goes away at all."""

import asyncio
import contextvars
import gc
import sys
import weakref

import pytest

from fastserve.protocols.tasks import start_eagerly


async def returns(value=None):
    return value


async def fails(error):
    raise error


async def waits(awaitable):
    return await awaitable


# -- what the loop's exception handler hears ---------------------------------


async def test_exception_nobody_asked_for_is_reported(start, reports):
    error = LookupError("forgotten")
    for count in range(1, 4):  # each time, not only the first
        start(fails(error))
        assert len(reports) == count
    context = reports.pop()
    assert context["message"] == "Task exception was never retrieved"
    assert context["exception"] is error
    assert isinstance(context["future"], asyncio.Task)
    assert ("source_traceback" in context) == asyncio.get_running_loop().get_debug()
    assert repr(context["future"]).startswith("<Task finished")
    reports.clear()
    error.__traceback__ = None


@pytest.mark.parametrize("ask", ["result", "exception"])
async def test_exception_that_was_asked_for_is_not_reported(start, reports, ask):
    task = start(fails(LookupError()))
    assert task._log_traceback is True
    try:
        getattr(task, ask)()
    except LookupError:
        pass
    assert task._log_traceback is False
    del task
    gc.collect()
    assert reports == []


async def test_awaited_exception_is_not_reported(start, reports):
    with pytest.raises(LookupError):
        await start(fails(LookupError()))
    gc.collect()
    assert reports == []


async def test_cancel_of_a_failed_task_takes_the_report_back(start, reports):
    task = start(fails(LookupError()))
    assert task.cancel() is False
    assert task._log_traceback is False
    del task
    assert reports == []


async def test_log_traceback_can_only_be_turned_off(start, reports):
    task = start(fails(LookupError()))
    with pytest.raises(ValueError, match="can only be set to False"):
        task._log_traceback = True
    task._log_traceback = False
    del task
    assert reports == []


async def test_cancelled_task_is_not_reported(start, reports):
    task = start(fails(asyncio.CancelledError()))
    assert task.cancelled()
    del task
    gc.collect()
    assert reports == []


async def test_pending_task_that_is_destroyed_is_reported(start, reports):
    for count in range(1, 4):
        # Nobody but the task knows the future: both are garbage.
        task = start(waits(asyncio.get_running_loop().create_future()))
        del task
        gc.collect()
        assert len(reports) == count
    context = reports.pop()
    assert context["message"] == "Task was destroyed but it is pending!"
    assert isinstance(context["task"], asyncio.Task)
    assert not context["task"].done()
    assert ("source_traceback" in context) == asyncio.get_running_loop().get_debug()
    reports.clear()
    del context


async def test_log_destroy_pending_can_be_turned_off(start, reports):
    task = start(waits(asyncio.get_running_loop().create_future()))
    assert task._log_destroy_pending is True
    task._log_destroy_pending = False
    del task
    gc.collect()
    assert reports == []


async def test_destroyed_task_that_is_kept_by_the_handler_is_whole(start, reports):
    # __del__ gives the task away: it must live on, and may go once more.
    start(fails(LookupError("kept")))
    (context,) = reports
    reports.clear()
    task = context.pop("future")
    ref = weakref.ref(task)
    assert str(task.exception()) == "kept"
    assert task.get_name()
    del context, task
    assert ref() is None
    assert reports == []


async def test_exception_in_the_handler_does_not_spread(start, monkeypatch):
    heard = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    loop = asyncio.get_running_loop()

    class Loop:
        """A loop whose report fails; a task only asks it these four."""

        def get_debug(self):
            return False

        def call_exception_handler(self, context):
            raise KeyError("handler")

        def call_soon(self, *args, context=None):
            return loop.call_soon(*args, context=context)

        def is_running(self):
            return True

    start_eagerly(Loop(), fails(LookupError()), None)
    assert [type(each.exc_value) for each in heard] == [KeyError]
    heard.clear()


# -- memory ------------------------------------------------------------------


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def suspend_all(start, count):
    """`count` tasks that wait for one future each, then end in each possible way."""
    loop = asyncio.get_running_loop()

    async def work(future, value):
        try:
            got = await future
        except asyncio.CancelledError:
            return value
        return got

    pairs = []
    for _ in range(count):
        future = loop.create_future()
        pairs.append((future, start(work(future, loop))))
    for number, (future, task) in enumerate(pairs):
        if number % 2:
            future.set_result(loop)
        else:
            task.cancel()
        if number % 3 == 0:
            task.add_done_callback(id)
    await asyncio.wait([task for _, task in pairs])


async def complete_all(start, count):
    loop = asyncio.get_running_loop()
    for number in range(count):
        task = start(returns(loop))
        if number % 10 == 0:
            task.get_name()
            task.add_done_callback(id)
        if number % 100 == 0:
            await asyncio.sleep(0)


async def fail_all(start, count):
    async def raises():
        raise LookupError  # kept by no local variable: that would be a cycle

    for number in range(count):
        task = start(raises() if number % 2 else waits(None))
        assert task.exception() is not None
        del task


@pytest.mark.parametrize("work", [suspend_all, complete_all, fail_all])
async def test_tasks_leave_nothing_behind(start, no_collector, work):
    loop = asyncio.get_running_loop()
    count = 2000 if loop.get_debug() else 20_000

    async def measured(count):
        await work(start, count)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return sys.getrefcount(loop), len(gc.get_objects())

    await measured(100)  # whatever is made once
    references, objects = await measured(100)
    gc.collect()
    references_after, objects_after = await measured(count)
    assert abs(references_after - references) < 50
    assert abs(objects_after - objects) < 500
    assert gc.collect() < 50, "the collector had to break cycles"


async def test_done_task_frees_what_it_held(start):
    class Held:
        pass

    held, value = Held(), Held()
    refs = [weakref.ref(held), weakref.ref(value)]
    context = contextvars.copy_context()

    async def work(held):
        await asyncio.sleep(0)
        return held

    task = start(work(held), context)
    refs.append(weakref.ref(task))
    task.callback_holds = value
    await task
    await asyncio.sleep(0)
    del held, value, task
    assert [ref() for ref in refs] == [None, None, None]


async def test_cycle_through_a_pending_task_is_collected(start, reports):
    task = start(waits(asyncio.get_running_loop().create_future()))
    task.myself = task
    task._log_destroy_pending = False
    ref = weakref.ref(task)
    del task
    gc.collect()
    assert ref() is None


async def test_cycle_through_the_result_is_collected(start):
    async def work():
        return asyncio.current_task()

    task = start(work())
    assert task.result() is task
    ref = weakref.ref(task)
    del task
    gc.collect()
    assert ref() is None


def test_loop_is_not_kept(start, runner):
    async def main():
        await start(returns())

    runner.run(main())
    loop = runner.get_loop()
    before = sys.getrefcount(loop)

    async def more():
        for _ in range(100):
            start(returns())

    runner.run(more())
    assert sys.getrefcount(loop) == before

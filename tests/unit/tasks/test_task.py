"""What a task has from asyncio.Task, and what it does with what it awaits."""

import asyncio
import copy
import inspect
import io
import pickle
import re
import sys
import types
import weakref

import pytest


async def returns(value=None):
    return value


async def suspends(value=None):
    await asyncio.sleep(0)
    return value


async def waits(awaitable):
    return await awaitable


# -- identity ----------------------------------------------------------------


async def test_is_an_asyncio_task(start):
    task = start(suspends())
    assert isinstance(task, asyncio.Task)
    assert isinstance(task, asyncio.Future)
    assert task.__class__ is asyncio.Task
    assert inspect.isawaitable(task)
    await task


@pytest.mark.parametrize("copies", [copy.copy, copy.deepcopy, pickle.dumps])
async def test_cannot_be_copied(start, copies):
    with pytest.raises(TypeError):
        copies(start(returns()))


def test_nothing_of_asyncio_task_is_missing(runner, start):
    async def main():
        return set(dir(type(start(returns()))))

    ours = runner.run(main())
    assert {name for name in dir(asyncio.Task) if name not in ours} <= {
        "__class_getitem__"  # for annotations, which name asyncio.Task
    }
    assert "get_context" in ours  # asyncio's from Python 3.12 on


async def test_weak_references(start):
    task = start(suspends())
    ref = weakref.ref(task)
    keyed = weakref.WeakKeyDictionary({task: "state"})
    assert ref() is task
    assert keyed[task] == "state"
    await task
    await asyncio.sleep(0)  # the handle that woke us held the task
    del task
    assert ref() is None
    assert len(keyed) == 0


async def test_hash_and_equality_are_identity(start):
    one, other = start(returns()), start(returns())
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2


async def test_takes_attributes(start):
    async def work():
        asyncio.current_task().request_id = 5
        await asyncio.sleep(0)
        return asyncio.current_task().request_id

    task = start(work())
    assert task.request_id == 5
    assert await task == 5
    del task.request_id
    assert not hasattr(task, "request_id")


@pytest.mark.parametrize(
    "name",
    "_state _result _exception _loop _coro _callbacks _fut_waiter _must_cancel "
    "_source_traceback".split(),
)
async def test_state_cannot_be_set(start, name):
    task = start(suspends())
    with pytest.raises(AttributeError):
        setattr(task, name, None)
    await task


# -- names, repr, stack ------------------------------------------------------


async def test_default_names_are_unique(start):
    makers = (start, asyncio.create_task) * 5
    tasks = [make(suspends()) for make in makers]
    names = [task.get_name() for task in tasks]
    assert len(set(names)) == 10
    assert all(re.fullmatch(r"Task-\d+", name) for name in names)
    assert [task.get_name() for task in tasks] == names
    await asyncio.gather(*tasks)


async def test_asking_for_a_name_makes_no_task_of_the_loop(start):
    before = asyncio.all_tasks()
    start(returns()).get_name()
    assert asyncio.all_tasks() == before


async def test_set_name(start):
    async def work():
        asyncio.current_task().set_name("mine")
        await asyncio.sleep(0)

    task = start(work())
    assert task.get_name() == "mine"
    task.set_name(5)
    assert task.get_name() == "5"
    await task


async def test_repr_through_a_life(start, runner):
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    task = start(waits(future))
    task.set_name("mine")
    assert re.match(
        r"<Task pending name='mine' coro=<waits\(\) running at .*test_task.py:\d+>"
        r" wait_for=<Future pending cb=\[\w*Task\.\w+\(\)\].*>", repr(task)
    )
    assert ("created at" in repr(task)) == loop.get_debug()
    task.add_done_callback(print)
    assert re.search(r"cb=\[.*print\(\)\]", repr(task))
    task.cancel()
    assert repr(task).startswith("<Task cancelling name='mine' coro=<waits() running")
    await asyncio.wait([task])
    assert repr(task).startswith("<Task cancelled name='mine' coro=<waits() done")


async def test_repr_of_outcomes(start):
    task = start(suspends("x" * 1000))
    await task
    assert re.match(r"<Task finished name='Task-\d+' .*result='x+\.\.\.x", repr(task))
    task = start(waits(None))
    assert isinstance(task.exception(), TypeError)
    assert re.search(r"<Task finished .* exception=TypeError\(", repr(task))
    task = start(returns())
    assert re.match(r"<Task finished name='Task-\d+' .*result=None", repr(task))


async def test_repr_of_a_task_that_waits_for_its_own_waiter(start):
    tasks = []

    async def work():
        await tasks[1 - len(tasks) % 2] if tasks else await asyncio.sleep(0.01)

    tasks.append(start(work()))
    tasks.append(start(work()))
    assert "wait_for=<Task" in repr(tasks[1])
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_stack_of_a_suspended_task(start):
    future = asyncio.get_running_loop().create_future()
    task = start(waits(future))
    (frame,) = task.get_stack()
    assert frame.f_code is waits.__code__
    assert task.get_stack(limit=0) == []
    out = io.StringIO()
    task.print_stack(file=out)
    assert out.getvalue().startswith("Stack for <Task pending")
    assert "return await awaitable" in out.getvalue()
    future.set_result(None)
    await task
    assert task.get_stack() == []
    out = io.StringIO()
    task.print_stack(file=out)
    assert out.getvalue().startswith("No stack for <Task finished")


async def test_stack_of_a_failed_task(start, capsys):
    async def below():
        raise ValueError("deep")

    async def top():
        await asyncio.sleep(0)
        await below()

    task = start(top())
    await asyncio.wait([task])
    assert [f.f_code.co_name for f in task.get_stack()] == ["top", "below"]
    assert [f.f_code.co_name for f in task.get_stack(limit=1)] == ["top"]
    task.print_stack()
    printed = "".join(capsys.readouterr())
    assert "Traceback for <Task finished" in printed
    assert "await below()" in printed
    assert "ValueError: deep\n" in printed
    assert isinstance(task.exception(), ValueError)


async def test_coroutine_loop_and_context_while_suspended(start):
    coro = suspends()
    task = start(coro)
    assert task.get_coro() is task._coro is coro
    assert inspect.getcoroutinestate(coro) == inspect.CORO_SUSPENDED
    await task
    assert task.get_coro() is coro
    assert inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED


async def test_source_traceback_in_debug_mode_only(start):
    task = start(suspends())
    if asyncio.get_running_loop().get_debug():
        names = [frame.name for frame in task._source_traceback]
        assert names[-1] in ("start", "test_source_traceback_in_debug_mode_only")
    else:
        assert task._source_traceback is None
    await task


# -- what it waits for -------------------------------------------------------


async def test_waiter_is_seen_and_dropped(start):
    future = asyncio.get_running_loop().create_future()
    task = start(waits(future))
    assert task._fut_waiter is future
    assert future._asyncio_future_blocking is False
    assert task._state == "PENDING"
    future.set_result("value")
    assert task._fut_waiter is future
    assert await task == "value"
    assert task._fut_waiter is None
    assert task._state == "FINISHED"
    assert task._result == "value"


async def test_no_waiter_after_a_bare_yield(start):
    task = start(suspends())
    assert task._fut_waiter is None
    await task


class FutureSubclass(asyncio.Future):
    pass


class Duck:
    """All that a task asks of a future, and no more."""

    _asyncio_future_blocking = False

    def __init__(self, loop):
        self._loop = loop
        self.callbacks = []

    def add_done_callback(self, callback, *, context):
        self.callbacks.append((callback, context))

    def result(self):
        return "from the duck"

    def cancel(self, msg=None):
        return False

    def __await__(self):
        self._asyncio_future_blocking = True
        yield self
        return self.result()


async def test_any_future_like_object(start):
    loop = asyncio.get_running_loop()
    future = FutureSubclass(loop=loop)
    task = start(waits(future))
    future.set_result("from a subclass")
    assert await task == "from a subclass"

    duck = Duck(loop)
    task = start(waits(duck))
    assert task._fut_waiter is duck
    ((callback, context),) = duck.callbacks
    assert context is task.get_context()
    loop.call_soon(callback, duck, context=context)
    assert await task == "from the duck"


async def test_other_tasks_of_both_kinds(start):
    assert await start(waits(start(suspends(1)))) == 1
    assert await start(waits(asyncio.create_task(suspends(2)))) == 2
    assert await asyncio.create_task(waits(start(suspends(3)))) == 3


async def test_exception_of_the_waiter_arrives_in_the_coroutine(start):
    loop = asyncio.get_running_loop()
    error = LookupError("from the future")
    for future in (loop.create_future(), FutureSubclass(loop=loop)):
        task = start(waits(future))
        future.set_exception(error)
        with pytest.raises(LookupError) as caught:
            await task
        assert caught.value is error


async def test_long_chain_of_bare_yields(start):
    async def work():
        for _ in range(1000):
            await asyncio.sleep(0)
        return "done"

    assert await start(work()) == "done"


# -- wrong things to wait for ------------------------------------------------


@types.coroutine
def yields(value):
    return (yield value)


async def awaits_yield(value):
    try:
        await yields(value)
    except RuntimeError as error:
        return str(error)


async def test_bad_yield(start):
    for value in (5, "text", object(), False):
        message = await start(awaits_yield(value))
        assert message == f"Task got bad yield: {value!r}"


async def test_yield_of_a_generator(start):
    generator = (n for n in ())
    message = await start(awaits_yield(generator))
    assert message.startswith("yield was used instead of yield from for generator in ")
    assert repr(generator) in message


async def test_yield_of_a_future_without_await(start):
    future = asyncio.get_running_loop().create_future()
    message = await start(awaits_yield(future))
    assert message.startswith("yield was used instead of yield from in task <Task ")
    assert "<Future pending" in message


async def test_future_of_another_loop(start):
    other = asyncio.new_event_loop()
    try:
        future = other.create_future()
        with pytest.raises(RuntimeError, match="attached to a different loop"):
            await start(waits(future))
        assert not future._callbacks
    finally:
        other.close()


@pytest.mark.parametrize("steps_before", [0, 1])
async def test_await_on_itself(start, steps_before):
    async def work():
        for _ in range(steps_before):
            await asyncio.sleep(0)
        await asyncio.current_task()

    task = start(work())
    await asyncio.wait([task])
    with pytest.raises(RuntimeError, match="Task cannot await on itself: <Task"):
        task.result()


async def test_a_wrong_yield_can_be_survived(start):
    async def work():
        for value in (1, 2, 3):
            try:
                await yields(value)
            except RuntimeError:
                await asyncio.sleep(0)
        return "survived"

    assert await start(work()) == "survived"


# -- exits in later steps ----------------------------------------------------


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_exit_in_a_later_step_ends_the_loop_and_is_kept(runner, start, error):
    tasks = []
    loop = runner.get_loop()

    async def exits():
        await asyncio.sleep(0)
        raise error("now")

    loop.call_soon(lambda: tasks.append(start(exits())))
    with pytest.raises(error, match="now"):
        loop.run_forever()
    assert isinstance(tasks[0].exception(), error)
    loop.call_soon(loop.stop)
    loop.run_forever()

    async def current():
        return asyncio.current_task()

    assert runner.run(current()) is not tasks[0]


async def test_step_of_a_done_task_is_an_error(start, reports):
    # Only a future that calls its callbacks twice gets there.
    loop = asyncio.get_running_loop()
    duck = Duck(loop)
    task = start(waits(duck))
    ((callback, context),) = duck.callbacks
    for _ in range(2):
        loop.call_soon(callback, duck, context=context)
    assert await task == "from the duck"
    error = reports.pop()["exception"]
    assert isinstance(error, asyncio.InvalidStateError)
    assert "already done: <Task finished" in str(error)


async def test_wakeup_inside_another_task_is_an_error(start):
    loop = asyncio.get_running_loop()
    outer = asyncio.current_task()
    duck = Duck(loop)
    task = start(waits(duck))
    ((callback, context),) = duck.callbacks
    with pytest.raises(RuntimeError, match="while another task .* being executed"):
        callback(duck)
    assert asyncio.current_task() is outer
    loop.call_soon(callback, duck, context=context)
    assert await task == "from the duck"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there is no backport")
def test_type_of_the_backport_makes_no_tasks(runner, start):
    async def main():
        return type(start(returns()))

    with pytest.raises(TypeError, match="start_eagerly"):
        runner.run(main())()

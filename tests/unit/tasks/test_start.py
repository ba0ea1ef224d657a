"""The first step: when, where and as whom it runs."""

import asyncio
import contextvars
import sys

import pytest

from fastserve.protocols.tasks import start_eagerly

var = contextvars.ContextVar("var", default="outside")


async def returns(value=None):
    return value


async def test_first_step_runs_before_start_returns(start):
    steps = []

    async def work():
        steps.append(1)
        await asyncio.sleep(0)
        steps.append(2)

    task = start(work())
    assert steps == [1]
    assert not task.done()
    await task
    assert steps == [1, 2]


async def test_coroutine_that_never_suspends_is_done_at_once(start):
    task = start(returns("answer"))
    assert task.done()
    assert not task.cancelled()
    assert task.result() == "answer"
    assert task.exception() is None
    assert task not in asyncio.all_tasks()


async def test_exception_in_first_step_is_kept_not_raised(start):
    async def fails():
        raise ValueError("no")

    task = start(fails())
    assert task.done()
    assert isinstance(task.exception(), ValueError)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
async def test_exit_in_first_step_is_raised_and_all_put_back(start, reports, error):
    made = []

    async def exits():
        made.append(asyncio.current_task())
        var.set("inside")
        raise error("now")

    outer = asyncio.current_task()
    with pytest.raises(error, match="now"):
        start(exits())
    assert asyncio.current_task() is outer
    assert var.get() == "outside"
    assert isinstance(made.pop().exception(), error)


async def test_suspended_task_is_in_all_tasks_until_done(start):
    future = asyncio.get_running_loop().create_future()
    task = start(asyncio.wait_for(future, 5))
    assert task in asyncio.all_tasks()
    future.set_result(None)
    await task
    assert task not in asyncio.all_tasks()


async def test_first_step_may_return_a_task_as_its_own_result(start):
    task = start(returns(asyncio.current_task()))
    assert task.result() is asyncio.current_task()


# -- the current task --------------------------------------------------------


async def test_current_task_is_the_new_one_then_the_old_one(start):
    seen = []

    async def work():
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    outer = asyncio.current_task()
    task = start(work())
    assert asyncio.current_task() is outer
    await task
    assert asyncio.current_task() is outer
    assert seen == [task, task]


async def test_nested_starts_put_each_previous_task_back(start):
    seen = {}

    async def work(depth):
        me = asyncio.current_task()
        if depth:
            inner = start(work(depth - 1))
            assert asyncio.current_task() is me
            await asyncio.sleep(0)
            await inner
        assert asyncio.current_task() is me
        seen[depth] = me

    outer = asyncio.current_task()
    await start(work(5))
    assert asyncio.current_task() is outer
    assert len(set(seen.values()) | {outer}) == 7


async def test_no_current_task_around_a_start_from_a_callback(start):
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    async def work():
        return asyncio.current_task()

    def callback():
        before = asyncio.current_task()
        task = start(work())
        done.set_result((before, task, asyncio.current_task()))

    loop.call_soon(callback)
    before, task, after = await done
    assert before is None
    assert after is None
    assert task.result() is task


async def test_current_task_put_back_after_an_error(start):
    async def fails():
        start(returns())
        raise ValueError

    outer = asyncio.current_task()
    task = start(fails())
    assert asyncio.current_task() is outer
    assert isinstance(task.exception(), ValueError)


async def test_tasks_of_the_loop_are_made_within_the_first_step(start):
    async def work():
        child = asyncio.create_task(returns("child"))
        assert not child.done()
        return await child

    assert await start(work()) == "child"


# -- the context -------------------------------------------------------------


async def test_context_is_a_copy_unless_given(start):
    seen = []

    async def work():
        seen.append(var.get())
        var.set("inside")
        await asyncio.sleep(0)
        seen.append(var.get())

    token = var.set("caller's")
    task = start(work())
    assert var.get() == "caller's"
    await task
    assert var.get() == "caller's"
    assert seen == ["caller's", "inside"]
    var.reset(token)


async def test_every_step_runs_in_the_given_context(start):
    context = contextvars.Context()
    context.run(var.set, "given")
    future = asyncio.get_running_loop().create_future()
    seen = []

    async def work():
        seen.append(var.get())
        await asyncio.sleep(0)
        seen.append(var.get())
        await future
        seen.append(var.get())
        var.set("changed")

    task = start(work(), context)
    assert task.get_context() is context
    future.set_result(None)
    await task
    assert seen == ["given"] * 3
    assert context[var] == "changed"
    assert var.get() == "outside"


async def test_tasks_from_one_base_do_not_see_each_other(start):
    base = contextvars.copy_context()

    async def work(number):
        seen = [var.get()]
        var.set(number)
        for _ in range(3):
            await asyncio.sleep(0)
            seen.append(var.get())
        return seen

    tasks = [start(work(n), base.copy()) for n in range(20)]
    for number, task in enumerate(tasks):
        assert await task == ["outside", number, number, number]


async def test_token_of_the_first_step_is_good_in_later_ones(start):
    async def work():
        token = var.set("mine")
        await asyncio.sleep(0)
        var.reset(token)
        return var.get()

    assert await start(work()) == "outside"


async def test_children_inherit_the_context(start):
    async def child():
        return var.get()

    async def work():
        var.set("parent's")
        return await asyncio.gather(child(), asyncio.to_thread(var.get))

    assert await start(work()) == ["parent's", "parent's"]


@pytest.mark.skipif(
    sys.version_info >= (3, 12),
    reason="the interpreter's own task leaves current_task() wrong in this case",
)
async def test_entered_context_is_refused_and_nothing_changes(start):
    outer = asyncio.current_task()
    context = contextvars.copy_context()
    coro = returns()
    with pytest.raises(RuntimeError, match="already entered"):
        context.run(start, coro, context)
    assert asyncio.current_task() is outer
    coro.close()


# -- what is taken for a coroutine -------------------------------------------


class Steps:
    """A coroutine by hand: yields what it is given, returns "end"."""

    def __init__(self, *yields):
        self.yields = iter(yields)
        self.got = []

    def __await__(self):
        return self

    def send(self, value):
        self.got.append(value)
        try:
            return next(self.yields)
        except StopIteration:
            raise StopIteration("end") from None

    def throw(self, error):
        self.got.append(error)
        if isinstance(error, asyncio.CancelledError):
            raise StopIteration("caught")
        raise error

    def close(self):
        raise AssertionError("a task never closes its coroutine")


class IteratorSteps(Steps):
    def __iter__(self):
        return self

    def __next__(self):
        return self.send("next")


@pytest.mark.parametrize("kind", [Steps, IteratorSteps])
async def test_any_object_with_a_coroutines_methods(start, kind):
    task = start(kind())
    assert task.result() == "end"
    coro = kind(None, None)
    task = start(coro)
    assert task.get_coro() is coro
    assert len(coro.got) == 1
    assert await task == "end"
    assert len(coro.got) == 3


async def test_return_out_of_throw(start):
    coro = Steps(None, None)
    task = start(coro)
    task.cancel()
    assert await task == "caught"
    assert not task.cancelled()
    assert isinstance(coro.got[-1], asyncio.CancelledError)


@pytest.mark.parametrize("value", [None, 3, returns, object(), [1]])
async def test_other_objects_are_refused(start, value):
    outer = asyncio.current_task()
    with pytest.raises(TypeError, match="a coroutine was expected, got"):
        start(value)
    assert asyncio.current_task() is outer


def test_start_takes_its_three_arguments_only():
    with pytest.raises(TypeError):
        start_eagerly(None, None)

"""The same random program under loop.create_task and under start_eagerly.

A program is a coroutine's script (what it awaits, catches, cancels, raises) and its
driver's (what is done to the task and its futures between the turns of the loop).
After every act the task's visible state is written down: both traces must be equal.
The only difference allowed is the turn before the first step.
"""

import asyncio
import random
import types

import pytest

FUTURES = 3
PROGRAMS = 400


@types.coroutine
def yields(value):
    return (yield value)


def snapshot(task):
    waiter = task._fut_waiter
    return (
        task._state,
        task.done(),
        task.cancelled(),
        task.cancelling(),
        task._must_cancel,
        task._cancel_message,
        task._log_traceback,
        None if waiter is None else waiter._state,
        len(task._callbacks or ()),
        # On Python 3.11 a task is not there in its first step; see test_start.py.
        asyncio.current_task() is task or task in asyncio.all_tasks(),
    )


def brief(error):
    # Messages of asyncio's own name the task, and no two have one name.
    if error is None:
        return None
    text = str(error).partition("<")[0]
    return type(error).__name__, text, type(error.__context__).__name__


# -- the scripts -------------------------------------------------------------

AWAITS = ("sleep", "future", "shield", "child", "gather", "timeout", "wait")
ACTS = ("cancel", "uncancel", "callback", "bad yield", "catch", "swallow", "finally")
ENDS = ("return", "raise", "raise cancelled", "cancel and return", "await itself")
DRIVES = ("turn", "cancel", "uncancel", "set", "fail", "drop", "add", "remove", "await")


def draw_coroutine(rng, depth=0):
    script = []
    for _ in range(rng.randint(0, 4)):
        name = rng.choice(AWAITS * 2 + ACTS)
        nested = name in ("catch", "swallow", "finally", "timeout", "child")
        if nested and depth == 2:
            continue
        inner = draw_coroutine(rng, depth + 1) if nested else None
        script.append((name, rng.randrange(FUTURES), inner))
    if depth == 0 or rng.random() < 0.2:
        script.append((rng.choice(ENDS), rng.randrange(FUTURES), None))
    return script


def draw_driver(rng):
    names = rng.choices(DRIVES, k=rng.randint(0, 12))
    return [(name, rng.randrange(FUTURES)) for name in names]


# -- running them ------------------------------------------------------------


class Program:
    """One run of the two scripts, and what was seen in it."""

    def __init__(self, coroutine, driver):
        self.coroutine = coroutine
        self.driver = driver
        self.trace = []
        loop = asyncio.get_running_loop()
        self.futures = [loop.create_future() for _ in range(FUTURES)]
        self.others = []

    async def body(self, script):
        for step, (name, number, inner) in enumerate(script):
            self.trace.append((step, name, snapshot(asyncio.current_task())))
            try:
                got = await self.act(name, number, inner)
            except BaseException as error:
                self.trace.append((step, name, "raised", brief(error)))
                raise
            self.trace.append((step, name, "got", repr(got)))
            if name in ENDS:
                return number
        return "end"

    async def act(self, name, number, inner):
        task = asyncio.current_task()
        match name:
            case "sleep":
                await asyncio.sleep(0)
            case "future":
                return await self.futures[number]
            case "shield":
                return await asyncio.shield(self.futures[number])
            case "child":
                return await self.other(asyncio.create_task(self.body(inner)))
            case "gather":
                return await asyncio.gather(self.futures[number], asyncio.sleep(0))
            case "wait":
                await asyncio.wait([self.futures[number]])
            case "timeout":
                async with asyncio.timeout(0):
                    return await self.body(inner)
            case "cancel":
                return task.cancel(f"self {number}")
            case "uncancel":
                return task.uncancel()
            case "callback":
                task.add_done_callback(self.callback)
            case "bad yield":
                await yields(number)
            case "catch":
                try:
                    return await self.body(inner)
                except (Exception, asyncio.CancelledError) as error:
                    return brief(error)
            case "swallow":
                try:
                    return await self.body(inner)
                except asyncio.CancelledError:
                    return task.uncancel()
            case "finally":
                try:
                    return await self.body(inner)
                finally:
                    await asyncio.sleep(0)
            case "raise":
                raise LookupError(number)
            case "raise cancelled":
                raise asyncio.CancelledError(number)
            case "cancel and return":
                task.cancel("late")
            case "await itself":
                await task

    def other(self, task):
        self.others.append(task)
        return task

    def callback(self, task):
        self.trace.append(("callback", snapshot(task)))

    async def drive(self, task, name, number):
        future = self.futures[number]
        match name:
            case "turn":
                await asyncio.sleep(0)
            case "cancel":
                return task.cancel(f"driver {number}" if number else None)
            case "uncancel":
                return task.uncancel()
            case "set" if not future.done():
                future.set_result(number)
            case "fail" if not future.done():
                future.set_exception(KeyError(number))
                future.exception()
            case "drop":
                return future.cancel(f"future {number}")
            case "add":
                task.add_done_callback(self.callback)
            case "remove":
                return task.remove_done_callback(self.callback)
            case "await" if not task._asyncio_future_blocking:
                async def waits():
                    try:
                        self.trace.append(("awaited", await task))
                    except BaseException as error:
                        self.trace.append(("awaited", brief(error)))
                        raise

                self.other(asyncio.create_task(waits()))

    async def run(self, make):
        task = await make(self.body(self.coroutine))
        self.trace.append(("made", snapshot(task)))
        for name, number in self.driver:
            got = await self.drive(task, name, number)
            self.trace.append((name, got, snapshot(task)))
        for number in range(100):
            if task.done() and all(other.done() for other in self.others):
                break
            for each in (*self.futures, *self.others, task)[number % 4:]:
                each.cancel()
            await asyncio.sleep(0)
            self.trace.append(("ending", snapshot(task)))
        assert task.done()
        await asyncio.gather(*self.others, return_exceptions=True)
        for _ in range(2):
            for ask in (task.result, lambda: brief(task.exception())):
                try:
                    self.trace.append(("outcome", ask()))
                except (Exception, asyncio.CancelledError) as error:
                    self.trace.append(("outcome", brief(error)))
        self.trace.append(("ended", snapshot(task)))
        return self.trace


@pytest.mark.parametrize("block", range(4))
async def test_traces_are_equal(start, runner, reports, block):
    async def lazily(coro):
        task = asyncio.create_task(coro)
        await asyncio.sleep(0)
        return task

    async def eagerly(coro):
        return start(coro)

    step = 4 if runner.get_loop().get_debug() else 1
    for seed in range(block * PROGRAMS // 4, (block + 1) * PROGRAMS // 4, step):
        rng = random.Random(seed)
        scripts = draw_coroutine(rng), draw_driver(rng)
        expected = await Program(*scripts).run(lazily)
        await asyncio.sleep(0)
        told, reports[:] = [context["message"] for context in reports], []
        got = await Program(*scripts).run(eagerly)
        await asyncio.sleep(0)
        assert got == expected, f"seed {seed}: {scripts}"
        assert [context["message"] for context in reports] == told, f"seed {seed}"
        reports.clear()

"""Runs the coroutine tests of this folder on each loop, debug mode on and off.

A test fails if the loop's exception handler was called and the test did not take
what it was told: `reports` holds the contexts, and must be empty in the end.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fastserve.protocols.tasks import start_eagerly

try:
    import uvloop
except ImportError:  # an interpreter or platform that has none
    LOOPS = {"asyncio": asyncio.new_event_loop}
else:
    LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

TIME_LIMIT = 20.0
Reports = list[dict[str, Any]]


@pytest.fixture(params=[(name, debug) for name in LOOPS for debug in (False, True)],
                ids=lambda p: p[0] + "-debug" * p[1])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    name, debug = request.param
    with asyncio.Runner(debug=debug, loop_factory=LOOPS[name]) as runner:
        yield runner


@pytest.fixture
def reports(runner: asyncio.Runner) -> Iterator[Reports]:
    """What the loop's exception handler was called with, in order."""
    contexts: Reports = []
    runner.get_loop().set_exception_handler(lambda loop, c: contexts.append(c))
    yield contexts
    assert [context["message"] for context in contexts] == []


@pytest.fixture
def start(runner: asyncio.Runner, reports: Reports) -> Callable[..., Any]:
    """start_eagerly on the test's loop, in a copy of the current context."""

    def start(coro: Any, context: Any = None) -> asyncio.Task[Any]:
        return start_eagerly(runner.get_loop(), coro, context)

    return start


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if inspect.iscoroutinefunction(metafunc.function):
        for fixture in ("runner", "reports"):
            if fixture not in metafunc.fixturenames:
                metafunc.fixturenames.append(fixture)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def limited() -> None:
        async with asyncio.timeout(TIME_LIMIT):
            await pyfuncitem.obj(**arguments)

    pyfuncitem.funcargs["runner"].run(limited())
    return True

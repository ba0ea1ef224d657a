"""No connection starves the others, and the loop's own ways of making tasks hold."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable

import pytest
from harness.apps import Recorder, respond
from harness.client import REQUEST, request
from harness.fixtures import Site
from harness.server import TIMEOUT, eventually


def test_a_request_that_never_suspends_does_not_starve_others(site: Site) -> None:
    """Three hundred pipelined requests; another client's, which comes in the first of
    them, is served after one or two turns of the loop, of 32 requests each."""
    begun, sent = threading.Event(), threading.Event()

    async def app(scope, receive, send):
        if scope["path"] == "/busy" and not begun.is_set():
            begun.set()
            sent.wait(TIMEOUT)
        await respond(send)

    site.app = recorder = Recorder(app)
    busy, other = site.connect(), site.connect()
    other.exchange(REQUEST)
    busy.send(request(target="/busy") * 300)
    assert begun.wait(TIMEOUT)
    other.send(REQUEST)
    sent.set()
    assert other.answer().status == 200
    assert recorder.paths.index("/", 1) < 100
    for _ in range(300):
        busy.answer()


def test_timers_run_between_requests_that_never_suspend(site: Site) -> None:
    """At most 32 requests in one callback, then the loop goes round."""
    ran = []

    async def app(scope, receive, send):
        if not ran:
            asyncio.get_running_loop().call_soon(lambda: ran.append(recorder.started))
            ran.append(0)
        await respond(send)

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(REQUEST * 500)
    for _ in range(500):
        client.answer()
    assert len(ran) == 2 and 1 <= ran[1] <= 32


def test_requests_of_many_connections_are_served_at_once(site: Site) -> None:
    """They wait together, not one after another."""
    waiting = 0

    async def app(scope, receive, send):
        nonlocal waiting
        waiting += 1
        while waiting < 50:
            await asyncio.sleep(0.001)
        await respond(send)

    site.app = app
    clients = [site.connect() for _ in range(50)]
    for client in clients:
        client.send(REQUEST)
    assert [client.answer().status for client in clients] == [200] * 50


class CountingTask(asyncio.Task):
    """What a tool that instruments tasks would make."""


@pytest.mark.parametrize("pipelined", [False, True])
def test_a_task_factory_makes_the_request_s_tasks(
    start_server: Callable[..., Site], pipelined: bool
) -> None:
    made = []

    def factory(loop, coro, **options):
        task = CountingTask(coro, loop=loop, **options)
        made.append(task)
        return task

    def setup() -> None:
        asyncio.get_running_loop().set_task_factory(factory)

    current = []

    async def app(scope, receive, send):
        current.append(asyncio.current_task())
        await asyncio.sleep(0)
        assert asyncio.current_task() is current[-1]
        await respond(send)

    site = start_server(app, setup=setup)
    client = site.connect()
    if pipelined:
        client.send(REQUEST * 5)
        for _ in range(5):
            client.answer()
    else:
        for _ in range(5):
            client.exchange(REQUEST)
    assert len(current) == 5
    assert all(type(task) is CountingTask and task in made for task in current)
    eventually(lambda: all(task.done() for task in current))
    assert [task.exception() for task in current] == [None] * 5


def test_faults_under_a_task_factory(start_server: Callable[..., Site]) -> None:
    def factory(loop, coro, **options):
        return CountingTask(coro, loop=loop, **options)

    def setup() -> None:
        asyncio.get_running_loop().set_task_factory(factory)

    async def app(scope, receive, send):
        raise SystemExit(3)

    site = start_server(app, setup=setup)
    for _ in range(2):
        client = site.connect()
        client.send(REQUEST)
        assert client.last_answer().status == 500
    assert len(site.errors) == 2


if sys.version_info >= (3, 12):

    def test_a_factory_of_eager_tasks(start_server: Callable[..., Site]) -> None:
        def factory(loop, coro, *, name=None, context=None, **options):
            options = {"name": name, "context": context, "eager_start": True}
            return asyncio.Task(coro, loop=loop, **options)

        def setup() -> None:
            asyncio.get_running_loop().set_task_factory(factory)

        async def app(scope, receive, send):
            values = await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))
            await respond(send, b"%d" % sum(values))

        site = start_server(app, setup=setup)
        client = site.connect()
        client.send(REQUEST * 3)
        assert [client.answer().body for _ in range(3)] == [b"3"] * 3

"""Whole requests through a Connection that writes to a transport of our own.

Everything runs that runs behind a socket: parser, scope, task, application, writer.
The applications answer at once and never suspend.
"""

import asyncio
import contextlib
import contextvars
import logging
import sys
import time

import pytest

from fastserve.config import Config
from fastserve.logging import ACCESS_FORMAT, ACCESS_MESSAGE, AccessFormatter
from fastserve.protocols.connection import Connection
from fastserve.protocols.shared import Shared
from fastserve.protocols.tasks import start_eagerly
from fastserve.server import ServerState

BODY = b"Hello, World!"
HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"13")]


async def answer(scope, receive, send):
    """13 bytes; nothing is read."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


class StopWatch:
    """A timer for pytest-benchmark that may be stopped inside what it times."""

    def __init__(self):
        self.stopped = None

    def stop(self):
        """Let the next reading be that of now."""
        self.stopped = time.perf_counter()

    def __call__(self):
        stopped, self.stopped = self.stopped, None
        return time.perf_counter() if stopped is None else stopped


WATCH = StopWatch()


async def stop_and_answer(scope, receive, send):
    """Stops WATCH in its first line."""
    WATCH.stop()
    await answer(scope, receive, send)


class Transport:
    """Keeps what was written last; nothing else that it is told has an effect."""

    extra = {"peername": ("127.0.0.1", 50000), "sockname": ("127.0.0.1", 8000)}

    def __init__(self):
        self.written = b""

    def get_extra_info(self, name, default=None):
        return self.extra.get(name, default)

    def write(self, data):
        self.written = data

    def writelines(self, parts):
        self.written = b"".join(parts)

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


@pytest.fixture
def make_shared(loop):
    """A function that makes what the connections of one application share."""
    made = []

    def make(app):
        config = Config(app, lifespan="off", log_config=None, access_log=False)
        config.load()
        context = contextvars.copy_context()
        made.append(Shared(config, ServerState(), {}, loop, context))
        return made[-1]

    yield make
    for shared in made:
        shared.close()


def connect(shared):
    """A new connection and its transport."""
    connection = Connection(shared)
    transport = Transport()
    connection.connection_made(transport)
    return connection, transport


def assert_answers(transport, count=1):
    """The last write was so many whole answers."""
    assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == count
    assert transport.written.count(b"\r\n\r\n" + BODY) == count


def test_request(benchmark, requests, make_shared, in_callback):
    shared = make_shared(answer)

    def run():
        connection, transport = connect(shared)

        def request():
            connection.data_received(requests.next())

        request()
        assert_answers(transport)
        transport.written = b""
        benchmark(request)
        assert_answers(transport)
        connection.connection_lost(None)

    in_callback(run)


def test_16_pipelined(benchmark, make_shared, in_callback):
    shared = make_shared(answer)
    data = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n" * 16

    def run():
        connection, transport = connect(shared)
        connection.data_received(data)
        assert_answers(transport, 16)
        benchmark(connection.data_received, data)
        assert_answers(transport, 16)
        connection.connection_lost(None)

    in_callback(run)


@pytest.mark.benchmark(timer=WATCH)
def test_scope(benchmark, requests, make_shared, in_callback):
    """From the bytes to the application's first line: parse, scope, start the task.

    This less test_parse is scope and task; test_request less this is the way back.
    """
    shared = make_shared(stop_and_answer)

    def run():
        connection, transport = connect(shared)

        def request():
            connection.data_received(requests.next())

        benchmark.pedantic(request, rounds=50_000, warmup_rounds=1000)
        assert_answers(transport)
        connection.connection_lost(None)

    in_callback(run)


# --- the task that an application runs in -------------------------------------------


async def at_once():
    """Never suspends, as most applications' first step."""


def start_by_loop(loop, context):
    """What a server without eager tasks does; the loop runs it in its next turn."""
    return loop.create_task(at_once(), context=context)


def start_by_interpreter(loop, context):
    """The interpreter's own eager task."""
    return context.run(asyncio.Task, at_once(), loop=loop, eager_start=True)


def start_by_fastserve(loop, context):
    """As an exchange starts it: the backport on 3.11, else the interpreter's."""
    return start_eagerly(loop, at_once(), context)


STARTS = {"fastserve": start_by_fastserve, "create_task": start_by_loop}
if sys.version_info >= (3, 12):
    STARTS["interpreter"] = start_by_interpreter


@pytest.mark.parametrize("name", STARTS)
def test_task(benchmark, loop, name):
    """A hundred tasks from start to end; the loop's turns are part of create_task's."""
    start = STARTS[name]

    async def run():
        for _ in range(100):
            task = start(loop, contextvars.copy_context())
            if not task.done():
                await asyncio.sleep(0)
            assert task.done()

    benchmark.group = "100 tasks"
    benchmark(lambda: loop.run_until_complete(run()))


# --- the access log -----------------------------------------------------------------


class Nowhere:
    """A stream that only counts what is written."""

    def __init__(self):
        self.size = 0

    def write(self, text):
        self.size += len(text)

    def flush(self):
        pass


@contextlib.contextmanager
def access_logger(logged=True):
    """The logger as the server sets it up, and the stream that it writes to.

    Not a fixture: pytest adds handlers of its own when a test begins.
    """
    logger = logging.getLogger("uvicorn.access")
    before = logger.handlers, logger.level, logger.propagate
    handler = logging.StreamHandler(Nowhere())
    handler.setFormatter(AccessFormatter(ACCESS_FORMAT))
    logger.handlers, logger.propagate = [handler] if logged else [], False
    logger.setLevel(logging.INFO)
    yield logger, handler.stream
    logger.handlers, logger.level, logger.propagate = before


@pytest.mark.parametrize("logged", [False, True], ids=["no-line", "line"])
def test_access_line(benchmark, requests, make_shared, in_callback, logged):
    """A request with and without its line: the difference is what a line costs.

    All are of one turn of the loop, so lines are written a batch at a time.
    """
    shared = make_shared(answer)
    benchmark.group = f"access line, {requests.kind}"

    def run():
        connection, transport = connect(shared)

        def request():
            connection.data_received(requests.next())

        benchmark(request)
        assert_answers(transport)
        connection.connection_lost(None)

    with access_logger(logged) as (_, stream):
        in_callback(run)
    assert bool(stream.size) == logged


def test_access_line_by_logging(benchmark):
    """A line alone, as a record of the logging module."""
    arguments = ("127.0.0.1:50000", "GET", "/", "1.1", 200)
    benchmark.group = "access line, small"
    with access_logger() as (logger, _):
        benchmark(logger.info, ACCESS_MESSAGE, *arguments)

"""Whole requests through a Connection that writes to a transport of our own.

Everything runs that runs behind a socket: parser, scope, task, application, writer.
The applications answer at once and never suspend.
"""

import contextvars
import time

import pytest

from fastserve.config import Config
from fastserve.protocols.connection import Connection
from fastserve.protocols.shared import Shared
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

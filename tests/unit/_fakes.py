"""A transport and a loop without sockets and clocks, for Shared and Connection.

FakeTransport records what a connection asks of it. FakeLoop has a clock that only
`advance` moves, and no more of a loop than Shared, Connection and requests that wait
for nothing but their peer need.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import functools
import heapq
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from fastserve.config import Config
from fastserve.protocols.connection import Connection
from fastserve.protocols.shared import Shared
from fastserve.server import ServerState

App = Callable[[Any, Any, Any], Awaitable[Any]]

PEER = ("192.0.2.1", 50000)
HERE = ("127.0.0.1", 8000)


class FakeTransport:
    """What a connection asks of its transport, in order.

    `writes` has an entry for each call of write and writelines; `calls` the names of
    all others. `limit` is a high-water mark: over it the protocol is told to pause, and
    `drain` tells it to go on.
    """

    def __init__(self, limit: int | None = None, **extra: Any) -> None:
        self.writes: list[bytes] = []
        self.calls: list[str] = []
        self.extra = {"peername": PEER, "sockname": HERE, **extra}
        self.limit = limit
        self.buffered = 0
        self.protocol: Any = None

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)

    @property
    def reading(self) -> bool:
        asked = [name for name in self.calls if name.endswith("_reading")]
        return not asked or asked[-1] == "resume_reading"

    def write(self, data: bytes) -> None:
        assert type(data) is bytes and data
        self._wrote(data)

    def writelines(self, pieces: list[bytes]) -> None:
        assert all(type(piece) is bytes for piece in pieces)
        self._wrote(b"".join(pieces))

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def _wrote(self, data: bytes) -> None:
        assert not self.is_closing(), "written after close"
        assert "write_eof" not in self.calls, "written after EOF"
        self.writes.append(data)
        if self.limit is not None:
            self.buffered += len(data)
            if self.buffered > self.limit:
                self.protocol.pause_writing()

    def drain(self) -> None:
        self.buffered = 0
        self.protocol.resume_writing()

    def write_eof(self) -> None:
        self.calls.append("write_eof")

    def can_write_eof(self) -> bool:
        return "sslcontext" not in self.extra

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return "close" in self.calls or "abort" in self.calls

    def pause_reading(self) -> None:
        assert self.reading, "paused twice"
        self.calls.append("pause_reading")

    def resume_reading(self) -> None:
        assert not self.reading, "resumed twice"
        self.calls.append("resume_reading")

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.extra.get(name, default)


class FakeHandle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ResetTransport(FakeTransport):
    """The peer's RST has come, and asyncio's loop has not told yet."""

    def write_eof(self) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")


class FakeLoop:
    """Timers and callbacks in a time of its own."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.exceptions: list[dict[str, Any]] = []
        self.soon: list[Callable[[], Any]] = []
        self._timers: list[tuple[float, int, FakeHandle, Callable[[], Any]]] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self.now

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> FakeHandle:
        handle = FakeHandle()
        call = self._call(callback, args, context)
        heapq.heappush(self._timers, (when, next(self._order), handle, call))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any
    ) -> FakeHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> None:
        self.soon.append(self._call(callback, args, context))

    def _call(self, callback: Any, args: Any, context: Any) -> Callable[[], Any]:
        context = context or contextvars.copy_context()
        return functools.partial(context.run, callback, *args)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.exceptions.append(context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)  # type: ignore[arg-type]

    def get_task_factory(self) -> None:
        return None

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    @property
    def timers(self) -> int:
        """How many are set."""
        return sum(not handle.cancelled for _, _, handle, _ in self._timers)

    def advance(self, seconds: float) -> None:
        """Let this time pass; each timer runs when it is due."""
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            # A timer never runs at the very moment: a clock does not stand still.
            self.now = max(self.now, self._timers[0][0]) + 1e-6
            self.turn()
        self.now = max(self.now, end)

    def hold_up(self, seconds: float) -> None:
        """Let this time pass in one callback: no timer runs until the next turn."""
        self.now += seconds

    def turn(self) -> None:
        """One turn of the loop: what is due, then what was called soon."""
        self._run_due()
        callbacks, self.soon = self.soon, []
        for callback in callbacks:
            callback()

    def _run_due(self) -> None:
        due = []
        while self._timers and self._timers[0][0] <= self.now:
            due.append(heapq.heappop(self._timers))
        for _, _, handle, call in due:
            if not handle.cancelled:
                call()


async def unused(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("no request was expected")


def make_shared(
    app: App = unused,
    loop: Any = None,
    *,
    state: dict[str, Any] | None = None,
    context: contextvars.Context | None = None,
    **settings: Any,
) -> Shared:
    """What Server makes, for this app; without Date and Server header by default."""
    settings = {"date_header": False, "server_header": False, **settings}
    config = Config(app, interface="asgi3", log_config=None, **settings)
    config.load()
    return Shared(
        config,
        ServerState(),
        {} if state is None else state,
        loop or asyncio.get_running_loop(),
        context or contextvars.copy_context(),
    )


class Wire:
    """A connection on a FakeTransport; `data` is what the peer sends."""

    def __init__(self, shared: Shared, transport: FakeTransport | None = None) -> None:
        self.shared = shared
        self.transport = transport or FakeTransport()
        self.connection = Connection(shared)
        self.transport.protocol = self.connection
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]

    def data(self, *reads: bytes) -> None:
        for data in reads:
            self.connection.data_received(data)

    def lost(self, error: Exception | None = None) -> None:
        self.connection.connection_lost(error)

    @property
    def written(self) -> bytes:
        return self.transport.written

    @property
    def calls(self) -> list[str]:
        return self.transport.calls


def on_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs a coroutine test on a loop of its own; what that reports fails the test."""

    @functools.wraps(test)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        reported: list[dict[str, Any]] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: reported.append(context))
            await asyncio.wait_for(test(*args, **kwargs), 60)

        asyncio.run(main())
        assert reported == []

    return wrapper


async def turns(number: int = 5) -> None:
    """Let the loop go round."""
    for _ in range(number):
        await asyncio.sleep(0)


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the path, and never suspends."""
    text = scope["path"].encode()
    await send(start(200, (b"content-length", b"%d" % len(text))))
    await send(body(text))


def hangs(loop: Any) -> App:
    """An application that neither reads nor answers."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await loop.create_future()

    return app


def answer(text: bytes, *lines: bytes) -> bytes:
    """The bytes of hello's answer."""
    head = [b"HTTP/1.1 200 OK", b"content-length: %d" % len(text), *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + text


def get(path: bytes = b"/", *fields: bytes, version: bytes = b"1.1") -> bytes:
    lines = [b"GET %s HTTP/%s" % (path, version), b"Host: a", *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(data: bytes, *fields: bytes, length: int | None = None) -> bytes:
    size = len(data) if length is None else length
    lines = [b"POST / HTTP/1.1", b"Host: a", b"Content-Length: %d" % size, *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + data


class Held:
    """An application whose requests wait until they are let go, by their path."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        self.log.append(f"start {path}")
        await self.gate(path).wait()
        await hello(scope, receive, send)
        self.log.append(f"end {path}")

    def gate(self, path: str) -> asyncio.Event:
        return self.gates.setdefault(path, asyncio.Event())

    async def let_go(self, path: str) -> None:
        self.gate(path).set()
        await turns()


class Seen:
    """An application that answers, and keeps the scopes."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await hello(scope, receive, send)

"""One connection in a loop and on a transport that an input of a fuzzer drives.

The transport gives what the peer has sent only while it is asked to read, and calls
connection_lost when it is closed, as the loops' own do. Nothing here judges.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
from collections.abc import Callable
from typing import Any

from _fakes import FakeLoop, FakeTransport
from _input import Input

from fastserve.config import Config
from fastserve.protocols.connection import Connection
from fastserve.protocols.shared import Shared
from fastserve.server import ServerState


class Faults(logging.Handler):
    """What the log tells of the server's own faults; all else is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "A connection failed.":
            self.records.append(record)


FAULTS = Faults()
LOGGER = logging.getLogger("uvicorn.error")


class Loop(FakeLoop):
    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)  # type: ignore[arg-type]

    def call_later(self, delay: float, *call: Any, context: Any = None) -> Any:
        return self.call_at(self.time() + delay, *call, context=context)


class Transport(FakeTransport):
    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


async def of_its_world(scope: Any, receive: Any, send: Any) -> None:
    await scope["state"]["world"].app(scope, receive, send)


@functools.cache
def config(**settings: Any) -> Config:
    made = Config(
        of_its_world,
        interface="asgi3",
        log_config=None,
        date_header=False,
        server_header=False,
        timeout_request_header=0,  # the models know nothing of 408
        timeout_request_body=0,
        timeout_write=0,
        **settings,
    )
    made.load()
    return made


def nothing_to_see(world: World) -> None:
    pass


class World:
    """A connection, its peer, and an application whose requests may wait at gates.

    `look` is called between any two things that happen; `settings` are Config's.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        limit: int | None,
        look: Callable[[World], None] = nothing_to_see,
        **settings: Any,
    ) -> None:
        FAULTS.records.clear()
        LOGGER.handlers, LOGGER.propagate = [FAULTS], False
        self.app = functools.partial(app, self)
        self.loop = Loop()
        self.gates: list[asyncio.Future[Any]] = []
        self.shared = Shared(
            config(**settings),
            ServerState(),
            {"world": self},
            self.loop,  # type: ignore[arg-type]
            contextvars.Context(),
        )
        self.transport = Transport(limit)
        self.transport.protocol = Connection(self.shared)
        self.transport.protocol.connection_made(self.transport)
        self._look = look
        self._inbox = b""
        self.given = bytearray()  # what the connection has read
        self.last_read = 0  # bytes
        self._eof = False
        self._eof_told = False
        self.lost = False
        self.interrupts: set[int] = set()

    @property
    def interrupted(self) -> bool:
        return bool(self.interrupts)

    async def gate(self) -> None:
        """Waits until the input lets it go on, by open()."""
        gate = self.loop.create_future()
        self.gates.append(gate)
        await gate

    # -- what happens ------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        self._inbox += data
        self.pump()

    def pump(self) -> None:
        """Give what was sent, if it is wanted, and then tell of the end."""
        if self.lost:
            return
        if self.transport.is_closing():
            self.lose(None)
        elif self.transport.reading:
            data, self._inbox = self._inbox, b""
            if data:
                self.given += data
                self.last_read = len(data)
                self.transport.protocol.data_received(data)
            elif self._eof and not self._eof_told:
                self._eof_told = True
                if not self.transport.protocol.eof_received():
                    self.transport.close()

    def eof(self) -> None:
        self._eof = True
        self.pump()

    def lose(self, error: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            self.transport.calls.append("close")
            self.transport.protocol.connection_lost(error)

    def turn(self) -> None:
        self.loop.turn()
        self.pump()

    def open(self, number: int = 0) -> None:
        waiting = [gate for gate in self.gates if not gate.done()]
        if waiting:
            waiting[number % len(waiting)].set_result(None)

    def drain(self) -> None:
        if self.transport.limit is not None and self.transport.buffered:
            if self.transport.buffered > self.transport.limit and not self.lost:
                self.transport.drain()
            self.transport.buffered = 0

    def interrupt(self, kind: int) -> None:
        self.interrupts.add(kind)
        if kind == 0:
            self.eof()
        elif kind == 1:
            self.lose(None)
        elif kind == 2:
            self.lose(ConnectionResetError("reset"))
        elif kind == 3 and not self.lost:
            self.shared.stop(0)
            self.transport.protocol.shutdown()
        elif kind == 4 and not self.lost:
            self.shared.stop(1)
            self.transport.protocol.shutdown()
        else:
            for _ in range(8):
                self.loop.advance(0.25)
                self.pump()

    # -- a whole life ------------------------------------------------------------------

    def play(self, ops: bytes, stream: bytes) -> None:
        """Do what ops say; what they leave of the stream comes at the end."""
        given = Input(stream)
        for op in ops:
            kind, number = op & 7, op >> 3
            if kind < 4:
                self.feed(given.take(1 + number * number))
            elif kind == 4:
                self.turn()
            elif kind == 5:
                self.open(number)
            elif kind == 6:
                self.drain()
            else:
                self.interrupt(number % 6)
            self._look(self)
        self.feed(given.rest())
        self.settle()

    def settle(self) -> None:
        """Until nothing more happens by itself."""
        quiet = 0
        for _ in range(10_000):
            before = (len(self.transport.calls), len(self.transport.writes))
            self.open()
            self.drain()
            self.turn()
            after = (len(self.transport.calls), len(self.transport.writes))
            busy = before != after or self.loop.soon or not all(
                gate.done() for gate in self.gates
            )
            quiet = 0 if busy else quiet + 1
            if quiet == 3:
                break
        else:
            raise AssertionError("it never comes to rest")
        if not self.lost:
            assert not self._inbox, "input is never read"

    def end(self) -> None:
        """The peer ends, and time passes: then nothing may be left."""
        self.eof()
        self.settle()
        for _ in range(800):
            self.loop.advance(0.25)
            self.pump()
        self.settle()
        assert self.lost, "the connection is never closed"
        assert not self.shared.connections, "it is still counted"
        assert not self.shared.tasks, "a task is left"
        assert self.loop.exceptions == []
        if FAULTS.records:
            raise AssertionError("a connection failed") from _error(FAULTS.records[0])


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None

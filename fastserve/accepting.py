"""Accepting connections by hand, where it has to stop now and then, and go on.

An event loop's own server accepts all there is: it is quick, and it is used while
there is room. A Listener takes its sockets over where there is --limit-connections, or
where file descriptors may run out: then new connections wait in the kernel, idle ones
are closed, and the next is accepted when another has gone.

Never: a spin on a socket that stays ready, a connection dropped for want of room.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastserve.server import ServerState

# A limit of a thousand million is common in containers, and programs that an
# application starts may close each descriptor that there could be.
_ENOUGH = 1 << 16
# With fewer descriptors than this, one turn of a loop's server could take them all.
_FEW = 8192
_RESERVE = 64  # descriptors that are left to the application
_BURST = 64  # connections in one callback, then others have a turn
_PAUSE = 0.02  # seconds until the next look for room
_PATIENCE = 0.5  # seconds for idle connections to go, before others are told to
_QUIET = 60.0  # seconds between two lines of the log about it

logger: logging.Logger = logging.getLogger("uvicorn.error")


def raise_descriptor_limit() -> None:
    """Allow this process, and its children, as many descriptors as it may have."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptor_limit() -> int:
    """How many descriptors this process may have; sys.maxsize: as many as it likes."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def are_running_out(server: asyncio.Server) -> bool:
    """Whether descriptors are few, or half of them taken already."""
    limit = descriptor_limit()
    return limit < _FEW or _next_descriptor(server.sockets[0].fileno()) > limit // 2


class Listener:
    """What asyncio.Server is to others: `sockets`, `close`, `wait_closed`.

    It takes over the sockets of `server`, which is closed. `factory` makes a
    connection's protocol, `limit` is --limit-connections, `count` tells how many
    connections there are.
    """

    def __init__(
        self,
        server: asyncio.Server,
        factory: Callable[[], Any],
        state: ServerState,
        count: Callable[[], int],
        limit: int | None,
        backlog: int,
    ) -> None:
        copies = [os.dup(each.fileno()) for each in server.sockets]
        server.close()
        self._listening = [socket.socket(fileno=number) for number in copies]
        self._factory = factory
        self._state = state
        self._count = count
        self._limit = sys.maxsize if limit is None else limit
        self._descriptors = descriptor_limit()
        self._last = self._descriptors - min(_RESERVE, self._descriptors // 8)
        self._few_left = True  # perhaps
        self._full = False
        self._told = self._asked = float("-inf")
        self._arriving: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[socket.socket, asyncio.TimerHandle] = {}
        for sock in self._listening:
            sock.setblocking(False)
            sock.listen(backlog)
            self._loop.add_reader(sock, self._accept, sock)

    @property
    def sockets(self) -> Sequence[socket.socket]:
        return tuple(self._listening)

    def is_serving(self) -> bool:
        return bool(self._listening)

    def close(self) -> None:
        """Stop listening; connections go on."""
        for timer in self._waiting.values():
            timer.cancel()
        for sock in self._listening:
            self._loop.remove_reader(sock)
            sock.close()
        self._listening.clear()

    async def wait_closed(self) -> None:
        """Connections are not waited for: the server counts them."""

    # --- accepting ------------------------------------------------------------------

    def _accept(self, sock: socket.socket) -> None:
        """Accept what waits, while there is room; called when something does."""
        for place in range(_BURST):
            lack = self._find_lack(sock)
            if lack:
                # After the first: let the loop say whether another one waits. One that
                # arrives may be counted twice, for a turn or two: it looks again.
                if place or (self._arriving and self._count() < self._limit):
                    return None
                return self._pause(sock, *lack)
            try:
                connection, _ = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                self._full = False  # none waits any more
                return None
            except OSError as exc:  # no descriptor, or no memory, is left after all
                return self._pause(sock, "descriptors", f"{exc}")
            self._full = False
            self._few_left = connection.fileno() >= self._last
            task = self._loop.create_task(self._take_in(connection))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)
        return None

    async def _take_in(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError as exc:  # it has gone already
            logger.debug("A connection was lost before it was open: %r", exc)
            connection.close()

    def _pause(self, sock: socket.socket, limit: str, lack: str) -> None:
        self._loop.remove_reader(sock)
        self._waiting[sock] = self._loop.call_later(_PAUSE, self._go_on, sock)
        now = time.monotonic()
        if not self._full:
            self._full = True
            self._state.limits_met[limit] += 1
        if now - self._told > _QUIET:
            self._told = now
            logger.warning("%s: new connections wait.", lack)
        if now - self._asked > _PATIENCE:
            self._asked = now
            self._hurry_idle()

    def _go_on(self, sock: socket.socket) -> None:
        del self._waiting[sock]
        self._loop.add_reader(sock, self._accept, sock)

    # --- room -----------------------------------------------------------------------

    def _find_lack(self, sock: socket.socket) -> tuple[str, str] | None:
        """What is exhausted, as limits_met names it and as a reader would."""
        if self._count() + len(self._arriving) >= self._limit:
            return "limit_connections", (
                f"There are {self._limit} connections (--limit-connections)"
            )
        if self._few_left and _next_descriptor(sock.fileno()) >= self._last:
            return "descriptors", (
                f"Hardly one of {self._descriptors} file descriptors is left "
                "(ulimit -n)"
            )
        return None

    def _hurry_idle(self) -> None:
        """Close some that are kept for a next request, the longest idle first."""
        idle = [
            (until, id(connection), connection)
            for connection in self._state.connections
            if (until := getattr(connection, "idle_until", int)())
        ]
        for _, _, connection in heapq.nsmallest(max(1, len(idle) // 8), idle):
            connection.hurry()


def _next_descriptor(number: int) -> int:
    """The lowest free number, which the next connection would get."""
    try:
        copy = os.dup(number)
    except OSError:
        return sys.maxsize
    os.close(copy)
    return copy

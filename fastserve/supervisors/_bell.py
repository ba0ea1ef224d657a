"""How a supervisor waits: for its children, for a signal, for a time.

A handler of signals rings the bell, and the wait ends at once. Never: a lock that the
handler and what it interrupts could both want, as threading.Event's wait() and set()
do.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable
from multiprocessing.connection import wait

_MOMENT = 0.02  # seconds


class Bell:
    """Ends a wait from a signal handler or from another thread."""

    def __init__(self) -> None:
        self._inner, self._outer = socket.socketpair()
        self._inner.setblocking(False)
        self._outer.setblocking(False)

    def ring(self) -> None:
        """End the present wait, or the next one."""
        with contextlib.suppress(OSError):  # rung often enough already, or closed
            self._outer.send(b"\0")

    def wait(self, sentinels: Iterable[int], timeout: float) -> None:
        """Wait for so many seconds, until ring(), or until one of `sentinels` ends.

        `sentinels` are those of multiprocessing's processes.
        """
        ready = wait([self._inner, *sentinels], timeout)
        if self._inner in ready:
            with contextlib.suppress(BlockingIOError):
                self._inner.recv(4096)
        elif ready:
            # A process closes its descriptors a moment before its end can be read, or
            # long before it, where an application closes what it does not know.
            time.sleep(_MOMENT)

    def close(self) -> None:
        self._inner.close()
        self._outer.close()

"""Sees from another thread whether an event loop still turns, and says where it stands.

Never stops anything: what to do about a loop that is held up is for the parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator

logger: logging.Logger = logging.getLogger("uvicorn.error")

# A longer pause between two looks was one of the whole process: it was stopped, or the
# machine slept, or was too busy even for the looking.
_LONGEST_LOOK = 2.0
# Seconds between two stacks in the log.
_QUIET = 10.0


class AwakeTime:
    """Seconds that passed while somebody looked at least every two seconds."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.seconds: float = 0.0
        self._looked = time.monotonic()

    def look(self) -> float:
        """The seconds since start(); a time in which nobody looked counts little."""
        now = time.monotonic()
        self.seconds += min(now - self._looked, _LONGEST_LOOK)
        self._looked = now
        return self.seconds


class LoopWatch:
    """The heartbeat of one event loop, and its thread's stack when that is missing.

    It is logged after `patience` seconds, once, and again when the loop goes on; no
    stack within ten seconds of the last. `thread` is the loop's; None: the main one.
    """

    def __init__(self, patience: float, thread: int | None = None) -> None:
        self.patience = patience
        self._thread = threading.main_thread().ident if thread is None else thread
        self._late = AwakeTime()
        self._expected = False  # a beat was asked for and has not come
        self._reported = False
        self._report_again = float("-inf")  # when there may be another stack
        self._left_out = 0  # times that were too soon after the last

    def look(self, loop: asyncio.AbstractEventLoop) -> float:
        """For how many seconds the loop has not turned; call it every second or so."""
        if not self._expected:
            self._expected = True
            self._late.start()
            try:
                loop.call_soon_threadsafe(self._beat)
            except RuntimeError:  # closed: it has done its work
                self._expected = False
            return 0.0
        late = self._late.look()
        if late >= self.patience and not self._reported:
            now = time.monotonic()
            if now >= self._report_again:
                self._report_again = now + _QUIET
                self._reported = True
                self._report(late)
        return late

    def _beat(self) -> None:
        late = self._late.look()
        if self._reported:
            self._reported = False
            logger.warning(
                "The event loop of process [%d] runs again, after %.1f seconds.",
                os.getpid(),
                late,
            )
        elif late >= self.patience:
            self._left_out += 1
        self._expected = False

    def _report(self, late: float) -> None:
        frame = sys._current_frames().get(self._thread or 0)
        before = ""
        if self._left_out:
            before = f" It was so {self._left_out} times more since the last such line."
            self._left_out = 0
        logger.error(
            "The event loop of process [%d] has not run for %.1f seconds. "
            "Nothing is answered meanwhile.%s It is held up here:\n%s",
            os.getpid(),
            late,
            before,
            "".join(traceback.format_stack(frame)).rstrip(),
        )


@contextlib.contextmanager
def watched(patience: float | None) -> Iterator[None]:
    """Watch the running loop, which is this thread's, in a thread of its own.

    None: nobody watches, and there is no thread.
    """
    if patience is None:
        yield
        return
    loop, over = asyncio.get_running_loop(), threading.Event()
    watch = LoopWatch(patience, threading.get_ident())
    pause = min(patience / 4, 1.0)

    def run() -> None:
        while not over.wait(pause):
            watch.look(loop)

    thread = threading.Thread(target=run, name="loop-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(1.0)  # it may be about to write to the log

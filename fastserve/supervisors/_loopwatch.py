"""Sees from another thread whether an event loop still turns, and says where it stands.

Never stops anything: what to do about a loop that is held up is for the parent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback

logger = logging.getLogger("uvicorn.error")

# A longer pause between two looks was one of the whole process: it was stopped, or the
# machine slept, or was too busy even for the looking.
_LONGEST_LOOK = 2.0


class AwakeTime:
    """Seconds that passed while somebody looked at least every two seconds."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.seconds = 0.0
        self._looked = time.monotonic()

    def look(self) -> float:
        """The seconds since start(); a time in which nobody looked counts little."""
        now = time.monotonic()
        self.seconds += min(now - self._looked, _LONGEST_LOOK)
        self._looked = now
        return self.seconds


class LoopWatch:
    """The heartbeat of one event loop, which runs in the main thread."""

    def __init__(self, patience: float) -> None:
        self.patience = patience  # seconds before it is logged
        self._late = AwakeTime()
        self._expected = False  # a beat was asked for and has not come
        self._reported = False

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
            self._reported = True
            self._report(late)
        return late

    def _beat(self) -> None:
        if self._reported:
            self._reported = False
            logger.warning(
                "The event loop of process [%d] runs again, after %.1f seconds.",
                os.getpid(),
                self._late.look(),
            )
        self._expected = False

    def _report(self, late: float) -> None:
        main = threading.main_thread().ident
        frame = sys._current_frames().get(main) if main is not None else None
        logger.error(
            "The event loop of process [%d] has not run for %.1f seconds. "
            "Nothing is answered meanwhile. It is held up here:\n%s",
            os.getpid(),
            late,
            "".join(traceback.format_stack(frame)).rstrip(),
        )

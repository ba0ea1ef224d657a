"""Process: one worker, seen from its parent and, after pickling, from inside itself.

The two ends talk over a pipe. The parent asks, a thread of the worker answers with
whether its server has started and for how long its event loop has been held up. So a
busy event loop is no reason to kill a worker, but a process that answers nothing is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from fastserve._subprocess import ORPHAN_GRACE, describe_exit, get_subprocess
from fastserve.config import Config
from fastserve.loop_watch import AwakeTime, LoopWatch
from fastserve.server import Server

logger: logging.Logger = logging.getLogger("uvicorn.error")

# What the parent says.
_PING = b"ping"
_RETIRE = b"retire"  # end, while others serve on
# Seconds without an answer that a worker may take until it serves: a long import can
# keep every thread of a process from running.
STARTUP_GRACE = 60.0
# Seconds between two looks while waiting for something without a descriptor.
_LOOK = 0.1


class WorkerServer(Server):
    """A server that tells its parent when it serves."""

    def __init__(self, config: Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if not self.should_exit:  # by itself, at --limit-max-requests
            self.retiring = True
        await super().shutdown(sockets=sockets)


class Process:
    """One worker; Multiprocess starts it, asks how it is, and ends it."""

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        self.config = config
        self.parent_conn: Connection[Any, Any]
        self.child_conn: Connection[Any, Any]
        self.parent_conn, self.child_conn = Pipe()
        self.process: SpawnProcess = get_subprocess(config, self.target, sockets)
        self.was_ready: bool = False
        self.stuck_for: float = 0.0  # seconds, as the worker says
        self.started_at: float = time.monotonic()
        self.killed_for: str | None = None  # why the parent killed it
        self._owes_answer = False
        self._silence = AwakeTime()
        self._ending: AwakeTime | None = None  # since it was told to end
        self._prepare()

    def _prepare(self) -> None:
        """What each of the two processes has for itself."""
        self._server: Server | None = None
        self._asking = threading.Lock()
        self._telling = threading.Lock()
        self._watch = LoopWatch(self._patience_with_loop())

    def _patience_with_loop(self) -> float:
        """Seconds until its stack is logged, unless --warn-blocked-loop sees to it."""
        config = self.config
        patience: float = min(
            config.timeout_worker_healthcheck,
            config.timeout_worker_stuck or float("inf"),
        )
        own = config.warn_blocked_loop
        if own is None or own > (config.timeout_worker_stuck or float("inf")):
            return patience
        return float("inf")

    def __getstate__(self) -> dict[str, Any]:
        # The parent's end stays with the parent alone, and what cannot be pickled.
        left_out = {"parent_conn", "process"}
        left_out |= {"_server", "_asking", "_telling", "_watch"}
        return {
            name: value for name, value in self.__dict__.items() if name not in left_out
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    # --- inside the worker ----------------------------------------------------------

    @property
    def server(self) -> Server:
        if self._server is None:
            self._server = WorkerServer(self.config, self._tell)
        return self._server

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """What the worker runs."""
        threading.Thread(
            target=self.always_pong, name="health-check", daemon=True
        ).start()
        self.server.run(sockets)

    def always_pong(self) -> None:
        """Answer the parent until one of the two ends."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                self.pong()

    def pong(self) -> None:
        """Wait for one message of the parent, and do what it says.

        Raises EOFError when the parent is gone.
        """
        if self.child_conn.recv() == _RETIRE:
            self.server.retiring = True
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            loop = _loop_of(self.server)
            self._tell(0.0 if loop is None else self._watch.look(loop))

    def _tell(self, late: float = 0.0) -> None:
        """Send whether the server has started, and how late its loop is, in seconds."""
        with self._telling, contextlib.suppress(OSError):  # the parent is gone
            self.child_conn.send((self.server.started, late))

    # --- inside the parent ----------------------------------------------------------

    def start(self) -> None:
        """Raises OSError when there can be no more processes."""
        self.started_at = time.monotonic()
        self.process.start()
        self.child_conn.close()
        self._silence.start()

    def ping(self, timeout: float = 5) -> bool:
        """Whether the worker answers within `timeout` seconds."""
        return self._ask(timeout) is not None

    def is_ready(self, timeout: float = 5) -> bool:
        """Whether the worker answers within `timeout` seconds that it serves."""
        return self._ask(timeout) is True

    def is_alive(self, timeout: float = 5) -> bool:
        """Whether the process exists and answers within `timeout` seconds."""
        return self.process.is_alive() and self.ping(timeout)

    def wait_until_ready(
        self, timeout: float, should_exit: threading.Event | None = None
    ) -> bool:
        """Whether it serves within `timeout` seconds.

        False at once when the process ends, or when `should_exit` is set.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if should_exit is not None and should_exit.is_set():
                return False
            if not self.process.is_alive():
                return False
            if self.is_ready(min(1.0, timeout)):
                return True
            time.sleep(_LOOK)
        return False

    def _ask(self, timeout: float) -> bool | None:
        with self._asking:
            try:
                self._read_answers()
                self.parent_conn.send(_PING)
                if not self.parent_conn.poll(timeout):
                    return None
                self._read_answers()
            except (OSError, EOFError, pickle.UnpicklingError):
                return None
            return self.was_ready

    def _read_answers(self) -> None:
        while self.parent_conn.poll(0):
            self.was_ready, self.stuck_for = self.parent_conn.recv()
            self._owes_answer = False

    def silent_for(self) -> float:
        """Seconds for which it owes an answer; asks again when it owes none.

        Never waits. To be called every second or so: times in which the parent did
        not look, for it was stopped as well, hardly count.
        """
        if not self._asking.acquire(blocking=False):
            return 0.0  # another thread waits for its answer
        try:
            self._read_answers()
            if not self._owes_answer:
                self._owes_answer = True
                self._silence.start()
                self.parent_conn.send(_PING)
        except (OSError, EOFError, pickle.UnpicklingError):
            pass  # it is about to end; if not, its silence will tell
        finally:
            self._asking.release()
        return self._silence.look()

    def _fault(self) -> str | None:
        """Why it has to be killed, or None: it answers nothing, or is stuck."""
        patience: float = self.config.timeout_worker_healthcheck
        if not self.was_ready:
            patience = max(patience, STARTUP_GRACE)
        if self.silent_for() > patience:
            return f"it has not answered for {patience:g} seconds"
        limit = self.config.timeout_worker_stuck
        if limit is not None and self.stuck_for > limit:
            return f"its event loop has not run for {limit:g} seconds"
        return self._fault_at_its_end()

    def _fault_at_its_end(self) -> str | None:
        """Where requests may not take for ever, nothing else that hangs may either."""
        limit = self.config.timeout_graceful_shutdown
        if self._ending is None or limit is None:
            return None
        patience = limit + ORPHAN_GRACE
        if self._ending.look() > patience:
            return f"it has not ended for {patience:g} seconds"
        return None

    def _note_told(self) -> None:
        if self._ending is None:
            self._ending = AwakeTime()

    def retire(self) -> None:
        """End it, while others serve on: what it has accepted is answered first."""
        self._note_told()
        try:
            with self._asking:
                self.parent_conn.send(_RETIRE)
        except OSError:
            self.terminate()
        else:
            logger.info("Terminated child process [%d]", self.pid)

    def terminate(self) -> None:
        """End it, gracefully; nothing happens if it has ended."""
        self._note_told()
        if self.process.exitcode is None and self.pid is not None:
            os.kill(self.pid, signal.SIGTERM)
            logger.info("Terminated child process [%d]", self.pid)

    def force(self) -> None:
        """End one that ends gracefully without waiting longer: as CTRL+C again does."""
        if self.process.exitcode is None and self.pid is not None:
            os.kill(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()

    def kill_if_faulty(self) -> None:
        """Kill it, once, if it answers nothing or is stuck; `killed_for` says why."""
        if self.killed_for is None and self.process.is_alive():
            self.killed_for = self._fault()
            if self.killed_for is not None:
                self.kill()

    def describe_end(self) -> str:
        """How it ended, as the end of a sentence about it."""
        if self.killed_for is not None:
            return f"was killed by its parent: {self.killed_for}"
        return describe_exit(self.exitcode)

    def join(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Wait for its end; `meanwhile` is called ten times a second."""
        logger.info("Waiting for child process [%d]", self.pid)
        while self.process.is_alive():
            self.process.join(_LOOK)
            if meanwhile is not None:
                meanwhile()
        self.close()

    def close(self) -> None:
        """Read what the worker has said last, and close the parent's end."""
        with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
            self._read_answers()
        self.parent_conn.close()
        self.child_conn.close()

    @property
    def pid(self) -> int | None:
        return self.process.pid

    @property
    def exitcode(self) -> int | None:
        return self.process.exitcode


def _loop_of(server: Server) -> asyncio.AbstractEventLoop | None:
    """The event loop of a server that listens; None where it cannot be known.

    A server's `startup` may be another's, and set nothing but `started`.
    """
    listening = getattr(server, "servers", None) if server.started else None
    return listening[0].get_loop() if listening else None

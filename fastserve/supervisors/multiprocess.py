"""Multiprocess: the parent of several workers, each a process with a Server of its own.

It starts them, asks how they are, replaces those that end, and turns signals into more,
fewer, or new ones. It holds the listening sockets open but never accepts: while one
worker ends, what the others have not accepted yet waits in the sockets' queue.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

import click

from fastserve.config import STARTUP_FAILURE, Config
from fastserve.supervisors._bell import Bell
from fastserve.supervisors.process import Process

SIGNALS = {
    getattr(signal, f"SIG{name}"): name
    for name in "INT TERM BREAK HUP QUIT TTIN TTOU USR1 USR2 WINCH".split()
    if hasattr(signal, f"SIG{name}")
}
_STOPPING = ("INT", "TERM", "BREAK")

# Seconds between two looks at the workers; signals and ends are seen at once.
_TICK = 0.5
# Seconds for which a restart waits for the end of the worker it has just replaced.
_PATIENCE = 10.0
# A worker that ends within so many seconds ends early; the next one in its place is
# started later each time, up to so many seconds.
_EARLY = 10.0
_LONGEST_DELAY = 30.0
# Seconds until a start is tried again that the system has refused.
_RETRY = 2.0

logger: logging.Logger = logging.getLogger("uvicorn.error")


class Multiprocess:
    """Runs `config.workers` workers on `sockets`, which are bound already.

    To be made in the main thread, for it takes the signals.
    """

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        self.config = config
        self.sockets = sockets
        self.processes_num: int = config.workers
        self.processes: list[Process] = []
        self.should_exit: threading.Event = threading.Event()

        self._first_set: Sequence[Process] = ()
        self._ending: list[Process] = []  # told to end, and replaced or not wanted
        self._early_ends: dict[Process, int] = {}  # of those before it in its place
        self._replace_at: dict[Process, float] = {}  # when an ended one is replaced
        self._failed = False
        self._forced = 0  # times that SIGINT came after the first

        self._bell = Bell()
        self.signal_queue: list[int] = []
        for sig in SIGNALS:
            signal.signal(sig, self._queue_signal)

    def _queue_signal(self, sig: int, frame: FrameType | None) -> None:
        self.signal_queue.append(sig)
        self._bell.ring()

    def run(self) -> None:
        """Run the workers until a signal, or `should_exit`, ends it.

        Raises SystemExit(3) when a worker cannot start.
        """
        _log_process("Started")
        try:
            self.init_processes()
            while not self.should_exit.is_set():
                self._wait()
                self.handle_signals()
                self.keep_subprocess_alive()
        finally:
            self.terminate_all()
            for sock in self.sockets:  # who connects now is refused, and not kept
                sock.close()
            self.join_all()
            self._bell.close()
        _log_process("Stopping")
        if self._failed:
            sys.exit(STARTUP_FAILURE)

    def init_processes(self) -> None:
        """Start the first set of workers."""
        for _ in range(self.processes_num):
            process = self._start()
            if process is None:
                self._failed = True
                self.should_exit.set()
                break
            self.processes.append(process)
        self._first_set = tuple(self.processes)

    def _start(self) -> Process | None:
        """A new worker; None where the system has no room for one, which is logged."""
        try:
            process = Process(self.config, self.sockets)
            process.start()
        except OSError as exc:
            logger.error("Another worker cannot be started: %s", exc)
            return None
        return process

    def _wait(self) -> None:
        """Until a signal, the end of a worker, or the next look at them."""
        running = [*self.processes, *self._ending]
        sentinels = [each.process.sentinel for each in running if each.exitcode is None]
        self._bell.wait(sentinels, _TICK)

    def terminate_all(self) -> None:
        """Tell every worker to end."""
        for process in self.processes:
            process.terminate()

    def join_all(self) -> None:
        """Wait until every worker has ended; SIGINT meanwhile forces them to."""
        for process in [*self.processes, *self._ending]:
            process.join(self._while_ending)

    def _while_ending(self) -> None:
        running = [*self.processes, *self._ending]
        for process in running:
            process.kill_if_faulty()
        if self.should_exit.is_set() and signal.SIGINT in self.signal_queue:
            self.signal_queue.remove(signal.SIGINT)
            self._forced += 1
            for process in running:
                process.force() if self._forced == 1 else process.kill()

    # --- workers that end -----------------------------------------------------------

    def keep_subprocess_alive(self) -> None:
        """Replace the workers that have ended, and kill those that answer nothing."""
        self._reap()
        for index, process in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if process.exitcode is None:
                process.kill_if_faulty()
            elif process not in self._replace_at:
                self._note_end(process)
            if self._replace_at.get(process, float("inf")) <= time.monotonic():
                self.processes[index] = self._replace(process)

    def _reap(self) -> None:
        """Forget those that were told to end, and have ended."""
        for process in tuple(self._ending):
            process.kill_if_faulty()
            if process.exitcode is not None:
                process.close()
                self._ending.remove(process)
                if process.killed_for is not None:
                    _log_end(process, logging.WARNING)

    def _note_end(self, process: Process) -> None:
        """A worker has ended that was not told to: log it, and settle what follows."""
        process.close()
        code = process.exitcode
        fails_at_first = process in self._first_set and not process.was_ready
        if code == STARTUP_FAILURE or fails_at_first:
            logger.error(
                "Child process [%d] failed to start, stopping the parent process.",
                process.pid,
            )
            _log_end(process, logging.ERROR)
            self._failed = True
            self.should_exit.set()
            return
        logger.info("Child process [%d] died", process.pid)
        in_order = process.was_ready and code == 0  # at --limit-max-requests
        early = not in_order and time.monotonic() - process.started_at < _EARLY
        before = self._early_ends.pop(process, 0)
        self._early_ends[process] = before + 1 if early else 0
        delay = min(2.0 ** (before - 1), _LONGEST_DELAY) if early and before else 0.0
        self._replace_at[process] = time.monotonic() + delay
        _log_end(process, logging.INFO if in_order else logging.WARNING, delay)

    def _replace(self, process: Process) -> Process:
        """Another worker in the place of one that has ended, or itself, for later."""
        new_process = self._start()
        if new_process is None:
            self._replace_at[process] = time.monotonic() + _RETRY
            return process
        del self._replace_at[process]
        self._early_ends[new_process] = self._early_ends.pop(process)
        return new_process

    def _retire(self, process: Process) -> None:
        """Have it end while others serve on; nobody waits for that."""
        self._replace_at.pop(process, None)
        self._early_ends.pop(process, None)
        process.retire()
        logger.info("Waiting for child process [%d]", process.pid)
        self._ending.append(process)

    # --- restart --------------------------------------------------------------------

    def restart_all(self) -> None:
        """Replace each worker by a new one, which serves before the old one ends."""
        for old_process in tuple(self.processes):
            if old_process not in self.processes:
                continue  # it ended by itself: the one in its place is new
            new_process = self._start()
            if new_process is None:
                return
            if not self._becomes_ready(new_process):
                self._abort_restart(old_process, new_process)
                return
            if old_process not in self.processes:  # it ended just now
                self._retire(new_process)
                continue
            self.processes[self.processes.index(old_process)] = new_process
            self._retire(old_process)
            self._wait_for_end(old_process)

    def _becomes_ready(self, process: Process) -> bool:
        """Whether it serves in time; what else happens is attended to meanwhile."""
        deadline = time.monotonic() + self.config.timeout_worker_healthcheck
        while not self._is_stopping() and process.exitcode is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if process.wait_until_ready(min(left, _TICK), self.should_exit):
                return True
            self.keep_subprocess_alive()
        return False

    def _abort_restart(self, old_process: Process, new_process: Process) -> None:
        ended = new_process.exitcode is not None
        new_process.kill()
        new_process.join()
        if self._is_stopping():
            return
        logger.error(
            "New child process [%d] was not ready in time; "
            "keeping worker [%d] and aborting the restart.",
            new_process.pid,
            old_process.pid,
        )
        if ended:
            _log_end(new_process, logging.ERROR)

    def _wait_for_end(self, process: Process) -> None:
        """One old worker after the other, but not for as long as any request takes."""
        deadline = time.monotonic() + _PATIENCE
        while process.exitcode is None and time.monotonic() < deadline:
            if self._is_stopping():
                return
            self._wait()
            self.keep_subprocess_alive()

    def _is_stopping(self) -> bool:
        """Whether it has to end; the signal that says so may still be in the queue."""
        names = [SIGNALS[sig] for sig in tuple(self.signal_queue)]
        return self.should_exit.is_set() or any(name in _STOPPING for name in names)

    # --- signals --------------------------------------------------------------------

    def handle_signals(self) -> None:
        """Do what the signals that have come ask for, in their order."""
        while self.signal_queue and not self.should_exit.is_set():
            name = SIGNALS[self.signal_queue.pop(0)]
            handler = getattr(self, f"handle_{name.lower()}", None)
            if handler is None:
                logger.debug("Received SIG%s, which has no meaning here.", name)
            else:
                handler()

    def handle_int(self) -> None:
        self._exit_on("SIGINT")

    def handle_term(self) -> None:
        self._exit_on("SIGTERM")

    def handle_break(self) -> None:
        self._exit_on("SIGBREAK")

    def _exit_on(self, name: str) -> None:
        logger.info("Received %s, exiting.", name)
        self.should_exit.set()

    def handle_hup(self) -> None:
        logger.info("Received SIGHUP, restarting processes.")
        self.restart_all()

    def handle_ttin(self) -> None:
        logger.info("Received SIGTTIN, increasing the number of processes.")
        process = self._start()
        if process is not None:
            self.processes_num += 1
            self.processes.append(process)

    def handle_ttou(self) -> None:
        logger.info("Received SIGTTOU, decreasing number of processes.")
        if self.processes_num <= 1:
            logger.info(
                "Already reached one process, "
                "cannot decrease the number of processes anymore."
            )
            return
        self.processes_num -= 1
        self._retire(self.processes.pop())


def _log_process(event: str) -> None:
    text = f"{event} parent process [%d]"
    colored = text.replace("%d", click.style("%d", fg="cyan", bold=True))
    logger.info(text, os.getpid(), extra={"color_message": colored})


def _log_end(process: Process, level: int, delay: float = 0.0) -> None:
    later = f" Another one is started after {delay:g} s." if delay else ""
    what = process.describe_end()
    logger.log(level, "Child process [%d] %s.%s", process.pid, what, later)

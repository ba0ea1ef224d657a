"""BaseReload: the parent of one server process, which is started anew at a change.

It holds the listening sockets open, so that clients wait while the child is replaced.
A child that ends by itself, because its new code does not import or for any other
reason, stays ended until the next change. How changes are found is for subclasses.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path
from socket import socket
from types import FrameType

import click

from fastserve._subprocess import describe_exit, get_subprocess
from fastserve.config import Config
from fastserve.supervisors._bell import Bell

HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM)

# Seconds between two looks at whether the user wants a child's end forced.
_LOOK = 0.1

logger: logging.Logger = logging.getLogger("uvicorn.error")


class BaseReload:
    """Runs `target(sockets=sockets)` in a child process; an iterator of changes."""

    process: SpawnProcess | None = None

    def __init__(
        self,
        config: Config,
        target: Callable[[list[socket] | None], None],
        sockets: list[socket],
    ) -> None:
        self.config = config
        self.target = target
        self.sockets = sockets
        self.should_exit: threading.Event = threading.Event()
        self.pid: int = os.getpid()
        self.reloader_name: str | None = None
        self._bell = Bell()
        self._signals: list[int] = []
        self._forced = 0
        self._end_noted = False

    def signal_handler(self, sig: int, frame: FrameType | None) -> None:
        """SIGINT and SIGTERM: the first ends the reloader, a further SIGINT forces it.

        Only the first sets the event, whose lock one handler may hold while another
        interrupts it.
        """
        self._signals.append(sig)
        if len(self._signals) == 1:
            self.should_exit.set()
        self._bell.ring()

    def run(self) -> None:
        """Run the child until a signal, or `should_exit`, ends it."""
        self.startup()
        for changes in self:
            if changes:
                logger.warning(
                    "%s detected changes in %s. Reloading...",
                    self.reloader_name,
                    ", ".join(map(_display_path, changes)),
                )
                self.restart()
        self.shutdown()

    def __iter__(self) -> Iterator[list[Path] | None]:
        return self

    def __next__(self) -> list[Path] | None:
        return self.should_restart()

    def should_restart(self) -> list[Path] | None:
        """The files that have changed; to be overridden, and to call `pause` first."""
        raise NotImplementedError("Reload strategies should override should_restart()")

    def pause(self) -> None:
        """Wait --reload-delay seconds, or until the child ends.

        Raises StopIteration when the reloader has to end.
        """
        if not self.should_exit.is_set():
            running = self.process is not None and self.process.exitcode is None
            sentinels = [self.process.sentinel] if self.process and running else []
            self._bell.wait(sentinels, self.config.reload_delay)
        if self.should_exit.is_set():
            raise StopIteration()
        self._note_end()

    def _note_end(self) -> None:
        """Say, once, that the child has ended by itself, and how."""
        process = self.process
        if process is None or process.exitcode is None or self._end_noted:
            return
        self._end_noted = True
        logger.info("Child process [%d] died", process.pid)
        logger.warning(
            "Child process [%d] %s. Waiting for the next change of a file.",
            process.pid,
            describe_exit(process.exitcode),
        )

    def startup(self) -> None:
        """Take the signals, and start the first child."""
        self._log_process("Started", f" using {self.reloader_name}")
        for sig in HANDLED_SIGNALS:
            signal.signal(sig, self.signal_handler)
        self.begin_watch()
        self._start_child()

    def begin_watch(self) -> None:
        """Take note of how the files are, before the first child reads them.

        What changes while that child starts would else pass unseen; to be overridden.
        """

    def restart(self) -> None:
        """End the child and start another one."""
        self._end_child()
        self._start_child()

    def shutdown(self) -> None:
        """End the child and close the sockets."""
        self._end_child()
        for sock in self.sockets:
            sock.close()
        self._bell.close()
        self._log_process("Stopping")

    def _start_child(self) -> None:
        self._end_noted = False
        self.process = get_subprocess(self.config, self.target, self.sockets)
        self.process.start()

    def _end_child(self) -> None:
        process = self.process
        if process is None:
            return
        process.terminate()
        while process.is_alive():
            process.join(_LOOK)
            self._force_if_asked(process)

    def _force_if_asked(self, process: SpawnProcess) -> None:
        """CTRL+C again: the child drops what it is doing; and again: it is killed."""
        asked = self._signals[1:].count(signal.SIGINT)
        if asked <= self._forced or process.pid is None:
            return
        self._forced = asked
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT if asked == 1 else signal.SIGKILL)

    def _log_process(self, event: str, more: str = "") -> None:
        text = f"{event} reloader process [%d]{more}"
        colored = text.replace("%d", click.style("%d", fg="cyan", bold=True))
        if more:
            name = str(self.reloader_name)
            colored = colored.replace(name, click.style(name, fg="cyan", bold=True))
        logger.info(text, self.pid, extra={"color_message": colored})


def _display_path(path: Path) -> str:
    try:
        return f"'{path.relative_to(Path.cwd())}'"
    except ValueError:
        return f"'{path}'"

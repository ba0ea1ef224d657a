"""Child processes of the supervisors: how one is made, begins, and ends.

A child is spawned, never forked: it imports everything anew, and gets its Config, the
function to call and the listening sockets by pickling. It ends when its parent does,
however that ended.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from socket import socket

from fastserve.config import Config

# Seconds in which an orphan ends gracefully, beside --timeout-graceful-shutdown.
ORPHAN_GRACE = 30.0

spawn = multiprocessing.get_context("spawn")

logger = logging.getLogger("uvicorn.error")


def get_subprocess(
    config: Config, target: Callable[..., None], sockets: list[socket]
) -> SpawnProcess:
    """A process, not started yet, that calls `target(sockets=sockets)`.

    `config`, `target` and `sockets` have to be picklable: `target` is a function of a
    module or a method of a picklable object, such as Server(config).run.
    """
    try:
        stdin_fileno = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # None, replaced, or closed
        stdin_fileno = None
    arguments = {
        "config": config,
        "target": target,
        "sockets": sockets,
        "stdin_fileno": stdin_fileno,
    }
    return spawn.Process(target=subprocess_started, kwargs=arguments)


def subprocess_started(
    config: Config,
    target: Callable[..., None],
    sockets: list[socket],
    stdin_fileno: int | None,
) -> None:
    """What a child does: it calls `target`, with stdin and logging as in the parent."""
    if stdin_fileno is not None:
        # multiprocessing has put the null device there; debuggers want a terminal.
        with contextlib.suppress(OSError):
            sys.stdin = open(stdin_fileno, closefd=False)
    try:
        config.configure_logging()
        _end_with_parent(config)
        target(sockets=sockets)
    except KeyboardInterrupt:
        pass  # the signal that ended the server, raised again after its shutdown


def _end_with_parent(config: Config) -> None:
    parent = multiprocessing.parent_process()
    if parent is None:  # called by hand: there is nobody to watch
        return
    grace = ORPHAN_GRACE + (config.timeout_graceful_shutdown or 0)

    def watch() -> None:
        parent.join()
        logger.warning("The parent process [%d] is gone; ending as well.", parent.pid)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def describe_exit(code: int | None) -> str:
    """How a process ended, from its exit code: `exited with code 1`, `was killed ...`.

    SIGKILL is what the system sends to a process that takes more memory than it may.
    """
    if code is None or code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a real-time signal
        name = f"signal {-code}"
    guess = " (out of memory?)" if name == "SIGKILL" else ""
    return f"was killed by {name}{guess}"

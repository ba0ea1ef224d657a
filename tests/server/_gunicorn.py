"""Runs gunicorn with a worker of fastserve's; see `_process` for what it returns."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import psutil
from _process import ServerProcess, start, wait_until

WORKER = "fastserve.workers.FastserveWorker"
LISTENING = re.compile(r"Listening at: https?://127\.0\.0\.1:(\d+)")


def start_gunicorn(
    *args: str,
    worker: str = WORKER,
    command: tuple[str, ...] = ("-m", "gunicorn"),
    **options: object,
) -> ServerProcess:
    """Start gunicorn on a free port of 127.0.0.1 unless told; the caller closes it."""
    if not {"-b", "--bind"} & set(args):
        args = ("-b", "127.0.0.1:0", *args)
    # The control socket lies in the home folder, the same for every gunicorn.
    args = ("--no-control-socket", "-k", worker, *args)
    return start(*args, command=command, **options)  # type: ignore[arg-type]


@contextlib.contextmanager
def gunicorn(
    app: str, *args: str, workers: int = 1, **options: object
) -> Iterator[ServerProcess]:
    """gunicorn serving `app`, all of its workers ready; killed at the end."""
    server = start_gunicorn("-w", str(workers), *args, app, **options)
    try:
        wait_listening(server)
        for pid in wait_for_workers(server, workers):
            server.wait_for_log(rf"\[{pid}\] \[INFO\] Application startup complete")
        yield server
    finally:
        children = psutil.Process(server.pid).children() if is_running(server) else []
        server.close()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def wait_listening(server: ServerProcess) -> None:
    found = server.wait_for_log(r"Listening at: ")
    if match := LISTENING.search(found.string):
        server.host, server.port = "127.0.0.1", int(match[1])


def is_running(server: ServerProcess) -> bool:
    return server.process.poll() is None


def worker_pids(server: ServerProcess) -> set[int]:
    """The workers that the master has now; empty when it is gone."""
    try:
        children = psutil.Process(server.pid).children()
        return {p.pid for p in children if p.status() != psutil.STATUS_ZOMBIE}
    except psutil.NoSuchProcess:
        return set()


def wait_for_workers(
    server: ServerProcess, count: int, other_than: set[int] = frozenset()
) -> set[int]:
    """Wait until there are `count` workers, none of those named; return them."""
    found: set[int] = set()

    def there() -> bool:
        nonlocal found
        found = worker_pids(server)
        return len(found) == count and not found & other_than

    wait_until(there)
    return found

"""What the tests of --workers share: a server with workers, and clients under load.

Workers are found by what the system says of the parent's children, never by name.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil
from _process import TIMEOUT, ServerProcess, serve, wait_until

GRACE = 1.0  # seconds that a kept connection has when its worker is replaced
STARTED = "Application startup complete."


def workers(server: ServerProcess) -> list[int]:
    """The process ids of the children that serve; multiprocessing has one more."""
    found = []
    for child in psutil.Process(server.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and any(
                "spawn_main" in part for part in child.cmdline()
            ):
                found.append(child.pid)
    return sorted(found)


def wait_started(server: ServerProcess, count: int, timeout: float = TIMEOUT) -> None:
    """Until the log says for the count-th time that an application has started."""
    try:
        wait_until(lambda: server.stderr.text.count(STARTED) >= count, timeout)
    except TimeoutError:
        raise TimeoutError(f"fewer than {count} in:\n{server.stderr.text}") from None


def wait_listening(server: ServerProcess) -> None:
    """Until somebody listens on the TCP socket that the parent has bound."""
    parent = psutil.Process(server.pid)
    wait_until(lambda: [c for c in parent.net_connections() if c.status == "LISTEN"])


def wait_gone(pids: list[int], timeout: float = TIMEOUT) -> None:
    """Until none of the processes exists; the parent has to reap them."""
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), timeout)


def wait_answering(server: ServerProcess, count: int = 1) -> set[int]:
    """Until so many workers have answered `_apps:pid`; their process ids."""
    seen: set[int] = set()

    def ask() -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            seen.add(int(server.get("/").text))
        return len(seen) >= count

    wait_until(ask)
    return seen


@contextlib.contextmanager
def serve_workers(
    app: str, *args: str, count: int = 2, **options: object
) -> Iterator[ServerProcess]:
    """`serve` with workers that have started; none is left at the end of the block."""
    with serve(app, "--workers", str(count), *args, **options) as server:
        try:
            wait_started(server, count)
            if server.uds is None:
                wait_listening(server)
            yield server
        finally:
            if server.process.poll() is None:  # the test has failed, or needs no end
                left = workers(server)
                server.process.kill()
                for pid in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


@dataclass
class Load:
    """Threads that ask without a pause, as keep-alive clients and as new ones."""

    answers: int = 0
    held_up: int = 0  # clients that came too late by their own fault
    closes: int = 0  # answers that said `Connection: close`
    bodies: set[bytes] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)


@contextlib.contextmanager
def load(
    server: ServerProcess,
    kept: int = 4,
    fresh: int = 2,
    think: float = 0.0,
    context: ssl.SSLContext | None = None,
) -> Iterator[Load]:
    """Ask from `kept` connections that are kept as long as the server allows, and
    from `fresh` threads that connect for each request; `think` seconds between. With
    a `context` under TLS.

    A worker that is replaced closes connections that were idle for a second: a client
    that a busy machine has kept from asking for so long has lost nothing to the server.
    """
    result, stop = Load(), threading.Event()
    lock = threading.Lock()

    def connect() -> http.client.HTTPConnection:
        if context is None:
            return http.client.HTTPConnection(server.host, server.port, timeout=30)
        return http.client.HTTPSConnection(
            server.host, server.port, timeout=30, context=context
        )

    def ask(keep: bool) -> None:
        connection = connect()
        asked = time.monotonic()
        while not stop.is_set():
            before, asked = asked, time.monotonic()
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as exc:
                connection.close()
                with lock:
                    if keep and asked - before > GRACE / 2:
                        result.held_up += 1
                    else:
                        result.errors.append(repr(exc))
                continue
            with lock:
                result.answers += 1
                result.bodies.add(body)
                result.closes += answer.getheader("Connection") == "close"
                if answer.status != 200:
                    result.errors.append(f"{answer.status} {body!r}")
            if not keep:
                connection.close()
            stop.wait(think)
        connection.close()

    threads = [threading.Thread(target=ask, args=(True,)) for _ in range(kept)]
    threads += [threading.Thread(target=ask, args=(False,)) for _ in range(fresh)]
    for thread in threads:
        thread.start()
    try:
        yield result
    finally:
        stop.set()
        for thread in threads:
            thread.join(TIMEOUT)

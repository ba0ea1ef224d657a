"""The servers by name, the commands that start them, and their life as processes.

A server runs in a session of its own, pinned to one core, and is ended by process id
in every case. Each is given one process for the application, uvloop, and no access
log; beyond that, what its own documentation advises for speed.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .answers import WrongAnswer

APPS = Path(__file__).parent
START_LIMIT = 20.0  # seconds to the first accepted connection
STOP_LIMIT = 5.0  # seconds from SIGTERM to SIGKILL
IDLE_SECONDS = 600  # keep-alive time while idle connections are held
FILES = 20_000  # descriptors that holding 10,000 connections may take


class ServerFailed(Exception):
    """A server ended, or did not listen in time; the text holds its output."""


@dataclass(frozen=True)
class Server:
    """A server under test."""

    name: str
    module: str  # what `import` costs is measured on
    requirements: tuple[str, ...]  # for pip; empty for fastserve, the checkout
    command: Callable[[Path, str, int], list[str]]  # (bin directory, app, port)
    idle: tuple[str, ...] = ()  # more options while idle connections are held

    def argv(self, bin_dir, workload, port):
        """The command line for a workload."""
        more = self.idle if "idle" in workload.kind else ()
        return self.command(bin_dir, workload.app, port) + list(more)


def fastserve(bin_dir, app, port):
    """fastserve's command line, without the middleware for proxies."""
    return [
        f"{bin_dir}/fastserve", app, "--app-dir", str(APPS), "--port", str(port),
        "--loop", "uvloop", "--lifespan", "off", "--no-access-log",
        "--no-proxy-headers",
    ]  # fmt: skip


def uvicorn(bin_dir, app, port):
    """uvicorn's command line, without the middleware for proxies."""
    return [
        f"{bin_dir}/uvicorn", app, "--app-dir", str(APPS), "--port", str(port),
        "--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio",
        "--lifespan", "off", "--no-access-log", "--no-proxy-headers",
    ]  # fmt: skip


def peregrine(bin_dir, app, port):
    """peregrine's command line: uvloop if installed, no access log by default."""
    return [
        f"{bin_dir}/peregrine", app, "--python-path", str(APPS), "--port", str(port),
        "--workers", "1", "--protocol", "asgi", "--no-lifespan",
    ]  # fmt: skip


def ceiling(bin_dir, app, port):
    """The ceiling's command line; it has no application."""
    module, _, name = app.partition(":")
    script = "websocket_ceiling.py" if module == "websocket_apps" else "ceiling.py"
    more = ["--broadcast"] if name == "broadcast" else []
    return [f"{bin_dir}/python", str(APPS / script), "--port", str(port), *more]


SERVERS = (
    Server("ceiling", "uvloop", ("uvloop", "picows"), ceiling),
    Server(
        "fastserve",
        "fastserve",
        (),
        fastserve,
        idle=("--timeout-keep-alive", str(IDLE_SECONDS)),
    ),
    Server(
        "uvicorn",
        "uvicorn",
        ("uvicorn[standard]",),
        uvicorn,
        idle=("--timeout-keep-alive", str(IDLE_SECONDS)),
    ),
    Server(
        "peregrine",
        "peregrine",
        ("peregrine-server", "uvloop"),
        peregrine,
        idle=(
            "--keep-alive",
            str(IDLE_SECONDS * 1000),
            "--max-connections",
            str(FILES),
        ),
    ),
)


def clean_environment():
    """Our environment without what steers Python or the servers."""
    prefixes = ("PYTHON", "UVICORN_", "FASTSERVE_", "WEB_CONCURRENCY", "VIRTUAL_ENV")
    return {k: v for k, v in os.environ.items() if not k.startswith(prefixes)}


def pinned(core, argv):
    """A command line that runs `argv` on one core."""
    return ["taskset", "-c", str(core), *argv]


def free_port():
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(argv, core):
    """Run a server's command line on a core; yields its Popen, ends it at exit."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            pinned(core, argv),
            cwd="/",  # so that nothing but --app-dir is importable
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield process
        except (WrongAnswer, OSError, subprocess.SubprocessError) as error:
            output.seek(0)
            text = output.read()[-2000:].decode(errors="replace")
            raise ServerFailed(f"{error}\n{text}".rstrip()) from error
        finally:
            end(process)


def end(process):
    """SIGTERM, and SIGKILL for all that is left of its session after STOP_LIMIT."""
    process.terminate()
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        pass  # killed below, as are workers that outlive their parent
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def wait_until_listening(process, port):
    """Return once the port takes connections; raises TimeoutError or OSError."""
    limit = time.monotonic() + START_LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            if process.poll() is not None:
                raise OSError(f"ended with code {process.returncode}") from None
            if time.monotonic() > limit:
                raise TimeoutError(f"not listening after {START_LIMIT} s") from None
            time.sleep(0.0005)

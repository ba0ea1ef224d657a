"""The life of a server as processes: started on its cores, awaited, ended.

A server runs in a session of its own and is ended by process id in every case. What
its command line is, servers.py says.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .answers import WrongAnswer
from .servers import Launch

START_LIMIT = 20.0  # seconds to the first accepted connection
STOP_LIMIT = 5.0  # seconds from SIGTERM to SIGKILL


class ServerFailed(Exception):
    """A server ended, or did not listen in time; the text holds its output."""


@dataclass(frozen=True)
class Served:
    """A server that takes connections."""

    process: subprocess.Popen
    port: int

    def must_live(self):
        """Raise WrongAnswer if the server has ended by itself."""
        if self.process.poll() is not None:
            code = self.process.returncode
            raise WrongAnswer(f"the server ended with code {code}")


@contextmanager
def serving(server, workload, settings):
    """Start a server as a workload wants it; yields Served once it listens.

    Raises ServerFailed when it does not listen, or when the block raises for a wrong
    answer or a lost connection.
    """
    with tempfile.TemporaryDirectory() as scratch:
        port = free_port()
        argv = server.command(launch(workload, settings, port, Path(scratch)))
        cores = settings.cores_of(workload)
        with running(argv, cores) as process:
            wait_until_listening(process, port)
            yield Served(process, port)


def launch(workload, settings, port, scratch):
    """What a server is told for a workload."""
    return Launch(
        bin_dir=settings.bin_dir,
        app=workload.app,
        port=port,
        scratch=scratch,
        workers=workload.workers,
        certificate=settings.certificate if workload.tls else None,
        access_log=workload.access_log,
        holds_idle=workload.is_idle,
        websocket=workload.is_websocket,
    )


def clean_environment():
    """Our environment without what steers Python or the servers."""
    prefixes = ("PYTHON", "UVICORN_", "FASTSERVE_", "GRANIAN_", "H2CORN_", "PEREGRINE_")
    names = ("WEB_CONCURRENCY", "VIRTUAL_ENV", "GUNICORN_CMD_ARGS")
    return {k: v for k, v in os.environ.items() if not k.startswith(prefixes + names)}


def pinned(cores, argv):
    """A command line that runs `argv` on a core, or on several."""
    listed = ",".join(map(str, cores)) if isinstance(cores, tuple) else str(cores)
    return ["taskset", "-c", listed, *argv]


def free_port():
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(argv, cores):
    """Run a server's command line on its cores; yields its Popen, ends it at exit."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            pinned(cores, argv),
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

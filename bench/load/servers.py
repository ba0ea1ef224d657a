"""The two servers under load, as a user starts them: the example, with two workers.

Each runs in a session of its own, logs to a file, and is ended by process id in every
case.
"""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.compare.process import clean_environment, free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
WORKERS = 2
START_LIMIT = 60.0  # seconds to the first answer
STOP_LIMIT = 30.0  # seconds from SIGTERM to SIGKILL
STARTED = re.compile(r"Started server process \[(\d+)\]")
# What the log must not hold. A client that leaves is no reason for any of it.
COMPLAINT = re.compile(r"^(?:ERROR|CRITICAL)\b.*|^Traceback.*", re.MULTILINE)

# Name: module and options. uvicorn gets its fastest parts by name.
SERVERS = {
    "fastserve": ["fastserve"],
    "uvicorn": ["uvicorn", "--loop", "uvloop", "--http", "httptools"],
}


class ServerFailed(Exception):
    """A server did not start, did not replace its workers, or did not end."""


@dataclass
class Running:
    """A server that runs."""

    name: str
    port: int
    process: subprocess.Popen
    log: Path

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def workers(self):
        """The process ids of all workers that have started so far."""
        return STARTED.findall(self.log.read_text(errors="replace"))

    def complaints(self):
        """Lines of the log at ERROR and above, and beginnings of tracebacks."""
        return COMPLAINT.findall(self.log.read_text(errors="replace"))

    def wait_until_ready(self):
        """Returns once a request is answered."""
        limit = time.monotonic() + START_LIMIT
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > limit:
                raise ServerFailed(f"{self.name} does not answer, see {self.log}")
            time.sleep(0.1)

    def answers(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/books")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def replace_workers(self, seconds):
        """SIGHUP; returns when all workers are new and the old ones have ended."""
        old = self.workers
        self.process.send_signal(signal.SIGHUP)
        limit = time.monotonic() + seconds
        while len(self.workers) < 2 * WORKERS or any(map(is_alive, old)):
            if self.process.poll() is not None or time.monotonic() > limit:
                raise ServerFailed(
                    f"{self.name} has not replaced its workers, see {self.log}"
                )
            time.sleep(0.1)

    def stop(self):
        """SIGTERM; raises ServerFailed unless it ends with 0 by itself."""
        self.process.terminate()
        try:
            code = self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            code = "nothing: it went on"
        if code != 0:
            raise ServerFailed(f"SIGTERM ended {self.name} with {code}")


def is_alive(pid):
    """Whether a process runs, or waits to be reaped."""
    return Path(f"/proc/{pid}").exists()


@contextmanager
def running(name, folder):
    """Start a server by its name; its log goes into the folder."""
    port = free_port()
    log = folder / f"{name}.log"
    command = [sys.executable, "-P", "-m", *SERVERS[name], "app:app"]
    command += ["--app-dir", str(EXAMPLES), "--port", str(port)]
    command += ["--workers", str(WORKERS)]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd="/",  # so that nothing but --app-dir is importable
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        server = Running(name, port, process, log)
        server.wait_until_ready()
        yield server
    finally:
        end_session(process)


def end_session(process):
    """SIGKILL for all that is left of the process's session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()

"""Runs `python -m fastserve` as a process of its own, for tests at process level.

    with serve("_apps:hello", "--loop", "asyncio") as server:
        assert server.get("/").status == 200
        assert server.stop(signal.SIGINT) == 0
        assert server.log_lines()[-1].startswith("INFO:     Finished")

Every wait has a time limit, every process is stopped by its own id, and a process
that is still there at the end of the `with` block is killed. The child imports the
same fastserve as the tests do; its working directory is this folder, so that the
applications in `_apps.py` are found. Never listens on a fixed port.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import fastserve

HERE = Path(__file__).resolve().parent
TIMEOUT = 60.0  # seconds; generous, for a busy machine

COLOR = re.compile(r"\x1b\[[0-9;]*m")
BANNER = re.compile(
    r"(?:Fastserve|Uvicorn) running on (?:"
    r"(?P<scheme>https?)://(?P<host>\[[^]]+\]|[^:]+):(?P<port>\d+)"
    r"|unix socket (?P<uds>.+)"
    r"|socket (?P<name>.+)"
    r") \(Press CTRL\+C to quit\)$"
)


class Output:
    """The lines of one stream of a child, read by a thread as they come."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def text(self) -> str:
        return "".join(line + "\n" for line in self.lines)

    def search(
        self, pattern: str | re.Pattern[str], timeout: float = TIMEOUT
    ) -> re.Match[str] | None:
        """Wait for a line that matches, colours taken out; None at the end.

        Raises TimeoutError when the stream stays open without such a line.
        """
        deadline = time.monotonic() + timeout
        seen = 0
        while True:
            with self._changed:
                while seen == len(self.lines) and not self._closed:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise TimeoutError(f"no {pattern!r} in:\n{self.text}")
                    self._changed.wait(left)
                fresh, done = self.lines[seen:], self._closed
            for line in fresh:
                match = re.search(pattern, COLOR.sub("", line))
                if match:
                    return match
            seen += len(fresh)
            if done and seen == len(self.lines):
                return None

    def join(self, timeout: float = TIMEOUT) -> None:
        self._thread.join(timeout)


@dataclass
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class ServerProcess:
    """One running server; made by `start` and `serve`."""

    process: subprocess.Popen[str]
    stdout: Output
    stderr: Output
    host: str = ""
    port: int = 0
    uds: str | None = None
    clients: list[socket.socket] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def wait_ready(self, timeout: float = TIMEOUT) -> None:
        """Wait for the line that names the address, and remember that address.

        Raises RuntimeError, with what it said, for a server that ended instead.
        """
        found = self.stderr.search(BANNER, timeout)
        if found is None:
            code = self.wait(timeout)
            raise RuntimeError(f"server ended with {code}:\n{self.stderr.text}")
        if found["port"]:
            self.host, self.port = found["host"].strip("[]"), int(found["port"])
        elif found["uds"]:
            self.uds = found["uds"]

    def wait_for_log(self, pattern: str, timeout: float = TIMEOUT) -> re.Match[str]:
        """The first line on stderr, past or future, that the pattern is found in."""
        found = self.stderr.search(pattern, timeout)
        assert found is not None, f"no {pattern!r} in:\n{self.stderr.text}"
        return found

    def log_lines(self) -> list[str]:
        """What stderr has shown so far, without colours, PID and PORT filled in."""
        text = COLOR.sub("", self.stderr.text).replace(f"[{self.pid}]", "[PID]")
        if self.port:
            text = text.replace(f":{self.port} ", ":PORT ")
        return text.splitlines()

    def connect(self, timeout: float = TIMEOUT) -> socket.socket:
        """A connected client socket; closed at the end of the `with` block."""
        if self.uds is not None:
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(timeout)
            client.connect(self.uds)
        else:
            client = socket.create_connection((self.host, self.port), timeout)
        self.clients.append(client)
        return client

    def begin_slow_request(self, seconds: int, *fields: str) -> socket.socket:
        """A client of `_apps:slow` that has asked, and whose request is running."""
        client = self.connect()
        lines = [f"GET /?{seconds} HTTP/1.1", "Host: h", *fields, "", ""]
        client.sendall("\r\n".join(lines).encode())
        assert self.stdout.search("request under way")
        return client

    def request(
        self,
        method: str = "GET",
        target: str = "/",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        """One request on a connection of its own, closed after the answer."""
        connection = http.client.HTTPConnection(self.host or "localhost", self.port)
        connection.sock = self.connect()
        with contextlib.closing(connection):
            fields = {"Connection": "close", **(headers or {})}
            connection.request(method, target, body, fields)
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())

    def get(self, target: str = "/", **headers: str) -> Response:
        return self.request("GET", target, headers)

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """The exit code (negative: the signal that ended it), all output read."""
        code = self.process.wait(timeout)
        self.stdout.join()
        self.stderr.join()
        return code

    def stop(self, number: int = signal.SIGTERM, timeout: float = TIMEOUT) -> int:
        self.send_signal(number)
        return self.wait(timeout)

    def close(self) -> None:
        """Kill it if it still runs; a process that ended by itself is left alone."""
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.wait()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The child's environment: ours, fastserve importable, no setting of its own.

    Its working directory comes first on its path, as in a user's shell.
    """
    ours = ("FASTSERVE_", "UVICORN_")
    env = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    for name in ("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "PYTHONSAFEPATH"):
        env.pop(name, None)
    env |= dict(extra or {})
    package = Path(fastserve.__file__).resolve().parent.parent
    if package.name != "site-packages":  # the child would find it there by itself
        paths = [env.get("PYTHONPATH"), str(package)]
        env["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return env


def start(
    *args: str,
    command: Sequence[str] = ("-m", "fastserve"),
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] = HERE,
    pass_fds: Sequence[int] = (),
    stdin: int | None = subprocess.DEVNULL,
    preexec_fn: Callable[[], object] | None = None,
    python: str = sys.executable,
) -> ServerProcess:
    """Start a server and return at once; the caller closes it. See `serve`."""
    process = subprocess.Popen(
        [python, *command, *args],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
        cwd=cwd,
        env=environment(env),
        pass_fds=pass_fds,
        preexec_fn=preexec_fn,
        start_new_session=True,  # a Ctrl-C in the terminal is not for the child
    )
    assert process.stdout is not None and process.stderr is not None
    return ServerProcess(process, Output(process.stdout), Output(process.stderr))


@contextlib.contextmanager
def serve(
    app: str, *args: str, ready: bool = True, **options: object
) -> Iterator[ServerProcess]:
    """Serve `app` (`module:attribute`) on a free port of 127.0.0.1 unless told.

    `args` are command line options; `options` are those of `start`. With `ready`
    the block begins once the server has said where it listens.
    """
    if not {"--port", "--uds", "--fd"} & set(args):
        args = ("--port", "0", *args)
    server = start(app, *args, **options)  # type: ignore[arg-type]
    try:
        if ready:
            server.wait_ready()
        yield server
    finally:
        server.close()


def run_to_end(
    *args: str, timeout: float = TIMEOUT, **options: object
) -> ServerProcess:
    """Run `python -m fastserve ARGS` until it ends by itself; for what must fail.

    Raises subprocess.TimeoutExpired (and kills it) when it does not end.
    """
    server = start(*args, **options)  # type: ignore[arg-type]
    try:
        server.wait(timeout)
    finally:
        server.close()
    return server


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago, for servers that must be told one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def read_to_end(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    answer = b""
    while piece := client.recv(65536):
        answer += piece
    return answer


def wait_until(condition: Callable[[], object], timeout: float = TIMEOUT) -> None:
    """Poll every 10 ms; raises TimeoutError when it stays false."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("condition stayed false")
        time.sleep(0.01)

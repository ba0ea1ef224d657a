"""Starts an application of frameworks/ as a process of its own, for the battery.

    with run("quart") as served:
        served.get("/").text
        served.expect_errors()   # else the log must be clean at the end

The process is `python -m fastserve`, as a user starts it. Its journal, its gate and
the file to download lie in a folder of the test's. Never shares one between processes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from _process import ServerProcess, serve
from harness.client import Client
from harness.server import eventually

APPS = Path(__file__).parent / "frameworks"
WSGI = ("--interface", "wsgi")


@dataclass(frozen=True)
class Framework:
    """An application, the options it needs, and what its framework has."""

    app: str
    options: tuple[str, ...] = ()
    lifespan: bool = True
    wsgi: bool = False
    takes_root_path_off: bool = True  # before it looks for a route


FRAMEWORKS = {
    "starlette": Framework("starlette_app:app"),
    "fastapi": Framework("fastapi_app:app"),
    "litestar": Framework("litestar_app:app"),
    "quart": Framework("quart_app:app"),
    "blacksheep": Framework("blacksheep_app:app"),
    "falcon": Framework("falcon_app:app", takes_root_path_off=False),
    "django": Framework("django_app:app", lifespan=False),
    "django-wsgi": Framework("django_app:wsgi", WSGI, lifespan=False, wsgi=True),
    "flask": Framework("flask_app:app", WSGI, lifespan=False, wsgi=True),
}


@dataclass
class Served:
    """A running application and what it leaves behind."""

    framework: Framework
    process: ServerProcess
    folder: Path
    http: httpx.Client
    _clients: list[Client] = field(default_factory=list)
    _seen: int = 0
    _errors_expected: bool = False

    @property
    def journal(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def download(self) -> bytes:
        return (self.folder / "download").read_bytes()

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    def get(self, target: str, **options: Any) -> httpx.Response:
        return self.http.get(target, **options)

    def post(self, target: str, **options: Any) -> httpx.Response:
        return self.http.post(target, **options)

    def connect(self) -> Client:
        """A client of raw bytes, closed at the end of the test."""
        client = Client((self.process.host, self.process.port), timeout=60)
        self._clients.append(client)
        return client

    @property
    def complaints(self) -> list[str]:
        """What the log holds at WARNING and above, and tracebacks, in this test."""
        marks = ("WARNING:", "CRITICAL:", "Traceback", "Exception", "Error", "ERROR")
        lines = self.process.log_lines()[self._seen :]
        return [line for line in lines if any(mark in line for mark in marks)]

    def expect_errors(self) -> None:
        self._errors_expected = True

    def wait_for_complaint(self, part: str) -> None:
        self.expect_errors()
        eventually(lambda: any(part in line for line in self.complaints), 20)

    @contextlib.contextmanager
    def test(self) -> Iterator[Served]:
        """One test's use: its clients are closed, and its log is clean."""
        self._seen = len(self.process.log_lines())
        self._errors_expected = False
        yield self
        for client in self._clients:
            client.close()
        self._clients.clear()
        assert self._errors_expected or not self.complaints, self.process.stderr.text


@contextlib.contextmanager
def run(name: str, folder: Path, *options: str) -> Iterator[Served]:
    """Serve the application of this name of FRAMEWORKS, with a folder of its own."""
    framework = FRAMEWORKS[name]
    (folder / "download").write_bytes(os.urandom(1_500_000))
    env = {
        "DOWNLOAD": str(folder / "download"),
        "JOURNAL": str(folder / "journal"),
        "GATE": str(folder / "gate"),
    }
    args = (*framework.options, *options)
    with (
        serve(framework.app, *args, cwd=APPS, env=env) as process,
        httpx.Client(base_url=process.url, timeout=60) as client,
    ):
        yield Served(framework, process, folder, client)

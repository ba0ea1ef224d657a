"""The systemd units: their command under systemd-socket-activate, and their syntax."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _deploy import (
    ADDRESS,
    COMMAND,
    DEPLOY,
    is_replaced,
    own_command,
    program,
    text_of,
    workers_of,
)
from _load import load
from _process import ServerProcess, environment, free_port, start, wait_until


def read_unit(name: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((DEPLOY / name).read_text())
    return unit


SERVICE = read_unit("fastserve.service")["Service"]
SOCKET = read_unit("fastserve.socket")["Socket"]


@pytest.fixture
def activated(folder: Path) -> Iterator[ServerProcess]:
    """The service's command, started as systemd would at the first connection."""
    assert SOCKET["ListenStream"] == ADDRESS
    port = free_port()
    env = [f"--setenv={key}={value}" for key, value in environment().items()]
    server = start(
        *("-l", f"127.0.0.1:{port}", *env),
        *shlex.split(own_command(SERVICE["ExecStart"])),
        command=(),
        python=program("systemd-socket-activate"),
        cwd=folder,
    )
    try:
        server.wait_for_log(f"Listening on .*{port}")
        server.host, server.port = "127.0.0.1", port
        yield server
    finally:
        server.close()


def test_the_connection_that_starts_it_is_answered(activated: ServerProcess) -> None:
    assert activated.get("/pid").text.isdigit()
    activated.wait_for_log(r"running on socket \('127.0.0.1', \d+\)")
    # What systemd sends the main process, for that is what KillMode= says.
    assert SERVICE["KillMode"] == "mixed"
    assert activated.stop(timeout=float(SERVICE["TimeoutStopSec"])) == 0


def test_reload_loses_no_request(activated: ServerProcess) -> None:
    activated.get("/pid")
    pid = activated.pid
    wait_until(lambda: len(workers_of(pid)) == 2)
    reload = ["/bin/sh", "-c", f"exec {SERVICE['ExecReload']}"]
    with load(activated.port, target="/pid") as clients:
        for _ in range(2):
            before = workers_of(pid)
            subprocess.run(reload, check=True, env={"MAINPID": str(pid)})
            wait_until(lambda: is_replaced(pid, before), timeout=60)  # noqa: B023
        answered = clients.answered
        wait_until(lambda: clients.answered > answered + 100)
    assert clients.failures == []


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    verify = program("systemd-analyze")
    python = shutil.which("true")
    assert python is not None
    for name, replace in (
        ("fastserve.socket", {}),
        ("fastserve.service", {COMMAND: python, "/srv/app": "/tmp"}),
    ):
        (tmp_path / name).write_text(text_of(name, replace))
    ran = subprocess.run(
        [verify, "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert Path(sys.executable).exists()

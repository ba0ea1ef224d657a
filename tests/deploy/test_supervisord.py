"""supervisord with its fcgi-program: it listens, fastserve serves on descriptor 0."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from _deploy import ADDRESS, COMMAND, is_replaced, own_command, text_of, workers_of
from _load import load
from _process import ServerProcess, environment, free_port, start, wait_until

pytest.importorskip("supervisor", reason="supervisord does not run on this platform")


class Supervised:
    """A running supervisord."""

    def __init__(self, server: ServerProcess, config: Path) -> None:
        self.server, self.config = server, config

    def control(self, *args: str) -> str:
        """What `supervisorctl ARGS` says."""
        command = [sys.executable, "-m", "supervisor.supervisorctl"]
        ran = subprocess.run(
            [*command, "-c", str(self.config), *args],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=60,
        )
        return ran.stdout + ran.stderr

    def pid_of(self, name: str) -> int:
        return int(self.control("pid", name))

    def is_running(self, name: str) -> bool:
        return "RUNNING" in self.control("status", name)


@contextlib.contextmanager
def supervised(folder: Path, changes: dict[str, str]) -> Iterator[Supervised]:
    """supervisord with the file of deploy/, and the application in `folder`."""
    port = free_port()
    [command] = [
        line.partition("=")[2].strip()
        for line in text_of("supervisord.conf", {}).splitlines()
        if line.startswith("command")
    ]
    text = text_of(
        "supervisord.conf",
        {
            ADDRESS: f"127.0.0.1:{port}",
            command: own_command(command),
            "/run/": f"{folder}/",
            "directory = /srv/app": f"directory = {folder}",
        },
    )
    assert COMMAND not in text
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    config = folder / "supervisord.conf"
    config.write_text(text)
    server = start("-c", str(config), command=("-m", "supervisor.supervisord"))
    server.host, server.port = "127.0.0.1", port
    try:
        yield Supervised(server, config)
    finally:
        below = []
        with contextlib.suppress(psutil.NoSuchProcess):
            below = psutil.Process(server.pid).children(recursive=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.stop(timeout=30)
        server.close()
        for process in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def test_reload_by_signal_loses_no_request(folder: Path) -> None:
    with supervised(folder, {}) as it:
        name = "app:app_00"
        wait_until(lambda: it.is_running(name))
        pid = it.pid_of(name)
        wait_until(lambda: len(workers_of(pid)) == 2)
        with load(it.server.port, target="/pid") as clients:
            wait_until(lambda: clients.answered > 10)
            before = workers_of(pid)
            assert "signalled" in it.control("signal", "HUP", name)
            wait_until(lambda: is_replaced(pid, before), timeout=60)
            answered = clients.answered
            wait_until(lambda: clients.answered > answered + 100)
        assert clients.failures == []
        assert it.pid_of(name) == pid


def test_a_program_for_each_process(folder: Path) -> None:
    # As uvicorn's own documentation has it: supervisord starts several.
    several = {"numprocs = 1": "numprocs = 2", " --workers 2": ""}
    with supervised(folder, several) as it:
        names = ["app:app_00", "app:app_01"]
        wait_until(lambda: all(map(it.is_running, names)))
        pids = {it.pid_of(name) for name in names}
        seen: set[int] = set()

        def both_have_answered() -> bool:
            seen.add(int(it.server.get("/pid").text))
            return seen == pids

        with load(it.server.port, clients=4, target="/pid"):
            wait_until(both_have_answered)
        assert "started" in it.control("restart", names[0])
        assert it.pid_of(names[0]) not in pids
        assert it.server.get("/pid").status == 200
        psutil.Process(it.pid_of(names[1])).kill()
        wait_until(lambda: it.is_running(names[1]) and it.pid_of(names[1]) not in pids)
        assert it.server.stop() == 0

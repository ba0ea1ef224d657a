"""The files of deploy/ as the tests run them: the text, with other addresses in it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

import psutil
import pytest
from _process import wait_until

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
# The command of every file that starts fastserve.
COMMAND = "/srv/app/.venv/bin/fastserve"
ADDRESS = "127.0.0.1:8000"


def text_of(name: str, replace: dict[str, str]) -> str:
    """A file's text with each of `replace` done; fails where there is nothing to do."""
    text = (DEPLOY / name).read_text()
    for old, new in replace.items():
        assert old in text, f"{name} does not say {old!r}"
        text = text.replace(old, new)
    return text


def own_command(command: str) -> str:
    """The command line with the fastserve that is tested in place of the installed."""
    assert command.startswith(f"{COMMAND} ")
    return f"{shlex.quote(sys.executable)} -m fastserve{command.removeprefix(COMMAND)}"


def program(name: str) -> str:
    """The path of a program of the system's; skips the test where there is none."""
    folders = os.pathsep.join(
        [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    )
    found = shutil.which(name, path=folders)
    if found is None:
        pytest.skip(f"{name} is not installed here; .ci/run installs it")
    return found


def workers_of(pid: int) -> set[int]:
    """The processes that serve for the parent `pid`."""
    found = set()
    for child in psutil.Process(pid).children():
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.add(child.pid)
        except psutil.NoSuchProcess:
            pass
    return found


def hang_up_until_replaced(pid: int, *, times: int = 2) -> None:
    """Each time: SIGHUP to the parent `pid`, and wait until all workers are others."""
    for _ in range(times):
        before = workers_of(pid)
        assert before
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: is_replaced(pid, before), timeout=60)  # noqa: B023


def is_replaced(pid: int, before: set[int]) -> bool:
    now = workers_of(pid)
    return len(now) == len(before) and not now & before

"""Runs the leak scripts of this folder, each on each loop in a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LOOPS = ["asyncio"] + ["uvloop"] * bool(importlib.util.find_spec("uvloop"))
SCRIPTS = sorted(path.name for path in HERE.glob("leak_*.py"))


@pytest.mark.timeout(320)  # it computes for seconds, which may be minutes beside others
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_nothing_stays(script: str, loop: str) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / script), loop],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_scripts_are_there() -> None:
    assert len(SCRIPTS) == 4

"""The short form of `make soak`, on each loop."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parent / "soak.py"
LOOPS = ["asyncio"] + ["uvloop"] * bool(importlib.util.find_spec("uvloop"))
SHORT = ["--requests", "10000", "--aborts", "1000", "--websockets", "200"]


@pytest.mark.timeout(320)  # seconds of work, which may be minutes beside others
@pytest.mark.skipif(sys.platform != "linux", reason="counts by Linux's /proc")
@pytest.mark.parametrize("loop", LOOPS)
def test_a_server_holds_what_it_held_in_the_beginning(loop: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", str(SOAK), "--loop", loop, *SHORT],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""The quick part of the Autobahn testsuite; `make autobahn` runs all of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "autobahn" / "run.py"


@pytest.mark.timeout(600)  # the first run installs the suite
@pytest.mark.parametrize("part", ["--quick", "--zlib"])
def test_a_part_of_autobahn(part: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", str(SCRIPT), part],
        capture_output=True,
        text=True,
        timeout=500,
    )
    if done.returncode == 2:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr

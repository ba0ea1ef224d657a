"""What the tests of deploy/ share: the helpers of tests/server, and applications."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# `_process`, `_deploy`, `harness` and the others, in every import mode of pytest.
sys.path[:0] = [str(HERE), str(HERE.parent / "server"), str(HERE.parent)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the application lies: `main:app`, as all files of deploy/ name it."""
    (tmp_path / "main.py").write_text(f"""\
import sys
sys.path.insert(0, {str(HERE)!r})
from _deployed import app
""")
    return tmp_path

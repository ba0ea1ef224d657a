"""What type checkers say to users: of a program of theirs, mistakes in it included.

pyright is fetched by its package, with npm, when it is first run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("_typed.py")
# As strict as pyright can be, and a comment that ignores nothing is an error.
PYRIGHT = {
    "include": [PROGRAM.name],
    "typeCheckingMode": "strict",
    "enableTypeIgnoreComments": False,
    "reportUnnecessaryTypeIgnoreComment": "error",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The program, alone."""
    shutil.copy(PROGRAM, tmp_path)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(PYRIGHT))
    return tmp_path


def check(folder: Path, *command: str) -> None:
    # --verifytypes looks for `python` on PATH, whatever --pythonpath says.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ran = subprocess.run(
        [sys.executable, "-P", "-m", *command],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_mypy_knows_the_public_names(folder: Path) -> None:
    check(folder, "mypy", "--strict", "--cache-dir", "cache", PROGRAM.name)


@pytest.mark.timeout(600)
def test_pyright_knows_the_public_names(folder: Path) -> None:
    check(folder, "pyright", "--pythonpath", sys.executable)


@pytest.mark.timeout(600)
def test_every_public_name_has_a_type(folder: Path) -> None:
    # --ignoreexternal: what a dependency of ours leaves open is not ours to close.
    check(folder, "pyright", "--verifytypes", "fastserve", "--ignoreexternal")

"""The targets in Python hold for their seeds and for what fuzzing has kept.

`make fuzz` goes on from there; this needs no clang and no atheris, and takes seconds.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "unit"), str(HERE.parent)]

TARGETS = sorted(path.stem for path in HERE.glob("fuzz_*.py"))


@pytest.fixture(autouse=True)
def logger_put_back() -> Iterator[None]:
    logger = logging.getLogger("uvicorn.error")
    handlers, propagate = logger.handlers[:], logger.propagate
    yield
    logger.handlers, logger.propagate = handlers, propagate


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_holds(name: str) -> None:
    target = importlib.import_module(name)
    kept = [path.read_bytes() for path in sorted((HERE / "corpus" / name).glob("*"))]
    inputs = [*target.seeds(), *kept]
    assert len(inputs) > 20
    for data in inputs:
        target.check(data)

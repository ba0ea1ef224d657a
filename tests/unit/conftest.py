"""`from _messages import ...` in the tests of this folder.

It works in every import mode of pytest, without putting the checkout itself, and its
unbuilt fastserve, on the path.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from _configs import LOGGERS  # noqa: E402


@pytest.fixture
def loggers_put_back() -> Iterator[None]:
    """Loggers that nobody has set up, and afterwards as they were."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(each.level, each.handlers[:], each.propagate) for each in loggers]
    for each in loggers:
        each.setLevel(logging.NOTSET)
        each.handlers, each.propagate = [], True
    yield
    for each, (level, handlers, propagate) in zip(loggers, before, strict=True):
        each.setLevel(level)
        each.handlers, each.propagate = handlers, propagate

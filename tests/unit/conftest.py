"""`from _messages import ...` and `from harness...` in the tests of this folder.

It works in every import mode of pytest, without putting the checkout itself, and its
unbuilt fastserve, on the path.
"""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from _command import main_module  # noqa: E402
from _configs import LOGGERS  # noqa: E402
from _sockets import Pair  # noqa: E402


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


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: one without configuration files."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the command passes to run(), which is not run."""
    made: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(
        main_module, "run", lambda app, **options: made.append((app, options))
    )
    return made


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of one connection, that never block."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for sock in (ours, theirs):
            sock.setblocking(False)
        yield ours, theirs

"""The fixtures of tests/harness, and the way to import from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# `from harness.client import Client`, in every import mode of pytest; also what
# starts processes, and what lies in this folder.
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "server"), str(HERE)]
pytest.register_assert_rewrite("harness")

from harness.fixtures import (  # noqa: E402
    _long_lived,
    loop_name,
    site,
    start_server,
)

__all__ = ["_long_lived", "loop_name", "site", "start_server"]

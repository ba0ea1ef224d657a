"""The fixtures of tests/harness, and the way to import from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# `from harness.client import Client`, in every import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent.parent))
pytest.register_assert_rewrite("harness")

from harness.fixtures import (  # noqa: E402
    _long_lived,
    loop_name,
    site,
    start_server,
)

__all__ = ["_long_lived", "loop_name", "site", "start_server"]

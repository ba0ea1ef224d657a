"""What the tests of docs/ share: the helpers of tests/server and tests/deploy."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / folder) for folder in ("docs", "server", "deploy")]

"""Says in pytest's header which fastserve is tested; imports nothing of it."""

from __future__ import annotations

import importlib.util


def pytest_report_header() -> str:
    spec = importlib.util.find_spec("fastserve")
    return f"fastserve: {spec.origin if spec else 'not installed'}"

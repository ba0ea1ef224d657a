"""Samples, results and documents of bench.compare as its rounds would leave them."""

from __future__ import annotations

from typing import Any

import _bench  # noqa: F401

from bench.compare import document, rounds
from bench.compare.workloads import Workload

Sample = dict[str, Any]

WORKLOAD = Workload(
    name="tiny", title="tiny requests", app="apps:plaintext", answer=b"Hello, World!"
)


def sample(value: float, number: int = 0, *, busy: float = 1.0, **more: Any) -> Sample:
    """One round's sample; `quiet=False` says that others were at work."""
    usage = {
        "quiet": more.pop("quiet", True),
        "busy": busy,
        "server_cpu": 2.0,
        "server_system": 1.5,
        "peak": 30 * 1048576,
    }
    latency = {"p50": 100.0, "p99": 900.0, "p999": 2500.0}
    taken = {"value": value, "round": number, "rate": 1e6 / value, "usage": usage}
    return taken | {"latency_us": latency, "errors": {}} | more


def samples(*values: float, **more: Any) -> list[Sample]:
    """A sample a value, in rounds of their own."""
    return [sample(value, number, **more) for number, value in enumerate(values)]


def page(taken: dict[str, list[Sample]], **more: Any) -> dict[str, Any]:
    """A whole document with one workload."""
    result = rounds.Result(WORKLOAD, taken, **more)
    return {
        "format": document.FORMAT,
        "date": "2026-01-01 00:00+00:00",
        "machine": {"processor": "a processor", "cores": "2"},
        "versions": {"CPython": "3.11.7"},
        "command": "python -m bench.compare",
        "rounds": "3 of 1 s",
        "not_quiet": "",
        "commands": {"fastserve": "fastserve apps:plaintext"},
        "left_out": {"granian": "pip said\nno such distribution"},
        "workloads": {"tiny": document.entry(result, "load", "")},
        "constant_rate": {},
    }

"""Runs the rounds: every server once a round, in an order that turns about.

Going forth and back cancels a drift of the machine, and makes the servers' figures of
one round a pair that may be divided.
"""

from dataclasses import dataclass, field
from pathlib import Path

from . import idle, load, start, websocket, websocket_idle
from .servers import ServerFailed

MEASURE = {
    "load": load.measure,
    "idle": idle.measure,
    "start": start.measure,
    "websocket": websocket.measure,
    "websocket-idle": websocket_idle.measure,
}


@dataclass(frozen=True)
class Settings:
    """How to measure; the same for all workloads."""

    bin_dir: Path
    rounds: int
    seconds: int
    server_core: int
    load_core: int


@dataclass
class Result:
    """All samples of one workload."""

    workload: object
    samples: dict = field(default_factory=dict)  # server name: a sample a round
    failures: dict = field(default_factory=dict)  # server name: why it has none


def run(workload, servers, settings, progress):
    """Measure one workload on all servers; `progress` gets a line a sample."""
    takers = [s for s in servers if s.name != "ceiling" or workload.ceiling]
    result = Result(workload, {server.name: [] for server in takers})
    for number in range(settings.rounds):
        order = takers if number % 2 == 0 else takers[::-1]
        for server in order:
            if server.name in result.failures:
                continue
            head = f"{workload.name} {number + 1}/{settings.rounds} {server.name}"
            try:
                sample = MEASURE[workload.kind](server, workload, settings)
            except ServerFailed as error:
                result.failures[server.name] = str(error)
                result.samples[server.name] = []
                progress(f"{head}: failed: {error}")
                continue
            result.samples[server.name].append(sample)
            progress(f"{head}: {describe(sample)}")
    return result


def describe(sample):
    """A sample in a few words."""
    usage = sample["usage"]
    text = f"{sample['value']:.2f}, server core {usage['busy']:.0%} busy"
    if not usage["quiet"]:
        text += (
            f", not quiet: others {usage['foreign']:.0%} of a core"
            f" (most: {usage['culprit']}), steal {usage['steal']:.0%}"
        )
    return text

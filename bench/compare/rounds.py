"""Runs the rounds: every server once a round, in an order that turns about.

Going forth and back cancels a drift of the machine, and makes the servers' figures of
one round a pair that may be divided.
"""

from dataclasses import dataclass, field
from pathlib import Path

from . import handshake, idle, load, sse, start, upload, websocket, websocket_idle
from .process import ServerFailed
from .servers import Certificate, LeftOut

MEASURE = {
    "load": load.measure,
    "upload": upload.measure,
    "handshake": handshake.measure,
    "sse": sse.measure,
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
    server_cores: tuple[int, ...]
    load_core: int
    certificate: Certificate
    everyone: bool = True  # whether minor servers take part in every workload

    def cores_of(self, workload):
        """The cores that a server runs on: one a worker, as far as there are."""
        return self.server_cores[: workload.workers]


@dataclass
class Result:
    """All samples of one workload; in each, `round` tells which belong together."""

    workload: object
    samples: dict = field(default_factory=dict)  # server name: a sample a round
    failures: dict = field(default_factory=dict)  # server name: why it has none
    left_out: dict = field(default_factory=dict)  # server name: what it cannot do


def takers(workload, servers, settings):
    """The servers that a workload is for: of the limits, those that can answer it."""
    everyone = settings.everyone or workload.core
    return [
        server
        for server in servers
        if (not server.is_limit or server.name in workload.limits)
        and (everyone or not server.is_minor)
    ]


def run(workload, servers, settings, progress, measure=None):
    """Measure one workload on all servers; `progress` gets a line a sample.

    `measure` is what measures one round, the workload's own if it is None.
    """
    measure = measure or MEASURE[workload.kind]
    chosen = takers(workload, servers, settings)
    result = Result(workload, {server.name: [] for server in chosen})
    for number in range(settings.rounds):
        for server in chosen if number % 2 == 0 else chosen[::-1]:
            if server.name not in result.samples:
                continue
            head = f"{workload.name} {number + 1}/{settings.rounds} {server.name}"
            try:
                sample = measure(server, workload, settings)
            except LeftOut as reason:
                progress(f"{head}: left out: {reason}")
                drop(result, server.name, result.left_out, reason)
            except ServerFailed as error:
                progress(f"{head}: failed: {error}")
                drop(result, server.name, result.failures, error)
            else:
                result.samples[server.name].append(sample | {"round": number})
                progress(f"{head}: {describe(sample)}")
    return result


def drop(result, name, reasons, reason):
    """Take a server out of a result: what it has is not compared."""
    del result.samples[name]
    reasons[name] = str(reason)


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

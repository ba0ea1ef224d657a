"""The result as one document: what --json writes, and all that the reports are made of.

Every sample stands in it beside what figures.py makes of them, so that a table or a
plot can be made again later (--render), and anyone can recompute it.
"""

import json
from dataclasses import asdict, dataclass

from . import figures

FORMAT = 2  # the form of the document; --render takes no other


@dataclass(frozen=True)
class Kind:
    """How the figures of a kind of workload are called."""

    value: str  # what ranks
    detail: str  # the second figure
    detail_key: str  # where a sample has it
    timed: bool = True  # whether there are rates, latencies and a peak of memory


KINDS = {
    "load": Kind("CPU us/request", "requests/s", "rate"),
    "upload": Kind("CPU us/request", "requests/s", "rate"),
    "handshake": Kind("CPU us/connection", "connections/s", "rate"),
    "sse": Kind("CPU us/event", "events/s", "rate"),
    "websocket": Kind("CPU us/message", "messages/s", "rate"),
    "rate": Kind("p99 us", "CPU us/request", "cpu"),
    "idle": Kind("bytes/connection (PSS)", "private", "private", timed=False),
    "websocket-idle": Kind(
        "bytes/connection (PSS)", "beyond the application's", "beyond", timed=False
    ),
    "start": Kind("ms to first answer", "ms to import", "import", timed=False),
}


def entry(result, kind, not_quiet):
    """One workload: the table's figures, the verdict, and every sample."""
    samples = {name: taken for name, taken in result.samples.items() if taken}
    limits = result.workload.limits
    return {
        "title": result.workload.title,
        "kind": kind,
        "unit": KINDS[kind].value,
        "connections": result.workload.connections,
        "limits": list(limits),
        "verdict": asdict(figures.verdict(kind, samples, limits, not_quiet)),
        "servers": {
            name: summary(kind, taken, samples) | {"samples": taken}
            for name, taken in samples.items()
        },
        "left_out": result.left_out,
        "failures": result.failures,
    }


def summary(kind, taken, samples):
    """The figures of one server's row."""
    low, high = figures.spread(taken)
    found = {
        "value": figures.median(taken, "value"),
        "low": low,
        "high": high,
        "detail": figures.median(taken, KINDS[kind].detail_key),
        "of_ceiling": figures.paired_ratio(samples.get(figures.CEILING, []), taken),
        "to_fastserve": figures.paired_ratio(taken, samples.get(figures.OURS, [])),
        "marks": figures.marks(kind, taken),
    }
    if KINDS[kind].timed:
        found["kernel"] = figures.kernel_share(taken)
        found["peak"] = figures.median(taken, "usage", "peak")
        for name in ("p50", "p99", "p999"):
            found[name] = figures.median(taken, "latency_us", name)
    return found


def write(path, document):
    """Write the document; the file is whole at every moment."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(document, indent=1) + "\n")
    fresh.replace(path)


def read(path):
    """A document from a file; raises SystemExit if it is none of ours."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise SystemExit(f"{path} is no result of this version of bench.compare")
    return document

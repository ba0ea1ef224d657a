"""What the plots show, as plain numbers out of a document; plots.py draws it."""

import statistics

from .figures import OURS

CONNECTIONS = {
    1: "connections-1",
    64: "plaintext",
    512: "connections-512",
    4096: "connections-4096",
}
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
FEW = 9  # bars of one panel
LONG = 3.5  # times the median: bars that are longer are cut
GAP = 0.047  # of the axis' height, between two names


def bars(entry):
    """(server, value, low, high), the best first: FEW of them, fastserve among them."""
    found = sorted(
        (figures["value"], name, figures["low"], figures["high"])
        for name, figures in entry["servers"].items()
    )
    ours = [bar for bar in found if bar[1] == OURS]
    chosen = found[:FEW] if ours and ours[0] in found[:FEW] else found[: FEW - 1] + ours
    return [(name, value, low, high) for value, name, low, high in chosen]


def end_of(found):
    """Where the axis of bars ends: a value over LONG times the median bar is cut."""
    values = [value for _, value, _, _ in found]
    end = LONG * statistics.median(values)
    return max(value for value in values if value <= end)


def ratios(entries, kinds):
    """{workload: {server: its figure / fastserve's}} for workloads of some kinds."""
    found = {}
    for name, entry in entries.items():
        row = {
            server: figures["to_fastserve"]
            for server, figures in entry["servers"].items()
            if figures["to_fastserve"] and server not in (OURS, *entry["limits"])
        }
        if entry["kind"] in kinds and row:
            found[name] = row
    return found


def by_connections(entries):
    """{server: [(connections, value), ...]} for the servers that have all points."""
    found = {}
    for count, name in CONNECTIONS.items():
        for server, figures in entries.get(name, {"servers": {}})["servers"].items():
            found.setdefault(server, []).append((count, figures["value"]))
    most = max(map(len, found.values()), default=0)
    return {s: line for s, line in found.items() if len(line) == most > 1}


def curves(entry):
    """{server: [(share, ms), ...]}: percentiles of the latency, medians of rounds."""
    found = {}
    for server, figures in entry["servers"].items():
        latencies = [sample["latency_us"] for sample in figures["samples"]]
        found[server] = [
            (share, statistics.median(taken[name] for taken in latencies) / 1000)
            for name, share in SHARES.items()
        ]
    return found


def places(wanted):
    """Heights for names, {name: height}, at least GAP apart and near what is wanted.

    Heights are shares of the axis; names that meet are moved about their middle.
    """
    groups = []  # [names, height of their middle]
    for name, height in sorted(wanted.items(), key=lambda item: item[1]):
        groups.append([[name], height])
        while len(groups) > 1 and touch(*groups[-2:]):
            names, middle = groups.pop()
            below, low = groups[-1]
            count = len(names) + len(below)
            mean = (middle * len(names) + low * len(below)) / count
            groups[-1] = [below + names, mean]
    return {
        name: middle + (place - (len(names) - 1) / 2) * GAP
        for names, middle in groups
        for place, name in enumerate(names)
    }


def touch(lower, upper):
    """Whether two groups of names overlap."""
    half = (len(lower[0]) + len(upper[0])) / 2 * GAP
    return upper[1] - lower[1] < half

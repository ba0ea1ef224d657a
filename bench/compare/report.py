"""Makes tables and JSON of the results; it measures nothing.

Every figure is a median over the rounds; a ratio is the median of the ratios within
each round, never the ratio of two medians.
"""

import statistics

BUSY = 0.95  # below this share of its core, the server was not the limit

COLUMNS = {
    "load": ("CPU us/request", "requests/s"),
    "idle": ("bytes/connection (PSS)", "private"),
    "start": ("ms to first answer", "ms to import"),
    "websocket": ("CPU us/message", "messages/s"),
    "websocket-idle": ("bytes/connection (PSS)", "beyond the application's"),
}
DETAIL = {
    "load": "rate",
    "idle": "private",
    "start": "import",
    "websocket": "rate",
    "websocket-idle": "beyond",
}
LOADS = ("load", "websocket")  # kinds that a client keeps busy

LEGEND = """\
CPU of the server's whole process tree; [low-high] over the rounds.
of ceiling: the ceiling's figure divided by the server's (1.00 is the ceiling).
x fastserve: the server's figure divided by fastserve's, both of one round.
kernel: the share of the CPU time that the server spent in the kernel.
c: client-bound, the server's core was under 95 % busy: judge by CPU alone.
n2/5: in 2 of 5 rounds the machine was not quiet. e: errors under load."""


def median_of(samples, key):
    """The median of one figure."""
    return statistics.median(sample[key] for sample in samples)


def paired_ratio(samples, others):
    """The median of sample / other within each round; None without pairs."""
    if not samples or len(samples) != len(others):
        return None
    pairs = zip(samples, others, strict=True)
    return statistics.median(a["value"] / b["value"] for a, b in pairs)


def marks(kind, samples):
    """The letters that LEGEND explains."""
    usages = [sample["usage"] for sample in samples]
    found = []
    if kind in LOADS and statistics.median(u["busy"] for u in usages) < BUSY:
        found.append("c")
    loud = sum(not usage["quiet"] for usage in usages)
    if loud and "idle" not in kind:  # memory does not depend on who else runs
        found.append(f"n{loud}/{len(usages)}")
    if any(sample.get("errors") for sample in samples):
        found.append("e")
    return " ".join(found)


def kernel_share(samples):
    """The median of the share of CPU time spent in the kernel, in percent."""
    usages = [sample["usage"] for sample in samples]
    shares = [u["server_system"] / (u["server_cpu"] or 1) for u in usages]
    return f"{statistics.median(shares):.0%}"


def number(value):
    """Three or more significant digits, thousands with commas."""
    if value is None:
        return "-"
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def row(result, name):
    """One server's cells on one workload."""
    samples = result.samples[name]
    if not samples:
        return [name, "failed", "", "", "", "", "", ""]
    kind = result.workload.kind
    values = [sample["value"] for sample in samples]
    fastserve = result.samples.get("fastserve", [])
    ceiling = result.samples.get("ceiling", [])
    return [
        name,
        number(statistics.median(values)),
        f"[{number(min(values))}-{number(max(values))}]",
        number(median_of(samples, DETAIL[kind])),
        kernel_share(samples) if kind in LOADS else "-",
        number(paired_ratio(ceiling, samples)),
        number(paired_ratio(samples, fastserve)),
        marks(kind, samples),
    ]


def table(rows):
    """Rows of cells as aligned lines of a Markdown table; the first is its head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [line(row, widths) for row in rows]
    rule = [":" + "-" * (widths[0] - 1)] + ["-" * (w - 1) + ":" for w in widths[1:]]
    return "\n".join([lines[0], line(rule, widths), *lines[1:]])


def line(cells, widths):
    """One line of a table: the first cell to the left, the others to the right."""
    first, *rest = zip(cells, widths, strict=True)
    parts = [first[0].ljust(first[1])] + [cell.rjust(width) for cell, width in rest]
    return "| " + " | ".join(parts) + " |"


def render(result):
    """One workload as a heading and a table."""
    value, detail = COLUMNS[result.workload.kind]
    head = ["server", value, "spread", detail, "kernel"]
    head += ["of ceiling", "x fastserve", "marks"]
    rows = [row(result, name) for name in result.samples]
    text = f"### {result.workload.title}\n\n{table([head, *rows])}"
    for name, reason in result.failures.items():
        text += f"\n\n{name} failed: {reason.splitlines()[0]}"
    return text


def header(machine, versions, settings, date):
    """What was measured, with what and how."""
    lines = [f"{name}: {value}" for name, value in machine.items()]
    lines.append("versions: " + ", ".join(f"{n} {v}" for n, v in versions.items()))
    lines.append(
        f"rounds: {settings.rounds} of {settings.seconds} s, a fresh server in each"
        f" (core {settings.server_core}), load from core {settings.load_core}"
    )
    lines.append(f"date: {date}")
    return "\n".join(lines)


def as_dict(result):
    """For JSON: every sample, and the medians of the table."""
    return {
        "title": result.workload.title,
        "kind": result.workload.kind,
        "unit": COLUMNS[result.workload.kind][0],
        "servers": {
            name: summary(result, name) | {"samples": samples}
            for name, samples in result.samples.items()
        },
        "failures": result.failures,
    }


def summary(result, name):
    """The medians of one server as numbers."""
    samples = result.samples[name]
    if not samples:
        return {}
    return {
        "median": median_of(samples, "value"),
        "of_ceiling": paired_ratio(result.samples.get("ceiling", []), samples),
        "to_fastserve": paired_ratio(samples, result.samples.get("fastserve", [])),
        "marks": marks(result.workload.kind, samples),
    }

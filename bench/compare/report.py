"""Makes Markdown of a document (document.py); it measures and computes nothing."""

from .document import KINDS

LEGEND = """\
CPU time is that of the server's whole process tree; low-high over the rounds.
of ceiling: the ceiling's figure divided by the server's, paired by round; 1.00 is the
ceiling. x fastserve: the server's figure divided by fastserve's, paired by round.
kernel: the share of the CPU time that the server spent in the kernel.
peak: the most memory that the process tree had, at the end of the round.
c: client-bound, the server's cores were under 95 % busy: judge by CPU alone.
n2/5: in 2 of 5 rounds the machine was not quiet. e: errors under load.
p50, p99 and p99.9 of a closed loop are no latencies that users see: for those look at
the tables at a constant rate."""


def number(value):
    """Three or more significant digits, thousands with commas; "-" for nothing."""
    if value is None:
        return "-"
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"


def time(microseconds):
    """Microseconds or milliseconds, with the unit."""
    if microseconds is None:
        return "-"
    if microseconds < 1000:
        return f"{microseconds:.0f} us"
    return f"{number(microseconds / 1000)} ms"


def mebibytes(count):
    """Bytes as MiB."""
    return "-" if count is None else f"{count / 1048576:.0f}"


def percent(share):
    """A share as a whole percentage."""
    return "-" if share is None else f"{share:.0%}"


def head(kind):
    """The column titles of a kind of workload."""
    names = KINDS[kind]
    titles = ["server", names.value, "low-high", names.detail]
    if names.timed:
        titles += ["p50", "p99", "p99.9", "peak MiB", "kernel"]
    return [*titles, "of ceiling", "x fastserve", "marks"]


def row(kind, name, found):
    """The cells of one server."""
    cells = [
        name,
        number(found["value"]),
        f"{number(found['low'])}-{number(found['high'])}",
        number(found["detail"]),
    ]
    if KINDS[kind].timed:
        cells += [time(found[key]) for key in ("p50", "p99", "p999")]
        cells += [mebibytes(found["peak"]), percent(found["kernel"])]
    ratios = [number(found["of_ceiling"]), number(found["to_fastserve"])]
    return [*cells, *ratios, found["marks"]]


def rows(entry):
    """The cells of all servers, the cheapest first."""
    ranked = sorted(entry["servers"].items(), key=lambda item: item[1]["value"])
    return [row(entry["kind"], name, found) for name, found in ranked]


def notes(entry):
    """A line for each server that has no row."""
    lines = [f"left out: {n}: {why}" for n, why in entry["left_out"].items()]
    for name, why in entry["failures"].items():
        lines.append(f"failed: {name}: {why.splitlines()[0]}")
    return lines


def table(cells):
    """Rows of cells as aligned lines of a Markdown table; the first is its head."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = [":" + "-" * (widths[0] - 1)] + ["-" * (w - 1) + ":" for w in widths[1:]]
    return "\n".join(line(row, widths) for row in [cells[0], rule, *cells[1:]])


def line(cells, widths):
    """One line of a table: the first cell to the left, the others to the right."""
    first, *rest = zip(cells, widths, strict=True)
    parts = [first[0].ljust(first[1])] + [cell.rjust(width) for cell, width in rest]
    return "| " + " | ".join(parts) + " |"


def section(entry):
    """One workload: heading, verdict, table, and who is missing."""
    parts = [f"#### {entry['title']}", entry["verdict"]["text"]]
    if entry["servers"]:
        parts.append(table([head(entry["kind"]), *rows(entry)]))
    parts += notes(entry)
    return "\n\n".join(parts)


def summary(entries):
    """One line a workload: fastserve's place, and the best rival's ratio."""
    cells = [["workload", "fastserve", "best rival", "its figure / fastserve's"]]
    for name, entry in entries.items():
        verdict = entry["verdict"]
        place = verdict["place"].replace("none", "no verdict")
        ratio = number(verdict["ratio"])
        cells.append([name, place, verdict["rival"] or "-", ratio])
    return table(cells)


def header(document):
    """What was measured, with what and how."""
    facts = dict(document["machine"])
    facts["versions"] = ", ".join(f"{n} {v}" for n, v in document["versions"].items())
    facts["command"] = f"`{document['command']}`"
    facts["rounds"] = document["rounds"]
    facts["date"] = document["date"]
    facts["quiet"] = document["not_quiet"] or "yes, before the first round"
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def command_lines(document):
    """Each server's command line, and who was left out altogether."""
    lines = [f"- {name}: `{text}`" for name, text in document["commands"].items()]
    lines += [
        f"- left out: {name}: {why.splitlines()[-1]}"
        for name, why in document["left_out"].items()
    ]
    return "\n".join(lines)


def markdown(document):
    """The whole report."""
    parts = [header(document), command_lines(document), LEGEND]
    if document["workloads"]:
        parts += ["### Summary", summary(document["workloads"])]
        parts += ["### Workloads", *map(section, document["workloads"].values())]
    if document["constant_rate"]:
        parts += [RATE_HEADING, RATE_LEGEND]
        parts += map(section, document["constant_rate"].values())
    return "\n\n".join(parts) + "\n"


RATE_HEADING = "### Latency at a constant rate"
RATE_LEGEND = """\
Each server gets the same number of requests a second, 70 % of what the slowest of them
managed above. A request's time runs from when it was due, not from when the client came
to send it, so that a server which stalls is charged for all whom it kept waiting."""

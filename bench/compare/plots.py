"""Draws a document as PNG files for a slide: white ground, 16:9, readable from far.

What they show is found in series.py. A plot without data is not drawn.
"""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator  # noqa: E402

from .figures import OURS  # noqa: E402
from .series import (  # noqa: E402
    CONNECTIONS,
    SHARES,
    bars,
    by_connections,
    curves,
    end_of,
    places,
    ratios,
)

COLOURS = {  # Okabe and Ito's, told apart by all eyes
    OURS: "#d55e00",
    "uvicorn": "#0072b2",
    "granian": "#009e73",
    "hypercorn": "#cc79a7",
    "h2corn": "#e69f00",
    "peregrine": "#56b4e9",
}
REST = "#9a9a9a"  # other servers
LIMIT = "#d0d0d0"  # nginx and the ceiling
INK, FAINT = "#222222", "#e4e4e4"

PANELS = ("plaintext", "headers", "varied", "fastapi-async", "echo-1k", "stream-100")

STYLE = {
    "figure.figsize": (13.33, 7.5),
    "figure.dpi": 120,
    "font.size": 15,
    "axes.titlesize": 17,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def colour(server, limits=("ceiling", "nginx")):
    """The colour of a server in every plot."""
    return LIMIT if server in limits else COLOURS.get(server, REST)


def plain(value, _=None):
    """A number on an axis, as short as it is exact."""
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def short(value):
    """A figure at a bar: three digits or so."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def figure(title, note, **grid):
    """A figure and its axes, with a title and a line of small print."""
    shape, axes = plt.subplots(squeeze=False, layout="constrained", **grid)
    shape.get_layout_engine().set(w_pad=0.18, h_pad=0.18, wspace=0.03, hspace=0.05)
    shape.suptitle(title, x=0.012, ha="left", fontsize=23, fontweight="bold")
    shape.supxlabel(note, x=0.012, ha="left", fontsize=10.5, color="#666666")
    return shape, axes


def small_print(page):
    """What the figures depend on, in one line."""
    machine, versions = page["machine"], page["versions"]
    python = next(iter(versions.items()), ("", ""))
    rounds = "rounds: " + page["rounds"].partition(",")[0]
    parts = [machine.get("processor"), " ".join(python), rounds]
    if page["not_quiet"]:
        parts.append("THE MACHINE WAS NOT QUIET")
    return "  ·  ".join([page["date"][:10], *filter(None, parts)])


def draw_bars(axis, entry, title):
    """One panel of horizontal bars, each with its value and its spread."""
    found = bars(entry)[::-1]
    end = end_of(found)
    for place, (name, value, low, high) in enumerate(found):
        axis.barh(place, min(value, end), color=colour(name), height=0.74)
        if value > end:  # a gap: the bar is longer than is drawn
            axis.barh(place, end * 0.015, left=end * 0.86, color="white", height=0.9)
        elif high <= end:
            axis.plot([low, high], [place, place], color=INK, lw=1.2, alpha=0.6)
        weight = "bold" if name == OURS else "normal"
        axis.annotate(
            short(value),
            (min(max(value, high), end), place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=12,
            fontweight=weight,
        )
    axis.set_yticks(range(len(found)), [bar[0] for bar in found], fontsize=12)
    for label in axis.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == OURS else "normal")
    axis.set_xlim(0, end * 1.2)
    axis.set_title(title)
    axis.xaxis.set_visible(False)
    axis.spines["bottom"].set_visible(False)
    axis.tick_params(axis="y", length=0)


def draw_cpu(page):
    """CPU time a request, a panel a workload."""
    entries = {n: page["workloads"][n] for n in PANELS if n in page["workloads"]}
    entries = {n: e for n, e in entries.items() if e["servers"]}
    if not entries:
        return None
    columns = 2 if len(entries) in (2, 4) else min(3, len(entries))
    lines = -(-len(entries) // columns)
    shape, axes = figure(
        "CPU time a request, in microseconds: less is better",
        f"{small_print(page)}  ·  grey: limits that run no application",
        nrows=lines,
        ncols=columns,
    )
    for axis in axes.flat[len(entries) :]:
        axis.set_visible(False)
    for axis, (name, entry) in zip(axes.flat, entries.items(), strict=False):
        draw_bars(axis, entry, name)
    return shape


def draw_ratios(page):
    """Every workload at a glance: each server's cost in fastserves."""
    kinds = ("load", "upload", "handshake", "sse", "websocket")
    found = ratios(page["workloads"], kinds)
    if not found:
        return None
    shape, axes = figure(
        "CPU time of the others, in multiples of fastserve's",
        small_print(page),
        figsize=(13.33, max(7.5, 0.36 * len(found) + 2)),
    )
    axis = axes[0, 0]
    names = list(found)[::-1]
    for place, name in enumerate(names):
        axis.axhline(place, color=FAINT, lw=1, zorder=0)
        for server, ratio in sorted(found[name].items(), key=lambda i: i[0] in COLOURS):
            known = server in COLOURS
            axis.scatter(
                ratio,
                place,
                s=110 if known else 45,
                color=colour(server),
                alpha=1 if known else 0.6,
                zorder=3 if known else 2,
            )
    axis.axvline(1, color=COLOURS[OURS], lw=2.5, zorder=1)
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    axis.set_xlim(min(low, 0.8), high)
    axis.set_yticks(range(len(names)), names, fontsize=13)
    axis.set_ylim(-0.7, len(names) - 0.3)
    spread_ticks(axis.xaxis, (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 50, 100))
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("left of the line fastserve costs more, right of it less")
    present = {server for row in found.values() for server in row}
    for server in COLOURS:
        if server in present:
            axis.scatter([], [], s=110, color=colour(server), label=server)
    if present - COLOURS.keys():
        axis.scatter([], [], s=45, color=REST, alpha=0.6, label="others")
    axis.plot([], [], color=COLOURS[OURS], lw=2.5, label=OURS)
    shape.legend(loc="outside right center", frameon=False)
    return shape


def spread_ticks(axis, values):
    """Plain numbers on a logarithmic axis, those that lie in its range."""
    low, high = axis.get_view_interval()
    axis.set_ticks([value for value in values if low <= value <= high])
    axis.set_major_formatter(FuncFormatter(plain))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def label_lines(axis, ends):
    """Names at the right ends of lines, {name: y}, moved apart where they meet."""
    to_axes = axis.transData + axis.transAxes.inverted()
    right = axis.get_xlim()[1]
    wanted = {name: to_axes.transform((right, y))[1] for name, y in ends.items()}
    for name, height in places(wanted).items():
        axis.annotate(
            name,
            (1.01, height),
            xycoords="axes fraction",
            va="center",
            fontsize=14,
            color=colour(name) if name in COLOURS else "#777777",
            fontweight="bold" if name == OURS else "normal",
        )


def draw_lines(axis, found):
    """Lines of {server: [(x, y), ...]}, fastserve's on top."""
    for server, points in found.items():
        ours = server == OURS
        axis.plot(
            *zip(*points, strict=True),
            color=colour(server),
            lw=4 if ours else 2.2,
            marker="o",
            ms=9 if ours else 6,
            zorder=4 if ours else 3 if server in COLOURS else 2,
        )
    axis.grid(axis="y", color=FAINT)
    axis.set_axisbelow(True)


def draw_connections(page):
    """CPU time a request over the number of connections."""
    found = by_connections(page["workloads"])
    if not found:
        return None
    shape, axes = figure(
        "Microseconds of CPU a request, by number of connections",
        f"{small_print(page)}  ·  plaintext, logarithmic axes, grey: limits",
    )
    axis = axes[0, 0]
    axis.set_xscale("log")
    axis.set_yscale("log")
    draw_lines(axis, found)
    spread_ticks(axis.xaxis, CONNECTIONS)
    spread_ticks(axis.yaxis, (5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500))
    axis.set_xlabel("connections")
    label_lines(axis, {server: points[-1][1] for server, points in found.items()})
    return shape


def draw_latency(name, entry, page):
    """Percentiles of the latency at a constant rate."""
    shape, axes = figure(
        f"Latency at {entry['rate']:,} requests/s, in milliseconds: {name}",
        f"{small_print(page)}  ·  timed from when each request was due",
    )
    axis = axes[0, 0]
    found = {
        server: [(place, ms) for place, (_, ms) in enumerate(points)]
        for server, points in curves(entry).items()
    }
    axis.set_yscale("log")
    draw_lines(axis, found)
    labels = ["median" if s == 0.5 else f"{s * 100:g} %" for s in SHARES.values()]
    axis.set_xticks(range(len(SHARES)), labels)
    spread_ticks(
        axis.yaxis, (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 500)
    )
    axis.set_xlabel("share of the requests that are at least as fast")
    label_lines(axis, {server: points[-1][1] for server, points in found.items()})
    return shape


def draw_footprint(page):
    """Memory of an idle connection, and time to the first answer."""
    wanted = {
        "idle-10k": "bytes of memory for each of 10,000 idle connections",
        "start": "milliseconds from nothing to the first answer",
    }
    entries = {n: page["workloads"][n] for n in wanted if n in page["workloads"]}
    if not any(entry["servers"] for entry in entries.values()):
        return None
    shape, axes = figure(
        "Memory and start-up: less is better",
        f"{small_print(page)}  ·  grey: limits that run no application",
        ncols=len(entries),
    )
    for axis, (name, entry) in zip(axes.flat, entries.items(), strict=True):
        draw_bars(axis, entry, wanted[name])
        axis.set_title(wanted[name], fontsize=15)
    return shape


def draw(page, folder):
    """Write all plots that the document has data for; yields their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    makers = {
        "cpu": draw_cpu,
        "ratios": draw_ratios,
        "connections": draw_connections,
        "footprint": draw_footprint,
    }
    with plt.rc_context(STYLE):
        for name, make in makers.items():
            yield from save(make(page), folder / f"{name}.png")
        for name, entry in page["constant_rate"].items():
            if entry["servers"]:
                shape = draw_latency(name, entry, page)
                yield from save(shape, folder / f"latency-{name}.png")


def save(shape, path):
    """Write one figure, if there is one; yields its path."""
    if shape is not None:
        shape.savefig(path)
        plt.close(shape)
        yield path

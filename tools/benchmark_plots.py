"""Writes build/docs-parts/plots.md: bars for each table of bench/README.md's result.

    python -m tools.benchmark_plots      # `make docs` does it

The bars are HTML that docs/assets/extra.css draws, so that they fit a phone and follow
the page's colours. No figure is written here: what the tables do not say is not drawn.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "bench" / "README.md"
PLOTS = ROOT / "build" / "docs-parts" / "plots.md"
SECTION = "## The newest result\n"


class Row(NamedTuple):
    """One server's bar: the figure as the table shows it, its lowest and highest."""

    server: str
    figure: str
    low: float
    high: float


class Table(NamedTuple):
    """What is drawn of one table: the title and unit above the bars, and the rows."""

    title: str
    unit: str
    rows: list[Row]


def tables(text: str) -> Iterator[Table]:
    """The tables of the newest result, in order. Raises ValueError if there is none."""
    _, found, section = text.partition(SECTION)
    if not found:
        raise ValueError(f"{README.name} has no {SECTION!r}")
    section = section.partition("\n## ")[0]
    for part in re.split(r"^#### ", section, flags=re.M)[1:]:
        title, _, rest = part.partition("\n")
        lines = [cells(line) for line in rest.splitlines() if line.startswith("|")]
        head, rows = lines[0], lines[2:]
        at = next(n for n, name in enumerate(head) if name in ("low-high", "spread"))
        yield Table(title, head[1], [Row(r[0], r[1], *ends(r[at])) for r in rows])


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def number(text: str) -> float:
    return float(text.replace(",", ""))


def ends(spread: str) -> tuple[float, float]:
    """`6.13-7.74`, with or without brackets, as two numbers."""
    low, _, high = spread.strip("[]").partition("-")
    return number(low), number(high)


def drawn(table: Table) -> str:
    """The table as bars: the median's length, and a line from lowest to highest."""
    longest = max(row.high for row in table.rows)
    bars = [bar(row, longest) for row in table.rows]
    caption = f"<figcaption>{html.escape(table.title)}: {table.unit}</figcaption>"
    return "\n".join(['<figure class="bars">', caption, *bars, "</figure>\n"])


def bar(row: Row, longest: float) -> str:
    def share(value: float) -> str:
        return f"{100 * value / longest:.1f}%"

    size = share(number(row.figure))
    spread = f"left: {share(row.low)}; width: {share(row.high - row.low)}"
    kind = " class=ours" if row.server == "fastserve" else ""
    return (
        f"<div{kind}><span>{row.server}</span>"
        f'<span><i style="width: {size}"></i><u style="{spread}"></u></span>'
        f"<b>{row.figure}</b></div>"
    )


def plots() -> str:
    """All figures, as one part of a page."""
    return "\n".join(drawn(table) for table in tables(README.read_text("utf-8")))


if __name__ == "__main__":
    PLOTS.parent.mkdir(parents=True, exist_ok=True)
    PLOTS.write_text(plots(), encoding="utf-8")

"""What the counts of two trees come to: ratios, reasons given, the exit code.

Arithmetic and text alone: nothing is run or read here.
"""

import re
from dataclasses import dataclass

LIMIT = 0.03  # of a request's instructions: what may be added without a reason
REASON = re.compile(r"^Slower:[ \t]*(\S.*?)\s*$", re.MULTILINE)

PASSED, FAILED = 0, 1


@dataclass(frozen=True)
class Row:
    """Instructions a request of one workload."""

    workload: str
    before: float | None  # None: the base does not have this workload
    after: float

    @property
    def change(self):
        """The share that was added; negative for what was saved. None: no base."""
        return None if self.before is None else self.after / self.before - 1

    @property
    def is_slower(self):
        """Whether more than LIMIT was added."""
        return self.change is not None and self.change > LIMIT


def compare(before, after):
    """A Row for each workload of `after`; both are {workload: instructions}."""
    return [Row(name, before.get(name), count) for name, count in after.items()]


def reasons(messages):
    """What stands behind `Slower:` in a line of its own, of any commit message."""
    return REASON.findall(messages)


def exit_code(rows, given):
    """FAILED when a workload is slower and no commit says why."""
    return FAILED if any(row.is_slower for row in rows) and not given else PASSED


def table(rows):
    """The rows as lines of text."""
    title = "instructions a request"
    width = max(len(title), *(len(row.workload) for row in rows))
    lines = [f"{title:<{width}}  {'before':>9}  {'after':>9}  change"]
    for row in rows:
        before, change = "-", "new"
        if row.before is not None:
            before, change = f"{row.before:,.0f}", f"{row.change:+.2%}"
        mark = "  slower" if row.is_slower else ""
        lines.append(
            f"{row.workload:<{width}}  {before:>9}  {row.after:>9,.0f}  {change}{mark}"
        )
    return "\n".join(lines)


def sentence(rows, given):
    """What the rows and the reasons come to."""
    slower = ", ".join(row.workload for row in rows if row.is_slower)
    if not slower:
        return f"Nothing takes more than {LIMIT:.0%} more instructions."
    if given:
        return f"Slower: {slower}. The commits say why: {'; '.join(given)}."
    return (
        f"Slower by more than {LIMIT:.0%}: {slower}. Make it quicker, or say why in a"
        " line of a commit message: `Slower: the reason`."
    )

"""What the samples of a run come to: failures, and p99 beside the rival's.

Both servers are asked by the same users of the same process at the same time, so a
slow moment of the machine is in both figures. Even so the p99 of a few seconds is
chance: the run is cut into windows, each gives one ratio, and the gate asks whether
their median is shown to be over the limit, not whether one figure happens to be.

Arithmetic and text alone: nothing is run here.
"""

import math
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass

LIMIT = 1.2  # p99, of the rival's
CHANCE = 0.025  # that a server exactly at the limit is found to be over it
# The rest waits by itself: for events, for its own slowness, for nothing.
TIMED = ("GET", "POST", "WS")


@dataclass(frozen=True)
class Sample:
    """One request as a user saw it."""

    time: float  # when it ended, seconds since the epoch
    target: str
    method: str
    kind: str
    milliseconds: float
    failure: str  # empty if there was none


def read(lines):
    """Samples from the lines that locustfile.py writes."""
    found = []
    for line in lines:
        when, target, method, kind, took, failure = line.rstrip("\n").split("\t")
        found.append(Sample(float(when), target, method, kind, float(took), failure))
    return found


def percentile(values, share):
    """The smallest value that so large a share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def failures(samples, target):
    """{(method, kind, failure): count} of one target."""
    return Counter(
        (sample.method, sample.kind, sample.failure)
        for sample in samples
        if sample.target == target and sample.failure
    )


def window_ratios(samples, target, rival, start, end, count):
    """The target's p99 over the rival's, for each of `count` parts of the time.

    A part in which either had no request is left out.
    """
    parts = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        if sample.method in TIMED and not sample.failure and start <= sample.time < end:
            part = int((sample.time - start) / (end - start) * count)
            parts[part][sample.target].append(sample.milliseconds)
    return [
        percentile(part[target], 0.99) / percentile(part[rival], 0.99)
        for _, part in sorted(parts.items())
        if part[target] and part[rival]
    ]


def lower_bound(ratios):
    """What the median of such ratios is not under, but for CHANCE.

    The k-th smallest of n: fewer than k of n are under a median with a chance that
    Binomial(n, 1/2) gives, whatever their distribution. None if n is too small.
    """
    ordered, n, chance, found = sorted(ratios), len(ratios), 0.0, None
    for k in range(n):
        chance += math.comb(n, k) / 2**n
        if chance > CHANCE:
            break
        found = ordered[k]
    return found


@dataclass(frozen=True)
class Verdict:
    """The comparison of p99."""

    ratios: list

    @property
    def median(self):
        return statistics.median(self.ratios)

    @property
    def is_over(self):
        """Whether the median ratio is shown to be over LIMIT."""
        bound = lower_bound(self.ratios)
        return bound is not None and bound > LIMIT

    def sentence(self, rival):
        """What was found, in words."""
        bound = lower_bound(self.ratios)
        if bound is None:
            return f"p99: {len(self.ratios)} windows are too few to compare"
        shown = "that is shown to be over" if self.is_over else "limit"
        each = " ".join(f"{ratio:.2f}" for ratio in sorted(self.ratios))
        return (
            f"p99: {self.median:.2f} x {rival}'s, the median of {len(self.ratios)}"
            f" windows, not under {bound:.2f}; {shown} {LIMIT}\n    each: {each}"
        )


def table(samples, targets):
    """Requests, p50 and p99 of each kind beside each other, as lines of text."""
    groups = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        if not sample.failure:
            key = f"{sample.method} {sample.kind}"
            groups[key][sample.target].append(sample.milliseconds)
    width = max(map(len, groups), default=0)
    head = "".join(f"  {name + ': requests, p50, p99':>32}" for name in targets)
    lines = [f"{'milliseconds':<{width}}{head}"]
    for kind in sorted(groups):
        line = f"{kind:<{width}}"
        for name in targets:
            values = groups[kind][name]
            line += f"  {len(values):>12,}"
            for share in (0.5, 0.99):
                text = f"{percentile(values, share):.1f}" if values else "-"
                line += f"{text:>10}"
        lines.append(line)
    return "\n".join(lines)

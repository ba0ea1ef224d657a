"""The arithmetic of the report: medians, paired ratios, marks, and when to be silent.

It takes the samples of one workload, {server: [sample, ...]} with a `round` in each,
and neither measures nor prints. A ratio is the median of the ratios within each round,
never the ratio of two medians.
"""

import statistics
from dataclasses import dataclass

OURS = "fastserve"
CEILING = "ceiling"
BUSY = 0.95  # below this share of its cores, the server was not the limit
MIN_PAIRS = 3  # quiet rounds that a verdict needs
QUIET_SHARE = 0.6  # of the rounds, that must be quiet for a verdict

DRIVEN = ("load", "upload", "handshake", "websocket")  # a client sends all it can
IDLE = ("idle", "websocket-idle")  # memory, which others' work does not change


def median(samples, *keys):
    """The median of one figure, found by its keys; None if a sample lacks it."""
    values = [value_at(sample, keys) for sample in samples]
    if not values or None in values:
        return None
    return statistics.median(values)


def value_at(sample, keys):
    """A nested figure, or None."""
    for key in keys:
        sample = sample.get(key) if sample else None
    return sample


def spread(samples):
    """The lowest and the highest value."""
    values = [sample["value"] for sample in samples]
    return min(values), max(values)


def paired(samples, others, quiet_only=False):
    """sample / other for each round that has both, in the order of rounds."""
    by_round = {other["round"]: other for other in others}
    return [
        sample["value"] / by_round[sample["round"]]["value"]
        for sample in samples
        if sample["round"] in by_round
        and not (quiet_only and loud(sample, by_round[sample["round"]]))
    ]


def loud(*samples):
    """Whether others were at work during any of the samples."""
    return not all(sample["usage"]["quiet"] for sample in samples)


def paired_ratio(samples, others):
    """The median of paired(); None where no round has both."""
    ratios = paired(samples, others)
    return statistics.median(ratios) if ratios else None


def kernel_share(samples):
    """The median share of the CPU time that was spent in the kernel, 0 to 1."""
    usages = [sample["usage"] for sample in samples]
    return statistics.median(
        usage["server_system"] / (usage["server_cpu"] or 1) for usage in usages
    )


def marks(kind, samples):
    """The letters that the report's legend explains, with blanks between."""
    usages = [sample["usage"] for sample in samples]
    found = []
    if kind in DRIVEN and statistics.median(u["busy"] for u in usages) < BUSY:
        found.append("c")
    noisy = sum(map(loud, samples))
    if noisy and kind not in IDLE:
        found.append(f"n{noisy}/{len(samples)}")
    if any(sample.get("errors") for sample in samples):
        found.append("e")
    return " ".join(found)


@dataclass(frozen=True)
class Verdict:
    """What may be said of a workload: of fastserve beside its best rival."""

    place: str  # "first", "level", "behind", or "none"
    text: str  # one sentence
    rival: str = ""  # the best of them, by median
    ratio: float | None = None  # the rival's figure by fastserve's, paired


def verdict(kind, samples, limits=(), not_quiet=""):
    """The Verdict on a workload, or why there is none.

    `not_quiet` says what was wrong with the machine as a whole, if anything was.
    fastserve is first or behind only where every quiet round says so.
    """
    rivals = {n: s for n, s in samples.items() if s and n != OURS and n not in limits}
    ours = samples.get(OURS)
    if not ours or not rivals:
        return Verdict("none", "No verdict: nothing to compare.")
    if not_quiet:
        return Verdict("none", f"No verdict: {not_quiet}")
    best = min(rivals, key=lambda name: median(rivals[name], "value"))
    quiet_only = kind not in IDLE
    ratios = {n: paired(rivals[n], ours, quiet_only) for n in rivals}
    refusal = refuse(ratios[best], len(paired(rivals[best], ours)))
    if refusal:
        return Verdict("none", refusal, best)
    return judge(ratios, best)


def refuse(quiet, rounds):
    """Why no verdict may be drawn from the `quiet` of so many rounds; "" if one may."""
    if rounds < MIN_PAIRS:
        return (
            f"No verdict: {rounds} round{'s' * (rounds != 1)}, {MIN_PAIRS} are needed."
        )
    if len(quiet) < max(MIN_PAIRS, QUIET_SHARE * rounds):
        return (
            f"No verdict: the machine was not quiet, only {len(quiet)} of {rounds}"
            " rounds can be compared."
        )
    return ""


def judge(ratios, best):
    """The Verdict from each rival's ratios to fastserve, those of quiet rounds."""
    told = {n: r for n, r in ratios.items() if len(r) >= MIN_PAIRS}
    ratio = statistics.median(told[best])
    of_best = f"{best} takes {ratio:.2f} times as much [{low_high(told[best])}]"
    ahead = [n for n, r in told.items() if max(r) < 1]
    level = [n for n, r in told.items() if min(r) <= 1 <= max(r)]
    if ahead:
        text = f"fastserve is behind {', '.join(ahead)}: {of_best}."
        return Verdict("behind", text, best, ratio)
    if level:
        text = f"fastserve and {', '.join(level)} are not told apart: {of_best}."
        return Verdict("level", text, best, ratio)
    return Verdict("first", f"fastserve is first: {of_best}.", best, ratio)


def low_high(values):
    """The lowest and the highest as text."""
    return f"{min(values):.2f}-{max(values):.2f}"

"""bench.compare.figures: medians, paired ratios, marks, verdicts, their refusal."""

from __future__ import annotations

import pytest
from _bench_samples import sample, samples

from bench.compare import figures, rate
from bench.compare.samples import percentiles_us

# -- medians and ratios ---------------------------------------------------------------


def test_a_median_is_found_by_nested_keys() -> None:
    taken = samples(1, 2, 9)
    assert figures.median(taken, "value") == 2
    assert figures.median(taken, "latency_us", "p99") == 900


def test_there_is_no_median_where_a_sample_lacks_the_figure() -> None:
    taken = [*samples(1, 2), sample(3, 2, latency_us=None)]
    assert figures.median(taken, "latency_us", "p99") is None
    assert figures.median([], "value") is None


def test_a_ratio_is_the_median_of_ratios_not_the_ratio_of_medians() -> None:
    # A drifting machine: each round is twice as slow as the one before.
    ours, theirs = samples(10, 20, 40), samples(30, 40, 60)
    assert figures.paired(theirs, ours) == [3, 2, 1.5]
    assert figures.paired_ratio(theirs, ours) == 2
    assert figures.median(theirs, "value") / figures.median(ours, "value") == 2
    assert figures.paired_ratio(samples(30, 80, 60), ours) == 3


def test_only_samples_of_one_round_are_a_pair() -> None:
    ours, theirs = [sample(10, 0), sample(10, 2)], [sample(90, 1), sample(20, 2)]
    assert figures.paired(theirs, ours) == [2]
    assert figures.paired_ratio([sample(90, 1)], ours) is None


def test_a_loud_round_of_either_is_no_quiet_pair() -> None:
    ours = [sample(10, 0), sample(10, 1, quiet=False), sample(10, 2)]
    theirs = [sample(20, 0, quiet=False), sample(30, 1), sample(40, 2)]
    assert figures.paired(theirs, ours, quiet_only=True) == [4]


def test_the_kernels_share() -> None:
    assert figures.kernel_share(samples(1, 2)) == 0.75


@pytest.mark.parametrize(
    ("count", "p50", "p99"), [(1, 1, 1), (2, 1, 2), (100, 50, 99), (1000, 500, 990)]
)
def test_percentiles_are_times_that_were_measured(
    count: int, p50: int, p99: int
) -> None:
    found = percentiles_us([n / 1e6 for n in range(count, 0, -1)])
    assert (round(found["p50"]), round(found["p99"])) == (p50, p99)


# -- marks ----------------------------------------------------------------------------


def test_marks_tell_of_the_client_of_noise_and_of_errors() -> None:
    taken = samples(1, 2, 3, busy=0.5)
    taken[1]["usage"]["quiet"] = False
    taken[2]["errors"] = {"timeout": 1}
    assert figures.marks("load", taken) == "c n1/3 e"


def test_nothing_to_mark() -> None:
    assert figures.marks("load", samples(1, 2, 3, busy=0.96)) == ""


def test_the_median_round_tells_who_was_the_limit() -> None:
    taken = [*samples(1, 2, busy=1.0), sample(3, 2, busy=0.1)]
    assert figures.marks("load", taken) == ""


@pytest.mark.parametrize("kind", ["sse", "start", "rate"])
def test_a_load_that_is_not_all_that_goes_is_not_marked(kind: str) -> None:
    assert figures.marks(kind, samples(1, busy=0.1)) == ""


def test_memory_does_not_depend_on_who_else_runs() -> None:
    assert figures.marks("idle", samples(1, quiet=False, busy=0.1)) == ""


# -- verdicts -------------------------------------------------------------------------


def test_first_where_every_round_says_so() -> None:
    taken = {
        "fastserve": samples(10, 10, 10),
        "quick": samples(12, 13, 11),
        "slow": samples(50, 50, 50),
    }
    found = figures.verdict("load", taken)
    assert (found.place, found.rival, found.ratio) == ("first", "quick", 1.2)
    assert "quick takes 1.20 times as much [1.10-1.30]" in found.text


def test_behind_where_every_round_says_so() -> None:
    taken = {"fastserve": samples(10, 10, 10), "quick": samples(8, 9, 7)}
    found = figures.verdict("load", taken)
    assert (found.place, found.ratio) == ("behind", 0.8)


def test_behind_names_all_who_are_ahead() -> None:
    taken = {n: samples(8, 8, 8) for n in ("a", "b")} | {
        "fastserve": samples(10, 10, 10)
    }
    assert "behind a, b:" in figures.verdict("load", taken).text


def test_level_where_rounds_differ() -> None:
    taken = {"fastserve": samples(10, 10, 10), "quick": samples(9, 12, 13)}
    found = figures.verdict("load", taken)
    assert found.place == "level"
    assert "not told apart" in found.text


def test_a_limit_is_no_rival() -> None:
    taken = {
        "ceiling": samples(1, 1, 1),
        "fastserve": samples(10, 10, 10),
        "slow": samples(20, 20, 20),
    }
    assert figures.verdict("load", taken, ("ceiling",)).place == "first"
    assert figures.verdict("load", taken).place == "behind"


def test_no_verdict_from_too_few_rounds() -> None:
    taken = {"fastserve": samples(10, 10), "slow": samples(20, 20)}
    found = figures.verdict("load", taken)
    assert (found.place, found.ratio) == ("none", None)
    assert "2 rounds, 3 are needed" in found.text


def test_no_verdict_where_the_machine_was_loud() -> None:
    ours = samples(10, 10, 10, 10, 10)
    for number in (0, 1, 2):
        ours[number]["usage"]["quiet"] = False
    found = figures.verdict("load", {"fastserve": ours, "slow": samples(*[20] * 5)})
    assert found.place == "none"
    assert "not quiet, only 2 of 5 rounds" in found.text


def test_a_verdict_from_the_quiet_rounds_alone() -> None:
    ours = samples(10, 10, 10, 99)
    ours[3]["usage"]["quiet"] = False
    taken = {"fastserve": ours, "slow": samples(20, 20, 20, 20)}
    assert figures.verdict("load", taken).place == "first"


def test_no_verdict_on_a_machine_that_was_not_quiet_at_the_start() -> None:
    taken = {"fastserve": samples(10, 10, 10), "slow": samples(20, 20, 20)}
    found = figures.verdict("load", taken, (), "the load average is 3.00.")
    assert found.place == "none"
    assert found.text == "No verdict: the load average is 3.00."


def test_noise_is_no_matter_for_memory() -> None:
    taken = {
        "fastserve": samples(10, 10, 10, quiet=False),
        "slow": samples(20, 20, 20, quiet=False),
    }
    assert figures.verdict("idle", taken).place == "first"
    assert figures.verdict("load", taken).place == "none"


@pytest.mark.parametrize("names", [("fastserve",), ("slow",), ()])
def test_no_verdict_without_two_to_compare(names: tuple[str, ...]) -> None:
    taken = {name: samples(10, 10, 10) for name in names}
    assert figures.verdict("load", taken).place == "none"


# -- the constant rate ----------------------------------------------------------------


def test_the_rate_is_seventy_percent_of_the_slowest_servers() -> None:
    taken = {
        "fastserve": samples(10, 10, 10),  # 100,000 a second
        "slow": samples(100, 50, 200),  # 10,000 in the median round
        "ceiling": samples(1000),
        "failed": [],
    }
    assert rate.rate_for(taken, ("ceiling",)) == 7000
    assert rate.rate_for({"failed": []}, ()) is None

"""bench.compare.series: what the plots show, and where names stand beside lines."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from _bench_samples import sample, samples

from bench.compare import document, rounds, series
from bench.compare.workloads import WORKLOADS


def entry(name: str, values: dict[str, float]) -> dict[str, Any]:
    """A workload of the table with one sample a server."""
    (workload,) = [each for each in WORKLOADS if each.name == name]
    taken = {server: samples(value) for server, value in values.items()}
    return document.entry(rounds.Result(workload, taken), workload.kind, "")


def test_bars_go_from_the_best() -> None:
    found = series.bars(entry("plaintext", {"b": 2, "fastserve": 1, "c": 3}))
    assert found == [("fastserve", 1, 1, 1), ("b", 2, 2, 2), ("c", 3, 3, 3)]


def test_fastserve_has_a_bar_though_many_were_better() -> None:
    many = {f"server{n}": n for n in range(1, 20)}
    found = series.bars(entry("plaintext", many | {"fastserve": 99}))
    assert len(found) == series.FEW
    assert [bar[0] for bar in found][-2:] == [f"server{series.FEW - 1}", "fastserve"]


@pytest.mark.parametrize(
    ("values", "end"), [((1, 2, 3), 3), ((1, 2, 3, 4, 90), 4), ((5,), 5)]
)
def test_the_axis_ends_before_a_bar_that_would_crush_the_others(
    values: tuple[float, ...], end: float
) -> None:
    assert series.end_of([(str(v), v, v, v) for v in values]) == end


def test_ratios_leave_out_limits_and_other_kinds() -> None:
    entries = {
        "plaintext": entry("plaintext", {"nginx": 5, "fastserve": 10, "slow": 30}),
        "start": entry("start", {"fastserve": 10, "slow": 30}),
        "tls": entry("tls", {"fastserve": 10}),
    }
    assert series.ratios(entries, ("load",)) == {"plaintext": {"slow": 3.0}}


def test_a_line_over_connections_needs_all_points() -> None:
    entries = {
        "connections-1": entry("connections-1", {"fastserve": 30, "slow": 50}),
        "plaintext": entry("plaintext", {"fastserve": 10, "slow": 20}),
        "connections-512": entry("connections-512", {"fastserve": 12}),
    }
    assert series.by_connections(entries) == {
        "fastserve": [(1, 30), (64, 10), (512, 12)]
    }
    assert series.by_connections({}) == {}
    assert series.by_connections({"plaintext": entries["plaintext"]}) == {}


def test_a_curve_has_the_median_of_each_percentile() -> None:
    found = entry("plaintext", {"fastserve": 1})
    latencies = [{"p50": p, "p90": 2e3, "p99": 3e3, "p999": 4e3} for p in (1e3, 9e3)]
    found["servers"]["fastserve"]["samples"] = [
        sample(1, n, latency_us=taken) for n, taken in enumerate(latencies)
    ]
    assert series.curves(found) == {
        "fastserve": [(0.5, 5.0), (0.9, 2.0), (0.99, 3.0), (0.999, 4.0)]
    }


def test_names_that_meet_move_apart_about_their_middle() -> None:
    wanted = {"low": 0.1, "b": 0.5, "a": 0.49, "c": 0.51, "high": 0.9}
    found = series.places(wanted)
    assert (found["low"], found["high"]) == (0.1, 0.9)
    heights = [found[name] for name in ("low", "a", "b", "c", "high")]
    for below, above in itertools.pairwise(heights):
        assert above - below >= series.GAP - 1e-9
    assert found["b"] == pytest.approx(0.5)

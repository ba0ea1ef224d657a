"""bench.load: what it makes of samples. locust and the servers are not run here."""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import _bench  # noqa: F401
import pytest

from bench.load import cli, crowd, judge, servers

NAMES = ("fastserve", "uvicorn")


def sample(
    target: str, milliseconds: float, time: float = 0.0, **fields: str
) -> judge.Sample:
    fields = {"method": "GET", "kind": "/", "failure": "", **fields}
    return judge.Sample(time=time, target=target, milliseconds=milliseconds, **fields)


def test_samples_are_read_from_lines() -> None:
    found = judge.read(["12.5\tfastserve\tPOST\t/orders\t3.25\tstatus 500: ''\n"])
    assert found == [
        sample(
            "fastserve", 3.25, 12.5, method="POST", kind="/orders",
            failure="status 500: ''",
        )
    ]  # fmt: skip


def test_failures_are_counted_by_kind() -> None:
    samples = [
        sample("fastserve", 1, failure="reset"),
        sample("fastserve", 1, failure="reset"),
        sample("fastserve", 1, failure="reset", kind="/books"),
        sample("fastserve", 1),
        sample("uvicorn", 1, failure="reset"),
    ]
    assert judge.failures(samples, "fastserve") == {
        ("GET", "/", "reset"): 2,
        ("GET", "/books", "reset"): 1,
    }


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(1, 0.99, 1), (100, 0.99, 99), (101, 0.99, 100), (1000, 0.99, 990), (4, 0.5, 2)],
)
def test_percentile(count: int, share: float, expected: int) -> None:
    values = list(range(1, count + 1))
    random.Random(1).shuffle(values)
    assert judge.percentile(values, share) == expected


def test_a_window_divides_what_lies_in_it() -> None:
    samples = [
        sample("fastserve", 900, 9.9),  # too early
        sample("fastserve", 2, 10.0),
        sample("uvicorn", 4, 14.9),
        sample("fastserve", 9, 15.0),
        sample("uvicorn", 3, 19.9),
        sample("uvicorn", 900, 20.0),  # too late
        sample("fastserve", 900, 12.0, method="slow"),
        sample("fastserve", 900, 12.0, failure="reset"),
    ]
    assert judge.window_ratios(samples, *NAMES, 10, 20, 2) == [0.5, 3.0]


def test_a_window_without_both_is_left_out() -> None:
    samples = [sample("fastserve", 1, 1), sample("fastserve", 1, 7)]
    samples += [sample("uvicorn", 2, 8)]
    assert judge.window_ratios(samples, *NAMES, 0, 10, 2) == [0.5]


def test_the_bound_is_the_second_smallest_of_nine() -> None:
    # Fewer than two of nine are under the median with a chance of 10/512, which is
    # 2 %; fewer than three with one of 46/512.
    ratios = [0.5, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 2.0]
    assert judge.lower_bound(ratios[::-1]) == 0.9


def test_few_windows_show_nothing() -> None:
    assert judge.lower_bound([9.0] * 5) is None
    assert judge.lower_bound([9.0] * 6) == 9.0
    assert not judge.Verdict([9.0] * 5).is_over
    assert "5 windows are too few" in judge.Verdict([9.0] * 5).sentence("uvicorn")


@pytest.mark.parametrize(
    ("ratios", "over"),
    [
        ([1.0] * 9, False),
        ([1.2] * 9, False),
        ([1.0] + [1.21] * 8, True),
        ([1.0, 1.0] + [5.0] * 7, False),  # mostly over, but it may be chance
        ([0.5, *[1.3] * 8], True),
    ],
)
def test_only_what_is_shown_is_over(ratios: list[float], over: bool) -> None:
    verdict = judge.Verdict(ratios)
    assert verdict.is_over is over
    assert ("is shown to be over 1.2" in verdict.sentence("uvicorn")) is over


def test_a_server_as_good_is_not_found_worse() -> None:
    """Nine windows with a spread as seen on a busy machine, a thousand times."""
    chance = random.Random(5)

    def found(factor: float) -> bool:
        ratios = [factor * chance.lognormvariate(0, 0.35) for _ in range(9)]
        return judge.Verdict(ratios).is_over

    assert sum(found(1.0) for _ in range(1000)) <= 2
    assert sum(found(2.0) for _ in range(1000)) >= 600


def test_the_table_has_both_servers() -> None:
    samples = [sample("fastserve", 1.0), sample("uvicorn", 2.0)]
    samples += [sample("uvicorn", 3.0, method="WS", kind="/echo")]
    rows = [line.split() for line in judge.table(samples, NAMES).splitlines()[1:]]
    assert rows == [
        ["GET", "/", "1", "1.0", "1.0", "1", "2.0", "2.0"],
        ["WS", "/echo", "0", "-", "-", "1", "3.0", "3.0"],
    ]


# -- the processes --------------------------------------------------------------------


def server(folder: Path, log: str, name: str = "fastserve") -> servers.Running:
    path = folder / f"{name}.log"
    path.write_text(log)
    return servers.Running(name, 80, None, path)


def test_a_log_may_not_complain(tmp_path: Path) -> None:
    log = (
        "INFO:     Started server process [7]\n"
        "WARNING:  a slow moment\n"
        'INFO:     127.0.0.1:5 - "GET /ERROR HTTP/1.1" 200 OK\n'
        "ERROR:    Exception in ASGI application\n"
        "Traceback (most recent call last):\n"
    )
    running = server(tmp_path, log)
    assert running.complaints() == [
        "ERROR:    Exception in ASGI application",
        "Traceback (most recent call last):",
    ]
    assert running.workers == ["7"]


@pytest.fixture
def options(tmp_path: Path) -> argparse.Namespace:
    return cli.parser().parse_args(["--folder", str(tmp_path), "--locust", "locust"])


def test_one_process_of_locust(options: argparse.Namespace, tmp_path: Path) -> None:
    made = crowd.commands(options, "a=b", tmp_path / "samples", tmp_path / "report")
    assert len(made) == 1
    assert "--master" not in made[0]


def test_a_master_and_its_workers(options: argparse.Namespace, tmp_path: Path) -> None:
    options.processes = 2
    master, *workers = crowd.commands(
        options, "a=b", tmp_path / "samples", tmp_path / "report"
    )
    assert master[master.index("--expect-workers") + 1] == "2"
    port = master[master.index("--master-bind-port") + 1]
    assert len(workers) == 2
    assert all(each[each.index("--master-port") + 1] == port for each in workers)


@pytest.mark.parametrize(
    ("ratio", "failure", "p99", "code"),
    [
        (1.0, "", "gate", 0),
        (2.0, "", "gate", 1),
        (2.0, "", "print", 0),
        (1.0, "reset", "gate", 1),
        (1.0, "reset", "print", 1),
    ],
)
def test_exit_code(
    options: argparse.Namespace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    ratio: float,
    failure: str,
    p99: str,
    code: int,
) -> None:
    options.p99 = p99
    ours = server(tmp_path, "")
    rival = server(tmp_path, "ERROR: its own matter\n", "uvicorn")
    samples = [sample("fastserve", 5.0 * ratio, at) for at in range(90)]
    samples += [sample("uvicorn", 5.0, at) for at in range(90)]
    samples += [sample("fastserve", 5.0, 91, failure=failure)]
    samples += [sample("uvicorn", 5.0, 91, failure="its own matter")]
    assert cli.report(options, ours, rival, samples, 0, 90) == code
    assert (failure in capsys.readouterr().out) is True

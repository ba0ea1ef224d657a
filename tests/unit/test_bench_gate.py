"""bench.gate: its arithmetic, the reasons in commit messages, which base it takes.

valgrind is not run here; the script that it counts is, on the fastserve under test.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import _bench
import pytest

from bench.gate import cli, counting, trees, verdict

SCRIPT = _bench.FOLDER / "gate" / "script.py"


def row(before: float | None, after: float) -> verdict.Row:
    return verdict.Row("plaintext", before, after)


# -- the verdict ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "slower"),
    [
        (1000, 1000, False),
        (1000, 900, False),
        (1000, 1029, False),
        (1000, 1031, True),
        (20_000, 20_599, False),
        (20_000, 20_601, True),
        (None, 5000, False),
    ],
)
def test_over_three_percent_is_slower(
    before: float | None, after: float, slower: bool
) -> None:
    assert row(before, after).is_slower is slower
    assert verdict.exit_code([row(before, after)], []) == int(slower)


def test_one_slower_workload_is_enough() -> None:
    rows = verdict.compare({"a": 100, "b": 100}, {"a": 50, "b": 104})
    assert [each.is_slower for each in rows] == [False, True]
    assert verdict.exit_code(rows, []) == 1
    assert verdict.exit_code(rows, ["checks more"]) == 0
    assert "slower by more than 3%: b." in verdict.sentence(rows, []).lower()
    assert "checks more" in verdict.sentence(rows, ["checks more"])


def test_a_workload_that_the_base_lacks_is_new() -> None:
    rows = verdict.compare({"gone": 1}, {"new": 100})
    assert [(each.workload, each.change) for each in rows] == [("new", None)]
    assert verdict.table(rows).splitlines()[1].split() == ["new", "-", "100", "new"]


def test_the_table_marks_what_is_slower() -> None:
    lines = verdict.table(verdict.compare({"a": 1000, "bb": 2}, {"a": 1100, "bb": 1}))
    assert [line.split() for line in lines.splitlines()[1:]] == [
        ["a", "1,000", "1,100", "+10.00%", "slower"],
        ["bb", "2", "1", "-50.00%"],
    ]


@pytest.mark.parametrize(
    ("messages", "reasons"),
    [
        (
            "http1: a check\n\nSlower: RFC 9112, 3.2 wants it\n",
            ["RFC 9112, 3.2 wants it"],
        ),
        ("one\n\nSlower: a\n\ntwo\n\nSlower:  b \n", ["a", "b"]),
        ("Slower: in the subject", ["in the subject"]),
        ("parse\n\nSlower:\n", []),
        ("parse\n\nSlower: \nSee also: that\n", []),
        ("parse\n\nNot Slower: by much\n", []),
        ("parse\n\nslower: by much\n", []),
        ("", []),
    ],
)
def test_reasons(messages: str, reasons: list[str]) -> None:
    assert verdict.reasons(messages) == reasons


# -- the counts -----------------------------------------------------------------------


def test_what_lies_between_two_marks_is_counted() -> None:
    totals = [900_000, 20_000, 5000, 160_000]
    assert counting.per_request({"a": 10, "b": 160}, totals) == {"a": 2000, "b": 1000}


def test_a_mark_too_few_is_an_error() -> None:
    with pytest.raises(counting.ScriptFailed, match="3 counts of 2 workloads"):
        counting.per_request({"a": 10, "b": 160}, [1, 2, 3])


def test_dumps_are_read_in_their_order(tmp_path: Path) -> None:
    for number in (10, 9, 1, 2):
        (tmp_path / f"counts.{number}").touch()
    (tmp_path / "counts").touch()
    found = counting.numbered(tmp_path / "counts")
    assert [path.suffix for path in found] == [".1", ".2", ".9", ".10"]


def test_the_script_runs_and_checks_its_answers() -> None:
    ran = subprocess.run(
        [sys.executable, "-P", SCRIPT], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout.count("200 OK") > 1000  # the access lines


def test_a_script_that_fails_is_shown(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit('wrong answer')")
    with pytest.raises(counting.ScriptFailed, match="wrong answer"):
        counting.workloads(script, tmp_path)


# -- the base -------------------------------------------------------------------------


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, check=True, timeout=60
        )

    def commit(self, text: str, message: str) -> str:
        (self.folder / "file").write_text(text)
        self.git("add", "file")
        self.git("commit", "-q", "-m", message)
        return str(trees.git("rev-parse", "HEAD"))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(trees, "ROOT", tmp_path)
    monkeypatch.setattr(trees, "BASES", tmp_path / "build" / "gate")
    monkeypatch.setattr(counting, "TOOLS", {})
    return Repository(tmp_path)


def test_the_merge_base_is_the_base(repository: Repository) -> None:
    began = repository.commit("1", "begun")
    repository.git("branch", "upstream")
    repository.commit("2", "one\n\nSlower: a reason")
    repository.commit("3", "two")
    assert trees.merge_base("upstream") == began
    assert not trees.is_the_work_tree(began)
    assert verdict.reasons(trees.messages_since(began)) == ["a reason"]
    assert (trees.lay_out(began) / "file").read_text() == "1"


def test_a_changed_file_is_something_to_compare(repository: Repository) -> None:
    began = repository.commit("1", "begun")
    assert trees.is_the_work_tree(began)
    (repository.folder / "file").write_text("2")
    assert not trees.is_the_work_tree(began)


def test_there_may_be_nothing_to_compare_with(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = repository.commit("1", "begun")
    assert cli.main([]) == 0
    assert "nothing to compare with: HEAD and origin/main" in capsys.readouterr().out
    assert cli.main(["--base", "main"]) == 0
    assert f"nothing to compare with: {commit[:12]}" in capsys.readouterr().out


def test_a_base_that_is_named_must_exist(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit("1", "begun")
    assert cli.main(["--base", "nowhere"]) == 2
    assert "HEAD and nowhere have no commit in common" in capsys.readouterr().err


def test_a_tool_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(counting, "TOOLS", {"no-such-tool": "its-package"})
    assert cli.main([]) == 2
    assert "its-package" in capsys.readouterr().err

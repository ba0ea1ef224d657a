"""bench.compare: how servers are started, order of rounds, check of answers, report.

No server is measured here: tests/deploy does that.
"""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from _bench_samples import WORKLOAD, page, sample, samples

from bench.compare import answers, cli, document, procfs, quiet, report, rounds
from bench.compare.process import ServerFailed
from bench.compare.servers import (
    SERVERS,
    Certificate,
    Launch,
    LeftOut,
    Server,
)
from bench.compare.window import Usage, foreign_share
from bench.compare.workloads import WORKLOADS

BY_NAME = {server.name: server for server in SERVERS}


def launch(scratch: Path, **more: Any) -> Launch:
    return Launch(
        bin_dir=Path("/venv/bin"),
        app="apps:plaintext",
        port=8000,
        scratch=scratch,
        **more,
    )


# -- the command lines ----------------------------------------------------------------


@pytest.mark.parametrize("name", BY_NAME)
def test_a_server_is_told_its_port_and_its_application(
    name: str, tmp_path: Path
) -> None:
    argv = BY_NAME[name].command(launch(tmp_path))
    text = " ".join([*argv, *(p.read_text() for p in tmp_path.glob("*.conf"))])
    assert "8000" in text
    assert BY_NAME[name].is_limit or "apps:plaintext" in argv


@pytest.mark.parametrize("name", BY_NAME)
def test_a_server_does_what_is_asked_or_is_left_out(name: str, tmp_path: Path) -> None:
    plain = BY_NAME[name].command(launch(tmp_path))
    wants = {
        "certificate": Certificate("/cert.pem", "/key.pem"),
        "access_log": True,
        "workers": 2,
    }
    if name == "ceiling":
        return  # the table of workloads never asks it for any of these
    for what, value in wants.items():
        configuration = tmp_path / "nginx.conf"
        before = configuration.read_text() if configuration.exists() else ""
        try:
            argv = BY_NAME[name].command(launch(tmp_path, **{what: value}))
        except LeftOut as reason:
            assert "no option for" in str(reason)
        else:
            after = configuration.read_text() if configuration.exists() else ""
            assert argv != plain or after != before or name == "hypercorn"


def test_uvicorn_and_fastserve_get_the_same_options(tmp_path: Path) -> None:
    for more in ({}, {"access_log": True}, {"holds_idle": True}, {"workers": 2}):
        ours = BY_NAME["fastserve"].command(launch(tmp_path, **more))
        theirs = BY_NAME["uvicorn"].command(launch(tmp_path, **more))
        assert ours[1:] == theirs[5:]
        assert theirs[1:5] == ["--http", "httptools", "--ws", "websockets-sansio"]


def test_limits_only_where_their_answer_is_right() -> None:
    for workload in WORKLOADS:
        chosen = {s.name for s in rounds.takers(workload, SERVERS, settings(1))}
        limits = {server.name for server in SERVERS if server.is_limit}
        assert chosen & limits == set(workload.limits)


def test_minor_servers_are_in_core_workloads_or_asked_for() -> None:
    minor = {server.name for server in SERVERS if server.is_minor}
    few = dataclasses.replace(settings(1), everyone=False)
    for workload in WORKLOADS:
        chosen = {s.name for s in rounds.takers(workload, SERVERS, few)}
        assert chosen & minor == (minor if workload.core else set())
        everyone = {s.name for s in rounds.takers(workload, SERVERS, settings(1))}
        assert everyone >= minor


# -- the rounds -----------------------------------------------------------------------


def settings(count: int) -> rounds.Settings:
    certificate = Certificate("cert.pem", "key.pem")
    return rounds.Settings(Path("/venv/bin"), count, 1, (0,), 1, certificate)


def servers(*names: str) -> list[Server]:
    return [Server(name, name, (), lambda launch: []) for name in names]


def test_rounds_go_forth_and_back() -> None:
    order: list[str] = []

    def measure(server: Server, workload: object, settings: object) -> dict[str, Any]:
        order.append(server.name)
        return sample(len(order))

    result = rounds.run(
        WORKLOAD, servers("a", "b", "c"), settings(3), lambda text: None, measure
    )
    assert order == list("abccbaabc")
    assert [taken["round"] for taken in result.samples["a"]] == [0, 1, 2]
    assert [taken["value"] for taken in result.samples["a"]] == [1, 6, 7]


def test_a_server_that_fails_is_not_asked_again_and_has_no_samples() -> None:
    asked: list[str] = []

    def measure(server: Server, workload: object, settings: object) -> dict[str, Any]:
        asked.append(server.name)
        if asked.count("bad") == 2 and server.name == "bad":
            raise ServerFailed("wrong answer")
        if server.name == "unable":
            raise LeftOut("no TLS")
        return sample(1)

    said: list[str] = []
    chosen = servers("good", "bad", "unable")
    result = rounds.run(WORKLOAD, chosen, settings(4), said.append, measure)
    assert list(result.samples) == ["good"]
    assert len(result.samples["good"]) == 4
    assert result.failures == {"bad": "wrong answer"}
    assert result.left_out == {"unable": "no TLS"}
    assert asked.count("bad") == 2 and asked.count("unable") == 1
    assert any("left out: no TLS" in text for text in said)


def test_a_second_worker_gets_a_core_if_there_is_one() -> None:
    two = dataclasses.replace(WORKLOAD, workers=2)
    one_core = settings(1)
    assert one_core.cores_of(two) == (0,)
    more = dataclasses.replace(one_core, server_cores=(0, 2))
    assert more.cores_of(two) == (0, 2)
    assert more.cores_of(WORKLOAD) == (0,)


# -- the check of answers -------------------------------------------------------------


def answer(head: bytes, body: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    stream = io.BytesIO(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body)
    return answers.read_answer(stream)


def test_an_answer_is_read_in_each_framing() -> None:
    chunks = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"
    assert answer(b"Content-Length: 2\r\n", b"abcd")[2] == b"ab"
    assert answer(b"Transfer-Encoding: chunked\r\n", chunks)[2] == b"abcde"
    assert answer(b"Connection: close\r\n", b"all of it")[2] == b"all of it"


def test_an_answer_that_ends_early_is_wrong() -> None:
    with pytest.raises(answers.WrongAnswer, match="2 bytes missing"):
        answer(b"Content-Length: 4\r\n", b"ab")


@pytest.mark.parametrize(
    ("status", "body"), [(500, b"Hello, World!"), (200, b"Hello, World"), (200, b"")]
)
def test_another_answer_is_wrong(status: int, body: bytes) -> None:
    answers.compare(WORKLOAD, 200, b"Hello, World!")
    with pytest.raises(answers.WrongAnswer):
        answers.compare(WORKLOAD, status, body)


def test_what_varies_differs_in_the_request_and_in_the_answer() -> None:
    (varied,) = [workload for workload in WORKLOADS if workload.name == "varied"]
    one, other = (answers.request_bytes(varied, 8000, n) for n in (1, 2))
    assert one != other and b"{n}" not in one
    assert b"GET /shop/items/00000001?page=00000001 HTTP/1.1\r\n" in one
    assert b"session=00000001000000010000000100000001;" in one
    right = answers.with_number(varied.answer, 1)
    answers.compare(varied, 200, right, 1)
    with pytest.raises(answers.WrongAnswer):
        answers.compare(varied, 200, right, 2)


# -- a quiet machine ------------------------------------------------------------------


def core(busy: float, interrupts: float = 0.0) -> procfs.CoreTimes:
    return procfs.CoreTimes(busy, interrupts, steal=0.0, total=10.0)


def test_what_is_not_ours_is_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfs, "interrupts_are_apart", lambda: False)
    assert foreign_share([core(9.0), core(5.0)], 12.0) == pytest.approx(0.2)
    assert foreign_share([core(9.0), core(5.0)], 15.0) == 0.0
    monkeypatch.setattr(procfs, "interrupts_are_apart", lambda: True)
    assert foreign_share([core(9.0, 1.0), core(5.0, 1.0)], 12.0) == 0.0


@pytest.mark.parametrize(
    ("foreign", "steal", "is_quiet"),
    [(0.0, 0.0, True), (0.02, 0.02, True), (0.04, 0.0, False), (0.0, 0.04, False)],
)
def test_others_and_the_hypervisor_are_noise(
    foreign: float, steal: float, is_quiet: bool
) -> None:
    usage = Usage(1.0, 1.0, 0.5, 1.0, foreign, steal, "", 0)
    assert usage.quiet is is_quiet
    assert usage.as_dict()["quiet"] is is_quiet


def test_a_quiet_machine_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter(["core 0 is 9% busy.", "core 0 is 8% busy.", ""])
    monkeypatch.setattr(quiet, "complaint", lambda cores: next(found))
    said: list[str] = []
    assert quiet.wait((0, 1), 60, said.append) == ""
    assert said == ["waiting for a quiet machine: core 0 is 9% busy."]


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "complaint", lambda cores: "the load average is 3.00.")
    assert quiet.wait((0, 1), 0, print) == "the load average is 3.00."


def test_a_high_load_average_is_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "STEP", 0)
    monkeypatch.setattr(procfs, "core_times", lambda core: QuietCore())
    for load, complains in ((0.1, False), (1000.0, True)):
        monkeypatch.setattr(quiet.os, "getloadavg", lambda load=load: (load, 0, 0))
        assert ("load average" in quiet.complaint((0,))) is complains


class QuietCore:
    """The times of a core on which nothing happens."""

    def since(self, before: object) -> procfs.CoreTimes:
        return core(0.0)


def test_a_process_name_may_hold_brackets() -> None:
    fields = "S 7 1 1 0 -1 0 0 0 0 0 100 50 10 20 20 0 1 0".split()
    found = procfs.parse_stat(" ".join(["42 (a) b)", *fields]))
    assert (found.pid, found.name, found.parent) == (42, "a) b", 7)
    assert found.cpu == pytest.approx(180 * procfs.TICK)
    assert found.system == pytest.approx(70 * procfs.TICK)


# -- document and report --------------------------------------------------------------


def whole_page() -> dict[str, Any]:
    taken = {"slow": samples(20, 22, 24), "fastserve": samples(10, 11, 12)}
    return page(taken, failures={"bad": "wrong\nand more"}, left_out={"old": "no TLS"})


def test_a_document_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    document.write(path, whole_page())
    assert document.read(path) == whole_page()
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}'])
def test_another_file_is_no_document(text: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(SystemExit, match="result.json"):
        document.read(path)


def test_the_report_has_every_figure_of_a_row() -> None:
    text = report.markdown(whole_page())
    (row,) = [line for line in text.splitlines() if line.startswith("| slow ")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:4] == ["slow", "22.00", "20.00-24.00", "45,455"]
    assert cells[4:9] == ["100 us", "900 us", "2.50 ms", "30", "75%"]
    assert cells[9:] == ["-", "2.00", ""]


def test_the_cheapest_comes_first() -> None:
    rows = report.rows(whole_page()["workloads"]["tiny"])
    assert [cells[0] for cells in rows] == ["fastserve", "slow"]


def test_the_report_names_all_who_are_missing_and_the_verdict() -> None:
    text = report.markdown(whole_page())
    assert "left out: granian: no such distribution" in text
    assert "left out: old: no TLS" in text
    assert "failed: bad: wrong\n" in text
    assert "fastserve is first: slow takes 2.00 times as much" in text
    assert "| tiny     |     first |       slow |                     2.00 |" in text


def test_a_refused_verdict_shows_in_the_summary() -> None:
    one_round = page({"slow": samples(20), "fastserve": samples(10)})
    text = report.markdown(one_round)
    assert "No verdict: 1 round, 3 are needed." in text
    assert "| tiny     | no verdict |" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (0.5, "0.50"), (99.994, "99.99"), (100, "100"), (12345.6, "12,346")],
)
def test_numbers(value: float | None, shown: str) -> None:
    assert report.number(value) == shown


# -- options --------------------------------------------------------------------------


def test_quick_gives_way_to_what_is_said() -> None:
    options = cli.options_of(["--quick", "--rounds", "9", "--only", "tls"])
    assert (options.rounds, options.seconds) == (9, cli.QUICK["seconds"])
    assert [workload.name for workload in options.only] == ["tls"]
    assert options.servers and len(options.servers) < len(SERVERS)


@pytest.mark.parametrize(
    "arguments",
    [["--only", "nothing"], ["--servers", "apache"], ["--rounds", "0"]],
)
def test_an_option_that_makes_no_sense_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.options_of(arguments)
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_the_load_needs_a_core_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    options = cli.options_of(["--server-cores", "0", "--load-core", "0"])
    with pytest.raises(SystemExit, match="core of its own"):
        cli.check_machine(options)


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.shutil, "which", lambda tool: None)
    with pytest.raises(SystemExit, match="wrk is not installed"):
        cli.check_machine(cli.options_of([]))


def test_the_json_is_json(tmp_path: Path) -> None:
    document.write(tmp_path / "x.json", whole_page())
    found = json.loads((tmp_path / "x.json").read_text())
    assert found["workloads"]["tiny"]["servers"]["slow"]["samples"][1]["round"] == 1

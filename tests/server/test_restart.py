"""SIGHUP: every worker replaced, the new one ready first, and no request lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from _process import HERE, ServerProcess, wait_until
from _workers import (
    load,
    serve_workers,
    wait_answering,
    wait_gone,
    workers,
)
from harness.certificates import Authority, options


def restart(server: ServerProcess) -> None:
    """Send SIGHUP, and wait until other workers serve and the old ones are gone."""
    before = workers(server)
    server.send_signal(signal.SIGHUP)
    server.wait_for_log("Received SIGHUP, restarting processes.")
    wait_until(lambda: len(set(workers(server)) - set(before)) == len(before))
    wait_gone(before)


def test_each_worker_is_replaced_after_the_new_one_is_ready() -> None:
    with serve_workers("_apps:slow_startup") as server:
        before = workers(server)
        restart(server)
        after = workers(server)
        assert len(after) == 2
        lines = server.log_lines()
        ready = [n for n, line in enumerate(lines) if "startup complete" in line]
        ended = [n for n, line in enumerate(lines) if "Terminated child" in line]
        assert len(ready) == 4
        assert ready[2] < ended[0] < ready[3] < ended[1]
        assert {int(re.findall(r"\d+", lines[n])[0]) for n in ended} == set(before)
        assert " died" not in server.stderr.text
        assert server.stop() == 0


@pytest.mark.parametrize("app", ["pid", "short_sleep", "streams"])
def test_no_request_is_lost(app: str, loop_name: str) -> None:
    args = ("--loop", loop_name, "--no-access-log")
    with serve_workers(f"_apps:{app}", *args) as server:
        with load(server) as result:
            time.sleep(0.5)
            restart(server)
            time.sleep(0.5)
        assert result.errors == []
        assert result.answers > 100
        assert server.stop() == 0


def test_clients_that_pause_lose_nothing() -> None:
    # Kept connections idle for less than the second that they have.
    with serve_workers("_apps:pid", "--no-access-log") as server:
        with load(server, kept=20, fresh=2, think=0.3) as result:
            time.sleep(0.5)
            restart(server)
        assert result.errors == []
        assert result.closes >= 20  # each kept one was told at least once
        assert server.stop() == 0


@pytest.mark.skipif(not shutil.which("wrk"), reason="the load generator wrk is missing")
def test_no_request_is_lost_under_wrk() -> None:
    with serve_workers("_apps:hello", "--no-access-log") as server:
        wrk = subprocess.Popen(
            ["wrk", "-t1", "-c64", "-d10s", f"{server.url}/"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            with load(server, kept=0, fresh=2, think=0.01) as result:
                time.sleep(1)
                restart(server)
            told, _ = wrk.communicate(timeout=30)
        finally:
            wrk.kill()
            wrk.wait()
        assert result.errors == []
        assert "requests in" in told
        assert "Socket errors" not in told
        assert "Non-2xx" not in told
        assert server.stop() == 0


def test_a_request_under_way_is_finished_and_says_close() -> None:
    with serve_workers("_apps:slow") as server:
        client = server.begin_slow_request(3)
        before = workers(server)
        server.send_signal(signal.SIGHUP)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert answer.endswith(b"\r\n\r\nslow")
        assert b"\r\nconnection: close\r\n" in answer
        wait_gone(before)
        assert server.stop() == 0


def test_a_long_request_holds_no_other_worker_up() -> None:
    with serve_workers("_apps:slow", "--timeout-graceful-shutdown", "60") as server:
        server.begin_slow_request(40)
        before = set(workers(server))
        server.send_signal(signal.SIGHUP)
        wait_until(lambda: len(before & set(workers(server))) == 1, 30)
        wait_until(lambda: len(set(workers(server)) - before) == 2, 30)
        # It is forgotten by none: the end of the parent forces it too.
        server.send_signal(signal.SIGINT)
        server.wait_for_log("Received SIGINT")
        server.send_signal(signal.SIGINT)
        assert server.wait() == 0


@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_the_old_workers_stay_when_the_new_one_does_not_come(
    how: str, tmp_path: Path
) -> None:
    source = tmp_path / "made.py"
    source.write_text("from _apps import pid as app\n")
    with serve_workers(
        "made:app",
        *("--timeout-worker-healthcheck", "2"),
        cwd=tmp_path,
        env={"PYTHONPATH": str(HERE)},
    ) as server:
        before = workers(server)
        source.write_text(
            "import time\n"
            + ("app = " if how == "fails" else "while 1: time.sleep(1)\n")
        )
        server.send_signal(signal.SIGHUP)
        server.wait_for_log(
            r"^ERROR:    New child process \[\d+\] was not ready in time; "
            rf"keeping worker \[({before[0]}|{before[1]})\] and aborting the restart\.$"
        )
        if how == "fails":
            assert "SyntaxError" in server.stderr.text
            server.wait_for_log(
                r"^ERROR:    Child process \[\d+\] exited with code 1\.$"
            )
        assert workers(server) == before
        source.write_text("from _apps import pid as app\n")
        restart(server)
        assert wait_answering(server, 2) == set(workers(server))
        assert server.stop() == 0


def test_sigterm_ends_a_restart_at_once(tmp_path: Path) -> None:
    source = tmp_path / "made.py"
    source.write_text("from _apps import pid as app\n")
    with serve_workers(
        "made:app",
        *("--timeout-worker-healthcheck", "60"),
        cwd=tmp_path,
        env={"PYTHONPATH": str(HERE)},
    ) as server:
        source.write_text("import time\nprint('hanging', flush=True)\ntime.sleep(60)\n")
        server.send_signal(signal.SIGHUP)
        assert server.stdout.search("hanging")
        assert server.stop() == 0


def test_a_worker_that_dies_during_a_restart_is_replaced_too() -> None:
    with serve_workers("_apps:slow_startup") as server:
        before = workers(server)
        server.send_signal(signal.SIGHUP)
        server.wait_for_log("Received SIGHUP")
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_gone(before)
        wait_until(lambda: len(workers(server)) == 2)
        time.sleep(1)
        wait_until(lambda: len(workers(server)) == 2)
        assert not set(before) & set(workers(server))
        assert server.get("/").status == 200
        assert server.stop() == 0


def test_ttou_loses_no_request() -> None:
    with serve_workers("_apps:pid", "--no-access-log", count=3) as server:
        with load(server) as result:
            time.sleep(0.3)
            for left in (2, 1):
                server.send_signal(signal.SIGTTOU)
                wait_until(lambda: len(workers(server)) == left)  # noqa: B023
        assert result.errors == []
        assert server.stop() == 0


def test_no_request_is_lost_under_tls(loop_name: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    settings = options(authority.server())
    args = ("--loop", loop_name, "--no-access-log")
    with serve_workers("_apps:pid", *settings, *args) as server:
        with load(server, context=authority.context()) as result:
            time.sleep(0.5)
            restart(server)
            time.sleep(0.5)
        assert result.errors == []
        assert result.answers > 100
        assert server.stop() == 0

"""Faults that take their time: processes that stand still, under deadlines.

The quick ones: server/test_faults.py.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from _drain import APP, connect
from _gunicorn import gunicorn, worker_pids
from _process import serve
from _workers import serve_workers
from harness.client import request


def test_no_deadline_passes_while_the_process_is_stopped() -> None:
    options = ("--timeout-request-header", "8", "--timeout-request-body", "8")
    with serve(APP, *options, "--timeout-keep-alive", "8") as server:
        kept = connect(server, request())
        assert kept.answer().body == b"plain"
        head = connect(server, b"GET / HTTP/1.1\r\nHost: h")
        server.send_signal(signal.SIGSTOP)
        head.send(b"\r\n\r\n")
        time.sleep(10)
        server.send_signal(signal.SIGCONT)
        assert head.answer().body == b"plain"
        assert kept.exchange(request()).body == b"plain"
        assert server.stop() == -signal.SIGTERM


def test_a_blocked_worker_of_each_parent_says_where(tmp_path: Path) -> None:
    worker = "_gunicorn_workers.Watched"
    with (
        serve_workers(APP, "--warn-blocked-loop", "0.5") as workers,
        gunicorn(APP, worker=worker) as master,
    ):
        for server in (workers, master):
            end = tmp_path / str(server.pid)
            client = connect(server, request("GET", f"/blocks?{end}"))
            server.wait_for_log("has not run for")
            server.wait_for_log(", in blocks$")
            end.touch()
            server.wait_for_log("runs again")
            assert client.answer().body == b"blocked"
            assert server.stop() == 0


def test_a_worker_of_gunicorn_that_is_killed_is_replaced() -> None:
    with gunicorn("_apps:pid", workers=1) as server:
        (before,) = worker_pids(server)
        os.kill(before, signal.SIGKILL)
        server.wait_for_log(rf"Worker \(pid:{before}\) was sent SIGKILL")
        assert int(server.get("/").text) != before
        assert server.stop() == 0

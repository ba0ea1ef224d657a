"""The end of a busy server with workers and under gunicorn, and with its true times.

One process, and what the single clients see: server/test_drain.py.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

from _drain import (
    APP,
    OPTIONS,
    connect,
    drains_at_the_limit,
    drains_in_order,
    wait_for,
)
from _drain_app import LIMIT
from _gunicorn import gunicorn
from _process import serve
from _workers import serve_workers
from harness.client import request


def test_workers(tmp_path: Path) -> None:
    with serve_workers(APP, *OPTIONS) as server:
        drains_in_order(server, tmp_path / "end")
        assert server.wait() == 0


def test_workers_at_the_limit() -> None:
    with serve_workers(APP, "--timeout-graceful-shutdown", str(LIMIT)) as server:
        drains_at_the_limit(server, "Finished server process")
        assert server.wait() == 0


def test_a_worker_that_is_replaced(tmp_path: Path) -> None:
    with serve_workers(APP, *OPTIONS) as server:
        stream = connect(server, request("GET", "/events"))
        wait_for(stream, b"data: first\n\n")
        server.send_signal(signal.SIGHUP)
        assert stream.last_answer().body == b"data: first\n\ndata: last\n\n"
        assert server.stop() == 0


def test_gunicorn(tmp_path: Path) -> None:
    with gunicorn(APP, worker="_gunicorn_workers.Drains", workers=2) as server:
        drains_in_order(server, tmp_path / "end")
        assert server.wait() == 0


def test_gunicorn_at_the_limit() -> None:
    with gunicorn(APP, worker="_gunicorn_workers.DrainsSoon") as server:
        drains_at_the_limit(server, "Finished server process")
        assert server.wait() == 0


def test_a_download_outlasts_the_notice_by_far(tmp_path: Path) -> None:
    end = tmp_path / "end"
    with serve(APP) as server:
        stream = connect(server, request("GET", "/events"))
        wait_for(stream, b"data: first\n\n")
        download = connect(server, request("GET", f"/download?{end}"))
        wait_for(download, b"x" * 1000)
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        stream.last_answer()
        assert time.monotonic() - began >= 1  # --timeout-drain-notice
        time.sleep(4)
        end.touch()
        body = download.last_answer().body
        assert body.endswith(b"parts: %d" % (body.count(b"x") // 1000))
        assert server.wait() == -signal.SIGTERM

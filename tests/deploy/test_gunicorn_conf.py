"""gunicorn with the file of deploy/."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from _deploy import ADDRESS, text_of
from _gunicorn import wait_for_workers, wait_listening, worker_pids
from _load import load
from _process import start, wait_until

pytest.importorskip("gunicorn", reason="gunicorn does not run on this platform")


def test_reload_loses_no_request(folder: Path) -> None:
    config = folder / "gunicorn.conf.py"
    config.write_text(text_of("gunicorn.conf.py", {ADDRESS: "127.0.0.1:0"}))
    server = start(
        *("--no-control-socket", "-c", str(config)),
        command=("-m", "gunicorn"),
        cwd=folder,
        env={"WEB_CONCURRENCY": "2"},
    )
    try:
        wait_listening(server)
        with load(server.port, target="/pid") as clients:
            wait_until(lambda: clients.answered > 10)
            for _ in range(3):
                before = worker_pids(server)
                os.kill(server.pid, signal.SIGHUP)
                wait_for_workers(server, 2, other_than=before)
            answered = clients.answered
            wait_until(lambda: clients.answered > answered + 100)
        assert clients.failures == []
        assert server.stdout.search(r'127.0.0.1:\d+ - "GET /pid HTTP/1.1" 200')
        assert server.stop() == 0
    finally:
        server.close()

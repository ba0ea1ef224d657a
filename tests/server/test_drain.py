"""The end of a server that is busy: what is told, what goes on, what is cut.

With workers and under gunicorn, and with its true times: deploy/test_drain.py.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from _drain import (
    APP,
    OPTIONS,
    begin_upload,
    connect,
    drains_at_the_limit,
    drains_in_order,
    wait_for,
)
from _drain_app import LIMIT
from _lines import FINISHED
from _process import serve
from harness.client import request


def test_event_streams_are_told_and_all_others_finish(
    tmp_path: Path, loop_name: str
) -> None:
    with serve(APP, *OPTIONS, "--loop", loop_name) as server:
        drains_in_order(server, tmp_path / "end")
        assert server.wait() == -signal.SIGTERM
        assert not [line for line in server.log_lines() if line.startswith("ERROR")]


def test_at_the_limit_all_are_told_and_then_cancelled() -> None:
    with serve(APP, "--timeout-graceful-shutdown", str(LIMIT)) as server:
        drains_at_the_limit(server, "Finished server process")
        assert server.wait() == -signal.SIGTERM
        assert server.log_lines()[-1:] == FINISHED


@pytest.mark.parametrize("signals", [1, 2])
def test_a_handler_that_swallows_its_cancel_holds_nothing_up(
    signals: int, loop_name: str
) -> None:
    limit = ("--timeout-graceful-shutdown", "600" if signals == 2 else "0")
    with serve(APP, *limit, "--loop", loop_name) as server:
        connect(server, request("GET", "/stubborn"))
        assert server.stdout.search("app: stubborn$")
        for _ in range(signals):  # the second one forces
            server.send_signal(signal.SIGINT)
            server.wait_for_log("Waiting for connections to close")
        assert server.wait() == 0
        assert "app: stubborn: not cancelled" in server.stdout.lines


def test_without_a_notice_a_stream_goes_on() -> None:
    with serve(APP, "--timeout-drain-notice", "0") as server:
        stream = connect(server, request("GET", "/events"))
        stream.read_until(b"data: first\n\n\r\n")
        late = begin_upload(server, "/upload", 1)
        server.send_signal(signal.SIGINT)
        server.wait_for_log("Waiting for connections to close")
        late.send(b"1")
        assert late.last_answer("POST").body == b"1"
        stream.assert_silent(1.0)
        assert server.stop(signal.SIGINT) == 0  # forced
        assert "events: http.disconnect" not in server.stdout.text


def test_a_stream_that_begins_late_is_told_too() -> None:
    with serve(APP, "--timeout-drain-notice", "0.1") as server:
        late = begin_upload(server, "/later", 1)
        stream = connect(server, request("GET", "/events"))
        wait_for(stream, b"data: first\n\n")
        server.send_signal(signal.SIGTERM)
        assert stream.last_answer().body.endswith(b"data: last\n\n")
        late.send(b"1")
        assert late.last_answer("POST").body.endswith(b"data: last\n\n")
        assert server.wait() == -signal.SIGTERM

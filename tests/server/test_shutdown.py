"""The graceful end: what runs is finished, what idles is closed, what hangs is cut."""

from __future__ import annotations

import signal
import socket
import subprocess
import time

import pytest
from _lines import (
    BACKGROUND,
    CONNECTIONS,
    FINISHED,
    SHUTTING_DOWN,
    STARTED,
    STARTED_WITHOUT,
    STARTING,
    STOPPED_WITHOUT,
    WAITING,
)
from _process import ServerProcess, serve, wait_until

REQUEST = b"GET /?%s HTTP/1.1\r\nHost: test\r\n\r\n"


def begin(server: ServerProcess, seconds: bytes) -> socket.socket:
    """A request that the application has begun to answer."""
    client = server.connect()
    client.sendall(REQUEST % seconds)
    assert server.stdout.search("app: request under way")
    return client


def read_all(client: socket.socket) -> bytes:
    """Everything until the server closes; b"" for a connection that it resets."""
    got = b""
    try:
        while data := client.recv(65536):
            got += data
    except ConnectionResetError:
        pass
    return got


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_a_request_under_way_is_finished(
    number: int, code: int, loop_name: str
) -> None:
    with serve("_apps:slow", "--loop", loop_name) as server:
        client = begin(server, b"1")
        server.send_signal(number)
        server.wait_for_log("Waiting for connections to close")
        answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nslow")
        assert server.wait() == code
        assert server.log_lines() == (
            STARTED_WITHOUT + SHUTTING_DOWN + CONNECTIONS + FINISHED
        )


def test_no_connection_is_accepted_meanwhile(loop_name: str) -> None:
    with serve("_apps:slow", "--loop", loop_name) as server:
        begin(server, b"1")
        server.send_signal(signal.SIGINT)
        server.wait_for_log("Waiting for connections to close")
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_an_idle_connection_is_closed_at_once(loop_name: str) -> None:
    args = ["--loop", loop_name, "--timeout-keep-alive", "600"]
    with serve("_apps:hello", *args) as server:
        never_used, kept = server.connect(), server.connect()
        kept.sendall(REQUEST % b"")
        assert kept.recv(65536).endswith(b"hello")
        server.send_signal(signal.SIGINT)
        assert read_all(kept) == b""
        assert read_all(never_used) == b""
        assert server.wait() == 0
        # Nothing had to be waited for.
        assert server.log_lines() == STARTED_WITHOUT + STOPPED_WITHOUT


def test_work_after_the_answer_is_waited_for(loop_name: str) -> None:
    with serve("_apps:background", "--loop", loop_name) as server:
        assert server.get("/?1").text == "answered"
        assert server.stop(signal.SIGINT) == 0
        assert server.stdout.lines[-1] == "app: worked"
        assert BACKGROUND[0] in server.log_lines()


def test_second_sigint_forces_the_end(loop_name: str) -> None:
    with serve("_apps:lifespan_and_slow", "--loop", loop_name) as server:
        client = begin(server, b"60")
        server.send_signal(signal.SIGINT)
        server.wait_for_log("Waiting for connections to close")
        assert server.stop(signal.SIGINT) == 0
        assert b"200 OK" not in read_all(client)
        # The application hears of it only as a cancelled task.
        lines, expected = server.log_lines(), STARTED + SHUTTING_DOWN + CONNECTIONS
        assert lines[: len(expected)] == expected
        assert lines[-1:] == FINISHED
        assert not any("application shutdown" in line for line in lines)
        assert "app: cancelled: Task cancelled, forced to exit" in server.stdout.lines
        assert "app: shutdown" not in server.stdout.lines


def test_second_sigterm_does_not(loop_name: str) -> None:
    with serve("_apps:slow", "--loop", loop_name) as server:
        client = begin(server, b"1")
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("Waiting for connections to close")
        server.send_signal(signal.SIGTERM)
        assert read_all(client).endswith(b"slow")
        assert server.wait() == -signal.SIGTERM


def test_second_sigint_ends_a_lifespan_that_hangs(loop_name: str) -> None:
    with serve("_apps:shutdown_hangs", "--loop", loop_name) as server:
        server.send_signal(signal.SIGINT)
        server.stdout.search("app: shutdown")
        assert server.stop(signal.SIGINT) == 0
        expected = "INFO:     Waiting for application shutdown."
        assert server.log_lines() == [*STARTED, *SHUTTING_DOWN, expected, *FINISHED]


def test_second_sigint_ends_a_startup_that_hangs(loop_name: str) -> None:
    with serve("_apps:startup_hangs", "--loop", loop_name, ready=False) as server:
        server.stdout.search("app: startup")
        server.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.5)  # the first waits for the application
        assert server.stop(signal.SIGINT) == 3
        assert server.log_lines() == STARTING + WAITING


def test_timeout_graceful_shutdown(loop_name: str) -> None:
    args = ["--timeout-graceful-shutdown", "1", "--loop", loop_name]
    with serve("_apps:lifespan_and_slow", *args) as server:
        client = begin(server, b"60")
        begun = time.monotonic()
        server.send_signal(signal.SIGINT)
        assert b"200 OK" not in read_all(client)
        assert server.wait() == 0
        assert time.monotonic() - begun >= 1
        lines = server.log_lines()
        cancelled = lines.index(
            "ERROR:    Cancel 1 running task(s), timeout graceful shutdown exceeded"
        )
        assert lines[:cancelled] == STARTED + SHUTTING_DOWN + CONNECTIONS
        # The application is stopped properly after that.
        assert lines[-3:-1] == [
            "INFO:     Waiting for application shutdown.",
            "INFO:     Application shutdown complete.",
        ]
        why = "app: cancelled: Task cancelled, timeout graceful shutdown exceeded"
        assert why in server.stdout.lines
        assert server.stdout.lines.index(why) < server.stdout.lines.index(
            "app: shutdown"
        )


def test_timeout_of_zero_with_nothing_to_wait_for(loop_name: str) -> None:
    args = ["--timeout-graceful-shutdown", "0", "--loop", loop_name]
    with serve("_apps:hello", *args) as server:
        server.get()
        assert server.stop(signal.SIGINT) == 0
        assert server.log_lines() == STARTED_WITHOUT + STOPPED_WITHOUT


def test_a_client_that_does_not_read_holds_nothing_up_forever(
    loop_name: str,
) -> None:
    args = ["--timeout-graceful-shutdown", "1", "--loop", loop_name]
    with serve("_apps:endless", *args) as server:
        client = begin(server, b"")
        server.send_signal(signal.SIGINT)
        assert server.wait() == 0
        assert FINISHED[0] in server.log_lines()
        client.close()


def test_signals_reach_a_busy_server(loop_name: str) -> None:
    with serve("_apps:hello", "--loop", loop_name) as server:
        for _ in range(20):
            assert server.get().status == 200
        assert server.stop(signal.SIGTERM) == -signal.SIGTERM


def test_connections_that_come_and_go_leave_nothing(loop_name: str) -> None:
    with serve("_apps:hello", "--loop", loop_name) as server:
        for _ in range(10):
            server.connect().close()
        wait_until(lambda: server.get().status == 200)
        assert server.stop(signal.SIGINT) == 0
        assert CONNECTIONS[0] not in server.log_lines()

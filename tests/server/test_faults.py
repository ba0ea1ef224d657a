"""What goes wrong round a server, and that it goes on, or ends with its code.

Faults of single workers are test_multiprocess.py's, of the reloader's child
test_reload.py's, of what an application sends wire/test_app_faults.py's.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from _drain import APP, connect
from _process import ServerProcess, free_port, serve, start, wait_until
from _workers import serve_workers, wait_answering, workers
from harness.client import Client, request
from harness.websocket import handshake

# -- a handler that blocks ------------------------------------------------------------


def test_what_holds_the_loop_up_is_logged_once(tmp_path: Path) -> None:
    end = tmp_path / "end"
    with serve(APP, "--warn-blocked-loop", "0.2") as server:
        client = connect(server, request("GET", f"/blocks?{end}"))
        server.wait_for_log(
            rf"^ERROR:    The event loop of process \[{server.pid}\] has not run"
        )
        server.wait_for_log(r"_drain_app\.py.*, in blocks$")
        end.touch()
        assert client.answer().body == b"blocked"
        server.wait_for_log(
            rf"^WARNING:  The event loop of process \[{server.pid}\] runs again, after"
        )
        assert server.stop() == -signal.SIGTERM
        assert server.stderr.text.count("has not run for") == 1


# -- an application that raises -------------------------------------------------------


def test_an_application_that_raises_everywhere(loop_name: str) -> None:
    """The lifespan's own is `auto`: what raises there is not supported."""
    with serve("_drain_app:raises", "--loop", loop_name) as server:
        expected = {
            "/at-once": b"HTTP/1.1 500 ",
            "/in-receive": b"HTTP/1.1 500 ",
            "/in-send": b"HTTP/1.1 200 ",
            "/in-background": b"HTTP/1.1 200 ",
        }
        for path, first in expected.items():
            client = Client((server.host, server.port))
            client.send(request("POST", path, body=b"abc"))
            assert client.receive().startswith(first)
            client.close()
        client = Client((server.host, server.port))
        client.send(handshake("/at-once"))
        assert client.read_to_eof().startswith(b"HTTP/1.1 500 ")
        client.close()
        assert server.get("/").text == "served"
        assert server.stop() == -signal.SIGTERM
        raised = server.stderr.text.count("\nRuntimeError: in vain")
        assert raised == 5  # and none of the lifespan


# -- processes that are stopped or killed ---------------------------------------------


def test_after_a_kill_the_next_server_takes_the_same_place(tmp_path: Path) -> None:
    place = ("--port", str(free_port()))
    for args in (place, ("--uds", str(tmp_path / "socket"))):
        for _ in range(2):
            with serve("_apps:hello", *args) as server:
                assert server.get("/").text == "hello"
                server.process.kill()
                assert server.wait() == -signal.SIGKILL


def test_workers_that_were_stopped_for_a_while_go_on() -> None:
    with serve_workers("_apps:pid", "--timeout-worker-healthcheck", "60") as server:
        before = set(workers(server))
        for pid in before:
            os.kill(pid, signal.SIGSTOP)
        client = server.connect()
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        for pid in before:
            os.kill(pid, signal.SIGCONT)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert wait_answering(server, 2) == before
        assert "died" not in server.stderr.text
        assert server.stop() == 0


# -- streams that are closed or full --------------------------------------------------


def start_with(closed: Callable[[], object], *args: str) -> ServerProcess:
    """A server whose standard streams are not what a test can read."""
    port = free_port()
    server = start(
        "_apps:hello", "--port", str(port), *args, preexec_fn=closed, stdin=None
    )
    server.host, server.port = "127.0.0.1", port
    try:
        wait_until(lambda: is_listening(server))
    except BaseException:
        server.close()
        raise
    return server


def is_listening(server: ServerProcess) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        assert server.process.poll() is None, server.stderr.text
        return False
    return True


@pytest.mark.parametrize("workers", ["1", "2"])
def test_closed_standard_streams(workers: str) -> None:
    server = start_with(lambda: os.closerange(0, 3), "--workers", workers)
    try:
        assert server.get("/").text == "hello"
        for number in range(3):  # no client's connection has them
            assert os.readlink(f"/proc/{server.pid}/fd/{number}") == os.devnull
        code = server.stop(signal.SIGTERM)
        assert code == (0 if workers == "2" else -signal.SIGTERM)
    finally:
        server.close()


@pytest.mark.parametrize("streams", [(1,), (1, 2)])
def test_a_full_disk_under_the_logs(streams: tuple[int, ...], loop_name: str) -> None:
    def fill() -> None:
        full = os.open("/dev/full", os.O_WRONLY)
        for number in streams:
            os.dup2(full, number)

    server = start_with(fill, "--loop", loop_name)
    try:
        for _ in range(3):
            assert server.get("/").text == "hello"
        assert server.stop(signal.SIGTERM) == -signal.SIGTERM
        told = "No space left on device" in server.stderr.text
        assert told == (2 not in streams)
    finally:
        server.close()

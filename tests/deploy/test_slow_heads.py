"""Slowloris: thousands of connections whose heads trickle in, and one good client."""

from __future__ import annotations

import contextlib
import json
import resource
import selectors
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from _process import ServerProcess, serve

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.client import REQUEST, Client  # noqa: E402

CONNECTIONS = 5000
DEADLINE = 10  # seconds
HEAD = b"GET / HTTP/1.1\r\nHost: h\r\nX: "


class Slow:
    """Sends a byte a second on each connection; `answers` has what came back."""

    def __init__(self, server: ServerProcess, count: int) -> None:
        self.answers: list[bytes] = []
        self._selector = selectors.DefaultSelector()
        for _ in range(count):
            sock = server.connect()
            sock.sendall(HEAD)
            self._selector.register(sock, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while self._selector.get_map():
            ready = self._selector.select(timeout=0)
            for key, _ in ready:
                self._selector.unregister(key.fileobj)
                self.answers.append(key.fileobj.recv(65_536))
            for key in list(self._selector.get_map().values()):
                with contextlib.suppress(OSError):
                    key.fileobj.send(b"x")
            time.sleep(1)

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive(), "some are still connected"


@pytest.fixture
def descriptors() -> None:
    """Enough of them, for this process and the server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"the hard limit of descriptors is {hard}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def requests_in(seconds: float, server: ServerProcess) -> int:
    """How many requests one connection gets answered."""
    served, end = 0, time.monotonic() + seconds
    with Client((server.host, server.port), timeout=30) as client:
        while time.monotonic() < end:
            assert client.exchange(REQUEST).status == 200
            served += 1
    return served


def test_the_attack_that_is_measured() -> None:
    """`make slowloris` has it go on for a minute."""
    with serve("_apps:hello", "--timeout-request-header", "1") as server:
        command = [sys.executable, "-m", "bench.slow.peers", str(server.port), "50"]
        attack = subprocess.Popen(
            command,
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert attack.stdout.readline() == "ready\n"
            server.wait_for_log(r"\(--timeout-request-header\)")
            assert server.get("/").text == "hello"
            answers = json.loads(attack.communicate(timeout=60)[0])
        finally:
            attack.kill()
        assert answers["408"] > 0
        assert "cut" not in answers


@pytest.mark.usefixtures("descriptors")
def test_heads_that_trickle_in() -> None:
    options = ("--timeout-request-header", str(DEADLINE), "--no-access-log")
    with serve("_apps:hello", *options) as server:
        before = requests_in(2, server)
        slow = Slow(server, CONNECTIONS)
        meanwhile = requests_in(2, server)
        still_there = CONNECTIONS - len(slow.answers)
        slow.join()
        print(f"{before} requests before, {meanwhile} with {still_there} others")
        # How many depends on the machine; that they are served does not.
        assert meanwhile > 50
        assert len(slow.answers) == CONNECTIONS
        assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in slow.answers)
        told = [line for line in server.log_lines() if "(--timeout-request" in line]
        assert 1 <= len(told) < CONNECTIONS / 10

"""`make compare` for real, as short as it goes, and its client of the constant rate.

One round of one second says nothing of speed: what is looked at is that servers are
started, checked, measured and reported, and that a stall is charged for.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
STALL = 1.0  # seconds

needs_two_cores = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="the comparison needs a core for the server and one for the load",
)


@needs_two_cores
def test_servers_are_compared_and_reported(tmp_path: Path) -> None:
    cores = sorted(os.sched_getaffinity(0))[:2]
    result, page = tmp_path / "result.json", tmp_path / "result.md"
    command = [
        *(sys.executable, "-m", "bench.compare", "--no-install"),
        *("--venv", sys.prefix, "--rounds", "1", "--seconds", "1", "--patience", "0"),
        *("--servers", "ceiling,fastserve,uvicorn", "--only", "varied,plaintext,tls"),
        *("--server-cores", str(cores[0]), "--load-core", str(cores[1])),
        *("--json", str(result), "--markdown", str(page)),
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(result.read_text())
    assert found["left_out"] == {}
    measured = {n: set(e["servers"]) for n, e in found["workloads"].items()}
    both = {"fastserve", "uvicorn"}
    assert measured == {"plaintext": both | {"ceiling"}, "varied": both, "tls": both}
    assert set(found["constant_rate"]["plaintext"]["servers"]) == measured["plaintext"]
    for entry in found["workloads"].values():
        assert entry["failures"] == {}
        assert entry["verdict"]["place"] == "none"  # one round is none
        for figures in entry["servers"].values():
            assert figures["value"] > 0 and figures["peak"] > 2**20
    assert "No verdict" in page.read_text()


# -- the client of the constant rate --------------------------------------------------


@pytest.fixture
def rate_load(tmp_path: Path) -> str:
    """The program, built."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    assert compiler, "a C compiler is needed to build the client"
    program = str(tmp_path / "rate_load")
    source = str(ROOT / "bench" / "compare" / "rate_load.c")
    command = [*compiler.split(), "-O1", "-std=c11", source, "-o", program]
    subprocess.run(command, check=True)
    return program


@pytest.fixture
def stalling() -> Iterator[tuple[int, threading.Event]]:
    """The port of a server of one connection, which stalls once the event is set."""
    stall = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(65536):
                    if stall.is_set():
                        stall.clear()
                        time.sleep(STALL)
                    connection.sendall(ANSWER * data.count(b"\r\n\r\n"))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], stall
        thread.join(10)


def test_all_whom_a_stall_keeps_waiting_are_counted(
    rate_load: str, stalling: tuple[int, threading.Event]
) -> None:
    port, stall = stalling
    arguments = [rate_load, str(port), "1", "2", "100", "2"]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as client:
        assert client.stdin is not None and client.stdout is not None
        client.stdin.write(b"%d\n%b" % (len(REQUEST), REQUEST))
        client.stdin.flush()
        assert client.stdout.readline() == b"ready\n"
        stall.set()
        client.stdin.write(b"\n")
        client.stdin.flush()
        found = json.loads(client.stdout.readline())
    assert client.returncode == 0
    assert (found["requests"], found["unanswered"]) == (200, 0)
    # One request in 200 met the stall, and half of them waited because of it: a client
    # that waits for answers would have seen one slow one.
    assert found["latency_us"]["p90"] > STALL / 2 * 1e6
    assert found["latency_us"]["max"] >= STALL * 1e6 * 0.98

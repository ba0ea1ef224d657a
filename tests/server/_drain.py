"""What ends when a server is told to, and what does not: for each way to run one.

    with serve("_drain_app:app", *OPTIONS) as server:
        drains_in_order(server, tmp_path / "end")

A signal goes to the process that was started: a server, a parent, gunicorn's master.
"""

from __future__ import annotations

import signal
from pathlib import Path

from _drain_app import NOTICE
from _process import ServerProcess
from harness.client import Client, request
from harness.websocket import Peer

OPTIONS = ("--timeout-drain-notice", str(NOTICE))
APP = "_drain_app:app"
CANCELLED = r"Cancel \d+ running task\(s\), timeout graceful shutdown exceeded"
LENGTH = 1000


def connect(server: ServerProcess, *pieces: bytes) -> Client:
    """A client that has sent these; closed with the server."""
    client = Client((server.host, server.port))
    server.clients.append(client.sock)
    client.send(*pieces)
    return client


def begin_upload(server: ServerProcess, target: str, length: int) -> Client:
    """A client whose head the application has, and nothing else yet."""
    field = ("Content-Length", str(length))
    client = connect(server, request("POST", target, [field]))
    assert server.stdout.search("app: body begins$")
    return client


def wait_for(client: Client, mark: bytes) -> None:
    """Until it has come; it stays to be read."""
    client.buffer = client.read_until(mark) + client.buffer


def drains_in_order(server: ServerProcess, end: Path) -> None:
    """Told to end, the server ends what is endless, and nothing else is disturbed.

    Clients of each kind are there. `end` is a file that does not exist yet.
    """
    idle = connect(server, request())
    assert idle.answer().body == b"plain"
    websocket = Peer(connect(server))
    streams = [
        connect(server, request("GET", "/events", version=version))
        for version in ("1.1", "1.0")
    ]
    for stream in streams:
        wait_for(stream, b"data: first\n\n")
    download = connect(server, request("GET", f"/download?{end}"))
    wait_for(download, b"x" * 1000)
    upload = begin_upload(server, "/upload", LENGTH)
    upload.send(b"1" * 10)

    server.send_signal(signal.SIGTERM)
    websocket.answers_close(1012)
    assert idle.read_to_eof() == b""
    for stream in streams:
        assert stream.last_answer().body == b"data: first\n\ndata: last\n\n"

    upload.send(b"2" * (LENGTH - 10))
    answer = upload.last_answer("POST")
    assert answer.body == b"%d" % LENGTH
    assert answer.header(b"connection") == b"close"
    end.touch()
    whole = download.last_answer().body
    sent, _, count = whole.partition(b"parts: ")
    assert sent == b"x" * 1000 * int(count)


def drains_at_the_limit(server: ServerProcess, *after: str) -> None:
    """What does not end by itself is told, then cancelled, then cut.

    The server has a --timeout-graceful-shutdown; `after` is what its log says behind
    the cancellation.
    """
    waits, stubborn, thread = (
        connect(server, request("GET", f"/{path}"))
        for path in ("waits", "stubborn", "thread")
    )
    for path in ("waits", "stubborn", "thread"):
        assert server.stdout.search(f"app: {path}$")
    deaf = connect(server, request("GET", "/deaf"))
    wait_for(deaf, b"data: again\n\n")
    server.send_signal(signal.SIGTERM)
    assert thread.last_answer().status == 500  # as of any task that is cancelled
    for client in (waits, stubborn):
        assert client.cut_answer().status == 0
    assert deaf.cut_answer().status == 200
    server.wait_for_log(CANCELLED)
    for line in after:
        server.wait_for_log(line)
    assert server.stdout.search("app: waits no more$")
    assert server.stdout.search("app: stubborn: not cancelled$")
    lines = server.stdout.lines
    assert lines.index("app: waits no more") < lines.index(
        "app: stubborn: not cancelled"
    )

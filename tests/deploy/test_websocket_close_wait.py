"""What takes seconds by the design: the ten that a peer has to answer a close frame of
the application's, and what a shutdown gives one that reads nothing."""

from __future__ import annotations

import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from _process import ServerProcess, serve

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.client import Client  # noqa: E402
from harness.websocket import Peer  # noqa: E402

CLOSES = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close"})
"""
SENDS = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "bytes": bytes(1_000_000)})
"""


def connect(server: ServerProcess) -> Peer:
    return Peer(Client((server.host, server.port), timeout=20))


def test_a_peer_that_does_not_answer_is_left_after_ten_seconds(tmp_path: Path) -> None:
    (tmp_path / "closing.py").write_text(CLOSES)
    options = ("--app-dir", str(tmp_path), "--lifespan", "off")
    with serve("closing:app", *options) as server:
        peer = connect(server)
        assert peer.closed() == (1000, "")
        begun = time.monotonic()
        peer.binary(b"not a close frame")
        peer.ended()
        assert 9.5 < time.monotonic() - begun < 15
        peer.client.sock.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_shutdown_does_not_wait_for_a_peer_that_does_not_read(
    tmp_path: Path, loop: str
) -> None:
    """A second for its close frame, then as long as it takes anything: two more."""
    (tmp_path / "sending.py").write_text(SENDS)
    options = ("--app-dir", str(tmp_path), "--lifespan", "off", "--loop", loop)
    with serve("sending:app", *options) as server:
        peer = connect(server)
        time.sleep(0.3)  # it fills the sockets, and waits
        assert server.stop(signal.SIGINT) == 0
        peer.client.reset()

"""The ten seconds that a peer has to answer a close frame of the application's."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

from _process import serve

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.client import Client  # noqa: E402
from harness.websocket import Peer  # noqa: E402

APP = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close"})
"""


def test_a_peer_that_does_not_answer_is_left_after_ten_seconds(tmp_path: Path) -> None:
    (tmp_path / "closing.py").write_text(APP)
    options = ("--app-dir", str(tmp_path), "--lifespan", "off")
    with serve("closing:app", *options) as server:
        peer = Peer(Client((server.host, server.port), timeout=20))
        assert peer.closed() == (1000, "")
        begun = time.monotonic()
        peer.binary(b"not a close frame")
        peer.ended()
        assert 9.5 < time.monotonic() - begun < 15
        peer.client.sock.shutdown(socket.SHUT_RDWR)

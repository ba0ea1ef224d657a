"""Peers that stop, seen from their side: 408, a cut, and others who feel nothing of it.

The exact times are unit/test_timeouts.py's; here clocks are real, so nothing is said
of how soon something happens, only that it does.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.apps import Recorder, body, start
from harness.certificates import Authority
from harness.client import REQUEST, Client, request
from harness.fixtures import Site
from harness.server import eventually
from harness.websocket import ACCEPT, Peer, say

Start = Callable[..., Site]

MIB = 1 << 20
# For peers that stop anyhow: no good request races it.
SOON = 0.25
PATIENCE = 15.0  # seconds, of clients: no deadline here is near it


def trickle(client: Client) -> None:
    """Send bytes one by one, until the server answers or closes."""
    for _ in range(5000):
        readable, _, _ = select.select([client.sock], [], [], 0.02)
        if readable:
            return
        client.send(b"x")
    raise AssertionError("the server took all of it")


def limits_met(site: Site) -> dict[str, int]:
    return dict(site.server.server.server_state.limits_met)


def post(field: tuple[str, str], target: str = "/") -> bytes:
    """Not the whole of it."""
    return request("POST", target, [field]) + b"3\r\nabc"


async def answers_first(scope, receive, send) -> None:
    if scope["path"] == "/first":
        await send(start())
        await send(body(b"first", more=True))
    while (await receive())["type"] == "http.request":
        pass


def test_peers_that_stop(start_server: Start) -> None:
    site = start_server(
        recorder := Recorder(answers_first),
        timeout_request_header=SOON,
        timeout_request_body=SOON,
    )
    with site.server.held():  # so that none is late before it begins
        trickling, silent, plain, chunked, begun = (
            site.connect(PATIENCE) for _ in range(5)
        )
        trickling.send(b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
        plain.send(post(("Content-Length", "10")))
        chunked.send(post(("Transfer-Encoding", "chunked")))
        begun.send(post(("Content-Length", "10"), "/first"))
    trickle(trickling)
    trickling.refused(408)
    assert silent.read_to_eof() == b""
    plain.refused(408)
    chunked.refused(408)
    answer = begun.cut_answer("POST")
    assert (answer.status, answer.body) == (200, b"first")
    eventually(lambda: recorder.ended == 3)
    assert recorder.kinds.count("http.disconnect") == 3
    assert limits_met(site) == {"timeout_request_header": 2, "timeout_request_body": 3}
    assert len([t for t in site.warnings if "(--timeout-request-header)" in t]) == 1
    assert len([t for t in site.warnings if "(--timeout-request-body)" in t]) == 3


# --- peers that do not read -----------------------------------------------------------


async def endless(scope, receive, send) -> None:
    """Answers until the peer has gone; /long answers once, with too much."""
    if scope["type"] == "websocket":
        await receive()
        await send(ACCEPT)
        while True:
            await send(say(b"x" * MIB))
    if scope["path"] == "/long":
        await send(start(headers=[(b"content-length", b"%d" % (50 * MIB))]))
        await send(body(b"x" * (50 * MIB)))
        return
    await send(start())
    for _ in range(200):
        await send(body(b"x" * MIB, more=True))


def test_peers_that_do_not_read_are_cut(start_server: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    recorder = Recorder(endless)
    settings: dict[str, Any] = {"timeout_write": SOON, "ws_ping_interval": None}
    site = start_server(recorder, **settings)
    secure_site = start_server(recorder, **settings, **authority.server())
    clients = [site.connect(PATIENCE) for _ in range(2)]
    clients[0].send(REQUEST)
    clients[1].send(request(target="/long", headers=[("Connection", "close")]))
    secure = authority.secure(secure_site.connect(PATIENCE))
    secure.send(REQUEST)
    peer = Peer(site.connect(PATIENCE))
    eventually(lambda: limits_met(site) == {"timeout_write": 3}, PATIENCE)
    eventually(lambda: limits_met(secure_site) == {"timeout_write": 1}, PATIENCE)
    eventually(lambda: recorder.ended == 4, PATIENCE)
    site.wait_for_message("(--timeout-write)")
    (error,) = recorder.raised  # the WebSocket's
    assert isinstance(error, OSError)
    site.allow_errors()
    for each in (*clients, peer.client):
        # Nothing of it stays in the kernel: what was in flight is cut off by a RST.
        while each.receive():
            pass
        assert each.was_reset


# --- TLS ------------------------------------------------------------------------------


def test_a_tls_handshake_that_stops_is_cut(start_server: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    site = start_server(timeout_tls_handshake=SOON, **authority.server())
    with site.server.held():
        client = site.connect(PATIENCE)
        client.send(b"\x16\x03\x01")
    while client.receive():
        pass
    eventually(lambda: limits_met(site) == {"timeout_tls_handshake": 1})
    site.wait_for_message("(--timeout-tls-handshake)")

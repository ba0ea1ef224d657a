"""--limit-connections: new ones wait in the kernel, idle ones make room."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from harness.apps import Gate, Recorder, body, start
from harness.certificates import Authority
from harness.client import REQUEST, Client, request
from harness.fixtures import Site
from harness.server import eventually

Start = Callable[..., Site]

PATIENCE = 20.0  # seconds
WAITS = "(--limit-connections): new connections wait."


class Held:
    """Answers at once, /held when its gate opens."""

    def __init__(self) -> None:
        self.gate = Gate()

    async def __call__(self, scope, receive, send) -> None:
        if scope["path"] == "/held":
            await self.gate.wait()
        await send(start(headers=[(b"content-length", b"2")]))
        await send(body(b"ok"))


def limits_met(site: Site) -> dict[str, int]:
    return dict(site.server.server.server_state.limits_met)


def served(site: Site) -> Client:
    """A connection that is kept for its next request."""
    client = site.connect(PATIENCE)
    assert client.exchange(REQUEST).status == 200
    return client


def test_new_connections_wait_for_busy_ones(start_server: Start) -> None:
    recorder = Recorder(held := Held())
    site = start_server(recorder, limit_connections=2)
    busy = [site.connect(PATIENCE) for _ in range(2)]
    for client in busy:
        client.send(request(target="/held", headers=[("Connection", "close")]))
    eventually(lambda: recorder.started == 2, PATIENCE)
    assert limits_met(site) == {}
    waiting = [site.connect(PATIENCE) for _ in range(3)]
    for client in waiting:
        client.send(request(headers=[("Connection", "close")]))
    site.wait_for_message(WAITS)
    waiting[0].assert_silent(0.2)
    assert recorder.started == 2
    assert limits_met(site) == {"limit_connections": 1}
    held.gate.open()
    for client in (*busy, *waiting):
        assert client.last_answer().body == b"ok"
    assert sum(WAITS in text for text in site.messages) == 1


def test_the_longest_idle_makes_room(start_server: Start) -> None:
    site = start_server(Held(), limit_connections=3, timeout_keep_alive=600)
    oldest, *others = (served(site) for _ in range(3))

    def is_apart() -> bool:
        """Whether the wheel, whose steps are coarse, has the others behind it."""
        for client in others:
            assert client.exchange(REQUEST).status == 200
        time.sleep(0.1)
        connections = site.server.server.server_state.connections
        first, second, _ = sorted(each.idle_until() for each in connections)
        return 0 < first < second

    eventually(is_apart, PATIENCE)
    served(site)
    assert oldest.read_to_eof() == b""
    for client in others:
        assert client.exchange(REQUEST).status == 200


def test_a_connection_of_which_nothing_came_is_not_idle(start_server: Start) -> None:
    """It may be about to send; its own deadline ends it."""
    site = start_server(Held(), limit_connections=1, timeout_request_header=1)
    silent = site.connect(PATIENCE)
    served(site)
    assert silent.read_to_eof() == b""
    assert limits_met(site)["timeout_request_header"] == 1


def test_tls_handshakes_count(start_server: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    site = start_server(Held(), limit_connections=1, **authority.server())
    site.connect(PATIENCE).send(b"\x16\x03\x01")
    eventually(lambda: site.server.server._tls.handshakes, PATIENCE)
    client = site.connect(PATIENCE)
    site.wait_for_message(WAITS)
    site._clients[0].close()
    assert authority.secure(client).exchange(REQUEST).body == b"ok"


def test_a_unix_socket_and_shutdown(start_server: Start, tmp_path: Path) -> None:
    """Who waits when the server ends is refused, as without the limit."""
    path = str(tmp_path / "s")
    site = start_server(Held(), limit_connections=1, uds=path)
    first = site.connect(PATIENCE)
    site.connect(PATIENCE)
    site.wait_for_message(WAITS)
    assert first.exchange(REQUEST).status == 200
    site.server.stop()
    assert not Path(path).exists()

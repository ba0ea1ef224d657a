"""Messages both ways: the scope, sizes and order, flow control and bounded memory, what
receive() and send() promise, the transports, the log."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.apps import Gate, Recorder, replies
from harness.certificates import Authority
from harness.client import REQUEST, Client
from harness.fixtures import Site
from harness.frames import (
    BINARY,
    PING,
    PONG,
    RSV1,
    TEXT,
    Deflater,
    close,
    fragments,
    frame,
)
from harness.server import eventually
from harness.websocket import (
    ACCEPT,
    CLOSE_IT,
    DEFLATE,
    Peer,
    echo,
    gone,
    handshake,
    messages_of,
    received,
    say,
)

MIB = 1 << 20


def test_the_scope(site: Site) -> None:
    site.app = recorder = Recorder(echo)
    client = site.connect()
    name = client.name
    Peer(client, "/a%20b?c=d", [("X-One", "1")]).leave()
    scope = dict(recorder.scope)
    headers = scope.pop("headers")
    assert headers[0] == (b"host", b"h")
    assert headers[-1] == (b"x-one", b"1")
    assert scope.pop("state") == {"number": 1, "shared": []}
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": site.server.address,
        "client": name,
        "root_path": "",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=d",
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }


def test_the_scope_of_http_stays_as_it_was(site: Site) -> None:
    """Nothing of a WebSocket's is in the next request's scope of that server."""

    async def app(scope, receive, send):
        await (echo if scope["type"] == "websocket" else replies())(
            scope, receive, send
        )

    site.app = recorder = Recorder(app)
    Peer(site.connect()).leave()
    site.connect().exchange(REQUEST)
    assert recorder.scopes[1]["asgi"]["spec_version"] == "2.3"
    assert "websocket.http.response" not in recorder.scopes[1]["extensions"]


@pytest.mark.parametrize(("said", "scheme"), [("https", "wss"), ("http", "ws")])
def test_the_scheme_behind_a_proxy(site: Site, said: str, scheme: str) -> None:
    site.app = recorder = Recorder(echo)
    Peer(site.connect(), headers=[("X-Forwarded-Proto", said)]).leave()
    assert recorder.scope["scheme"] == scheme


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 1_000_000])
def test_sizes(site: Site, size: int) -> None:
    site.app = echo
    peer = Peer(site.connect())
    peer.text("x" * size)
    assert peer.message() == "x" * size
    peer.binary(b"\xff" * size)
    assert peer.message() == b"\xff" * size
    peer.leave()


def test_fragments_with_pings_between(site: Site) -> None:
    site.app = recorder = Recorder(echo)
    peer = Peer(site.connect())
    first, second, third = fragments(TEXT, b"\xce", b"\xba", b"!")
    for piece in (first, frame(PING, b"1"), second, frame(PING, b"2"), third):
        peer.client.send(piece, pause=0.002)
    assert peer.control(PONG) == b"1"
    assert peer.control(PONG) == b"2"
    assert peer.message() == "κ!"
    peer.leave()
    assert received("κ!") in recorder.received


def test_a_peer_that_sends_single_bytes(site: Site) -> None:
    site.app = echo
    peer = Peer(site.connect())
    data = frame(TEXT, b"hello") + frame(BINARY, b"\x00" * 130) + frame(PING, b"p")
    peer.client.send(*(data[at : at + 1] for at in range(len(data))))
    got = [peer.frame().payload for _ in range(3)]
    assert sorted(got) == sorted([b"hello", b"\x00" * 130, b"p"])


def test_many_messages_stay_in_order(site: Site) -> None:
    site.app = echo
    peer = Peer(site.connect())
    peer.client.send(b"".join(frame(TEXT, b"%d" % n) for n in range(3000)))
    assert [peer.message() for _ in range(3000)] == [str(n) for n in range(3000)]
    peer.leave()


# -- limits ------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["one", "fragments", "deflated"])
def test_a_message_over_the_limit_is_1009(
    start_server: Callable[..., Site], how: str
) -> None:
    recorder = Recorder(echo)
    site = start_server(recorder, ws_max_size=1000)
    peer = Peer(site.connect(), headers=[DEFLATE])
    peer.binary(b"x" * 1000)
    assert peer.message() == b"x" * 1000
    if how == "one":
        peer.binary(b"x" * 1001)
    elif how == "fragments":
        peer.client.send(*fragments(BINARY, b"x" * 501, b"x" * 500))
    else:
        peer.client.send(frame(BINARY, Deflater()(bytes(5 * MIB)), flags=0x80 | RSV1))
    assert peer.closed() == (1009, "message too big")
    peer.ended()
    eventually(lambda: recorder.ended)
    assert recorder.received[-1] == gone(1009, "message too big")
    assert site.server.server.server_state.limits_met == {"ws_max_size": 1}
    text = "the peer sent a message of more than 1000 bytes (--ws-max-size)."
    assert site.warnings[0].endswith(text)


@pytest.mark.parametrize("size", [100, 100_000])
def test_reading_pauses_while_the_app_does_not_read(site: Site, size: int) -> None:
    """Bounded by messages (--ws-max-queue, 32) and by bytes, whichever is first."""
    gate = Gate()

    async def app(scope, receive, send):
        await send(ACCEPT)
        await gate.wait()
        while (await receive())["type"] != "websocket.disconnect":
            pass

    site.app = recorder = Recorder(app)
    peer = Peer(site.connect())
    gate.wait_reached()
    piece = frame(BINARY, b"x" * size)
    sent = peer.client.send_while_accepted(piece, 60 * MIB)
    assert sent < 30 * MIB
    gate.open()
    whole = -(-sent // len(piece))
    peer.client.send(piece[len(piece) - (whole * len(piece) - sent) :])
    eventually(lambda: len(recorder.received) == 1 + whole, 20)
    peer.leave()


def test_send_waits_for_a_peer_that_does_not_read(site: Site) -> None:
    sent = 0

    async def app(scope, receive, send):
        nonlocal sent
        await send(ACCEPT)
        for _ in range(300):
            await send(say(b"x" * 100_000))
            sent += 1
        await receive()
        await receive()

    site.app = app
    peer = Peer(site.connect())
    peer.client.assert_not_progressing(lambda: sent)
    assert sent < 250
    for _ in range(300):
        assert len(peer.message()) == 100_000
    peer.leave()


def test_sends_of_several_tasks_go_out_in_the_order_of_their_calls(site: Site) -> None:
    """Also while they wait for the peer, and those that come as it takes more."""
    order: list[int] = []

    async def app(scope, receive, send):
        await send(ACCEPT)

        async def one(number: int) -> None:
            order.append(number)
            await send(say(number.to_bytes(4, "big") + b"x" * 50_000))

        async def several(start: int) -> None:
            for number in range(start, 2000, 4):
                await one(number)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for start in range(4):
                group.create_task(several(start))
        await receive()
        await receive()

    site.app = app
    peer = Peer(site.connect())
    time.sleep(0.05)
    got = [int.from_bytes(bytes(peer.message()[:4]), "big") for _ in range(2000)]
    assert got == order
    peer.leave()


# -- receive() -----------------------------------------------------------------------


def test_a_cancelled_receive_loses_nothing(site: Site) -> None:
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        while True:
            try:
                message = await asyncio.wait_for(receive(), 0.003)
            except TimeoutError:
                continue
            if message["type"] == "websocket.disconnect":
                return
            task = asyncio.create_task(receive())
            await asyncio.sleep(0)
            if not task.done():
                task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                seen.append(message)
                message = task.result()
                if message["type"] == "websocket.disconnect":
                    return
            seen.append(message)

    seen: list[dict] = []
    site.app = recorder = Recorder(app)
    peer = Peer(site.connect())
    for number in range(60):
        peer.text(str(number))
        time.sleep(0.002)
    peer.leave()
    eventually(lambda: recorder.ended)
    assert messages_of(seen) == [str(number) for number in range(60)]


def test_each_websocket_has_its_own_task_and_context(site: Site) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[tuple[object, bool]] = []

    async def app(scope, receive, send):
        before = variable.get(None)
        variable.set(scope["path"])
        first = asyncio.current_task()
        await send(ACCEPT)
        await receive()
        await receive()
        assert variable.get() == scope["path"]
        tracked = first in site.server.server.server_state.tasks
        assert asyncio.current_task() is first
        seen.append((before, tracked))

    site.app = app
    peers = [Peer(site.connect(), f"/{n}") for n in range(3)]
    for peer in peers:
        peer.leave()
    eventually(lambda: len(seen) == 3)
    assert seen == [(None, True)] * 3


# -- around it -----------------------------------------------------------------------


def test_the_lines_of_the_log(site: Site) -> None:
    async def app(scope, receive, send):
        if scope["path"] == "/no":
            return await send(CLOSE_IT)
        await echo(scope, receive, send)

    site.app = app
    client = site.connect()
    Peer(client, "/a%20b?c").leave()
    refused = site.connect()
    refused.send(handshake("/no"))
    assert refused.refused(403).body == b""
    assert [text for text in site.messages if "WebSocket" in text] == [
        f'127.0.0.1:{client.name[1]} - "WebSocket /a%20b?c" [accepted]',
        f'127.0.0.1:{refused.name[1]} - "WebSocket /no" 403',
    ]
    assert site.records("uvicorn.access") == []


def test_the_lines_at_trace(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(5, "uvicorn.error")
    assert logging.getLevelName(5)
    site.app = echo
    client = site.connect()
    peer = Peer(client)
    host, port = client.name
    peer.leave()
    site.wait_for_message("WebSocket connection lost")
    for text in ("Upgrading to WebSocket", "WebSocket connection made"):
        assert f"{host}:{port} - {text}" in site.messages


def test_limit_concurrency_counts_websockets(
    start_server: Callable[..., Site],
) -> None:
    async def app(scope, receive, send):
        await (echo if scope["type"] == "websocket" else replies())(
            scope, receive, send
        )

    site = start_server(app, limit_concurrency=3)
    peers = [Peer(site.connect()) for _ in range(2)]
    assert site.connect().exchange(REQUEST).status == 503
    for peer in peers:
        peer.leave()
    eventually(lambda: site.connect().exchange(REQUEST).status == 200)


def test_over_tls(start_server: Callable[..., Site], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    recorder = Recorder(echo)
    site = start_server(recorder, **authority.server())
    peer = Peer(authority.secure(site.connect()), headers=[DEFLATE])
    for text in ("hello", "large " * 50_000):
        peer.text(text)
        assert peer.message() == text
    peer.leave()
    assert recorder.scope["scheme"] == "wss"
    broken = Peer(authority.secure(site.connect()))
    broken.client.send(b"\x81\x00")
    assert broken.closed()[0] == 1002
    broken.client.close()


def test_over_a_unix_socket(
    start_server: Callable[..., Site], tmp_path: Path
) -> None:
    recorder = Recorder(echo)
    path = str(tmp_path / "socket")
    start_server(recorder, uds=path)
    with Client(path) as client:
        peer = Peer(client)
        peer.text("hello")
        assert peer.message() == "hello"
        peer.leave()
    assert recorder.scope["server"] == (path, None)
    assert recorder.scope["client"] is None


def test_resets_at_every_point_leave_nothing_behind(site: Site) -> None:
    site.app = echo
    whole = handshake() + frame(TEXT, b"hello") * 3 + frame(BINARY, b"x" * 90_000)
    cuts = [1, 40, len(handshake()) - 1, len(handshake()), len(handshake()) + 1]
    cuts += [len(handshake()) + 20, len(whole) - 50_000, len(whole)]
    for number in range(48):
        client = site.connect()
        client.send(whole[: cuts[number % len(cuts)]])
        if number % 3:
            time.sleep(0.002)
        if number % 4 == 3:
            client.send(close(1000))
        client.reset()
    site.wait_idle()
    peer = Peer(site.connect())
    peer.text("hello")
    assert peer.message() == "hello"
    peer.leave()
    assert site.warnings == []

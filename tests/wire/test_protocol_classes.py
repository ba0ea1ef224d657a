"""http= and ws= classes of others: uvicorn's own, and what derives from ours.

uvicorn is the oracle for its contract: its classes are served by this Server, made as
`cls(config=, server_state=, app_state=, _loop=)`.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.apps import Recorder, echo, replies
from harness.certificates import Authority
from harness.client import REQUEST, request
from harness.fixtures import Site
from harness.server import eventually
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from websockets.sync.client import ClientConnection, connect

from fastserve.protocols.connection import Connection
from fastserve.protocols.http.auto import AutoHTTPProtocol

Start = Callable[..., Site]

HTTP_CLASSES = [H11Protocol, HttpToolsProtocol]
WS_CLASSES = [WebSocketsSansIOProtocol, WSProtocol]


async def echo_websocket(scope: Any, receive: Any, send: Any) -> None:
    """HTTP is echoed; a WebSocket too, after its path, query and state were sent."""
    if scope["type"] != "websocket":
        return await echo(scope, receive, send)
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "subprotocol": None})
    shown = f"{scope['path']} {scope['raw_path']} {scope['query_string']} "
    await send({"type": "websocket.send", "text": shown + str(scope["state"])})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


def websocket(site: Site, target: str = "/", **options: Any) -> ClientConnection:
    host, port = site.server.address
    scheme = "wss" if "ssl" in options else "ws"
    return connect(f"{scheme}://{host}:{port}{target}", open_timeout=30, **options)


# --- http= ---------------------------------------------------------------------------


@pytest.mark.parametrize("cls", HTTP_CLASSES)
def test_uvicorns_http_classes(start_server: Start, cls: Any) -> None:
    recorder = Recorder()
    site = start_server(recorder, http=cls)
    client = site.connect()
    for number in range(3):
        answer = client.exchange(request("POST", "/a?b", body=b"%d" % number))
        assert answer.body == b"%d" % number
        assert answer.header(b"server") == b"fastserve"
        assert answer.header(b"date")
    state = site.server.server.server_state
    (connection,) = state.connections
    assert type(connection) is cls
    assert recorder.scopes[0]["state"] == {"number": 1, "shared": []}
    eventually(lambda: state.total_requests == 3)
    assert site.records("uvicorn.access")[-1].args[1:] == ("POST", "/a?b", "1.1", 200)


@pytest.mark.parametrize("cls", HTTP_CLASSES)
def test_their_limits_and_their_end(start_server: Start, cls: Any) -> None:
    site = start_server(http=cls, limit_max_requests=2, timeout_keep_alive=60)
    client = site.connect()
    assert [client.exchange(REQUEST).status for _ in range(2)] == [200, 200]
    assert client.read_to_eof() == b""  # the server has ended
    site.wait_for_message("Maximum request limit of 2 exceeded.")


def test_their_tls(start_server: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    recorder = Recorder()
    site = start_server(recorder, http=HttpToolsProtocol, **authority.server())
    assert authority.secure(site.connect()).exchange(REQUEST).status == 200
    assert recorder.scope["scheme"] == "https"


class Slow(HttpToolsProtocol):
    """A class of one's own that derives from uvicorn's."""

    made: list[dict[str, Any]] = []

    def __init__(self, **arguments: Any) -> None:
        self.made.append(arguments)
        super().__init__(**arguments)


def test_how_a_class_is_called(start_server: Start) -> None:
    Slow.made.clear()
    site = start_server(http=Slow)
    assert site.connect().exchange(REQUEST).status == 200
    (arguments,) = Slow.made
    server = site.server.server
    assert arguments == {
        "config": site.server.config,
        "server_state": server.server_state,
        "app_state": server.lifespan.state,
        "_loop": site.server.loop,
    }


# --- ours by uvicorn's names ---------------------------------------------------------

NAMES = [
    "http.auto:AutoHTTPProtocol",
    "http.h11_impl:H11Protocol",
    "http.httptools_impl:HttpToolsProtocol",
    "http.zttp_impl:ZttpProtocol",
    "websockets.auto:AutoWebSocketsProtocol",
    "websockets.websockets_impl:WebSocketProtocol",
    "websockets.websockets_sansio_impl:WebSocketsSansIOProtocol",
    "websockets.wsproto_impl:WSProtocol",
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::uvicorn.config.UvicornDeprecationWarning")
@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_the_one_implementation(name: str) -> None:
    module, _, attribute = name.partition(":")
    found = importlib.import_module(f"fastserve.protocols.{module}")
    assert getattr(found, attribute) is AutoHTTPProtocol
    # uvicorn has such a name, but for those whose libraries are not installed.
    try:
        uvicorns = importlib.import_module(f"uvicorn.protocols.{module}")
    except ImportError as exc:
        assert exc.name not in (None, "uvicorn")
    else:
        assert hasattr(uvicorns, attribute)


@pytest.mark.parametrize("name", NAMES[:4])
def test_named_it_is_served_natively(start_server: Start, name: str) -> None:
    site = start_server(http=f"fastserve.protocols.{name}")
    assert site.connect().exchange(REQUEST).status == 200
    (connection,) = site.server.server.server_state.connections
    assert type(connection) is Connection


class Counting(AutoHTTPProtocol):
    """Derives from ours, and sees what asyncio calls."""

    calls: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("made")
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.calls.append("data")
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")
        super().connection_lost(exc)


def test_a_subclass_of_ours(start_server: Start) -> None:
    Counting.calls.clear()
    recorder = Recorder()
    site = start_server(recorder, http=Counting)
    client = site.connect()
    body = b"x" * 1_000_000
    assert client.exchange(request("POST", body=body)).body == body
    assert client.exchange(REQUEST).status == 200
    assert site.server.server.server_state.total_requests == 2
    client.close()
    site.wait_idle()
    assert Counting.calls[0] == "made"
    assert Counting.calls[-1] == "lost"
    assert Counting.calls.count("data") >= 2
    assert recorder.scopes[0]["state"] == {"number": 1, "shared": []}


def test_a_subclass_of_ours_half_closed(start_server: Start) -> None:
    site = start_server(http=Counting)
    client = site.connect()
    client.send(REQUEST)
    client.finish()
    assert client.last_answer().body == b"ok"


def test_ours_without_a_server() -> None:
    """As tests of protocols make it: one state, whatever its class, one Shared."""
    from uvicorn.server import ServerState

    from fastserve.config import Config

    async def main() -> list[bytes]:
        config, state = Config(replies(b"alone"), log_config=None), ServerState()
        loop, answers = asyncio.get_running_loop(), []
        server = await loop.create_server(
            lambda: AutoHTTPProtocol(config=config, server_state=state, app_state={}),
            "127.0.0.1",
        )
        for _ in range(2):
            host, port = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(request(headers=[("Connection", "close")]))
            answers.append(await reader.read())
            writer.close()
        server.close()
        state.shared.close()  # type: ignore[attr-defined]
        return answers

    for answer in asyncio.run(main()):
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"alone")


# --- ws= -----------------------------------------------------------------------------


@pytest.mark.parametrize("cls", WS_CLASSES)
def test_an_upgrade_is_handed_over(start_server: Start, cls: Any) -> None:
    site = start_server(echo_websocket, ws=cls, root_path="/root")
    with websocket(site, "/p%20q/%C3%A9?x=1&y=%20") as client:
        assert client.recv(5) == (
            "/root/p q/é b'/root/p%20q/%C3%A9' b'x=1&y=%20' "
            "{'number': 1, 'shared': []}"
        )
        for text in ("hello", "x" * 200_000):
            client.send(text)
            assert client.recv(5) == text
        (connection,) = site.server.server.server_state.connections
        assert type(connection) is cls
    site.wait_idle()
    assert site.warnings == []


def test_after_requests_on_the_same_connection(start_server: Start) -> None:
    """With a frame that comes together with the handshake, too."""
    site = start_server(echo_websocket, ws=WebSocketsSansIOProtocol)
    client = site.connect()
    posts = request("POST", body=b"one") + request("POST", body=b"two")
    client.send(posts + HANDSHAKE + masked(b"early"))
    assert [client.answer().body for _ in range(2)] == [b"one", b"two"]
    head = client.read_until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    # RFC 6455 1.3: the accept value of its example key.
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert b"/chat" in client.read_until(b"]}")
    assert client.read_until(b"early") == b"\x81\x05early"
    client.send(masked(b"late"))
    assert client.read_until(b"late") == b"\x81\x04late"


HANDSHAKE = request(
    target="/chat",
    headers=[
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ],
)


def masked(text: bytes) -> bytes:
    """A text frame of a client, its mask all zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


@pytest.mark.parametrize(
    "data",
    [
        HANDSHAKE.replace(b"GET", b"POST"),
        HANDSHAKE.replace(b"websocket", b"h2c"),
        HANDSHAKE.replace(b"Host", b"Content-Length: 5\r\nHost") + b"hello",
        HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_what_is_no_websocket_handshake_is_http(
    start_server: Start, data: bytes
) -> None:
    site = start_server(echo_websocket, ws=WebSocketsSansIOProtocol)
    client = site.connect()
    client.send(data)
    assert client.answer().status == 200


@pytest.mark.parametrize("http", HTTP_CLASSES)
def test_both_classes(start_server: Start, http: Any) -> None:
    site = start_server(echo_websocket, http=http, ws=WebSocketsSansIOProtocol)
    with websocket(site, "/x") as client:
        assert str(client.recv(5)).startswith("/x ")


def test_a_websocket_over_tls(start_server: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    site = start_server(
        echo_websocket, ws=WebSocketsSansIOProtocol, **authority.server()
    )
    with websocket(site, "/s", ssl=authority.context()) as client:
        assert str(client.recv(5)).startswith("/s ")
        client.send("x" * 100_000)
        assert client.recv(5) == "x" * 100_000


def test_shutdown_reaches_it(start_server: Start) -> None:
    site = start_server(echo_websocket, ws=WebSocketsSansIOProtocol)
    with websocket(site) as client:
        client.recv(5)
        site.server.stop()
        with pytest.raises(Exception, match="1012"):
            client.recv(5)


class Broken:
    """A class that fails when it is made."""

    def __init__(self, **arguments: Any) -> None:
        raise ZeroDivisionError


def test_a_class_that_fails_ends_one_connection(start_server: Start) -> None:
    site = start_server(echo, ws=Broken)
    client = site.connect()
    client.send(HANDSHAKE)
    assert client.receive() == b""
    site.wait_for_message("A connection failed.")
    assert site.errors == ["A connection failed.ZeroDivisionError()"]
    assert site.connect().exchange(REQUEST).status == 200


def test_trace_lines(start_server: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(5, "uvicorn.error")
    site = start_server(echo_websocket, ws=WebSocketsSansIOProtocol, log_level="trace")
    with websocket(site) as client:
        client.recv(5)
    site.wait_for_message("WebSocket connection lost")
    lines = [m.partition(" - ")[2] for m in site.messages if " - " in m]
    assert [line for line in lines if "onnection" in line or "Upgrad" in line] == [
        "HTTP connection made",
        "Upgrading to WebSocket",
        "WebSocket connection made",
        "WebSocket connection lost",
    ]
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)



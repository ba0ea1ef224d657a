"""What frameworks make of a WebSocket: routes of FastAPI, endpoints of Starlette,
consumers of Django Channels, python-socketio with its own client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import socketio
import websockets
from _process import serve
from fastapi import (
    Depends,
    FastAPI,
    Query,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
)
from harness.fixtures import Site
from harness.server import eventually
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import WebSocketRoute
from websockets.exceptions import ConnectionClosed, InvalidStatus

TIMEOUT = 60.0  # seconds for one conversation


def talk(conversation: Coroutine[Any, Any, None]) -> None:
    """Run the client's side in a loop of its own."""

    async def bounded() -> None:
        await asyncio.wait_for(conversation, TIMEOUT)

    asyncio.run(bounded())


def url_of(site: Site) -> str:
    return site.server.url.replace("http:", "ws:")


async def closed_by_server(peer: websockets.ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as caught:
        await peer.recv()
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


async def status_of(url: str) -> int:
    """The status of a handshake that is denied."""
    with pytest.raises(InvalidStatus) as caught:
        await websockets.connect(url)
    return int(caught.value.response.status_code)


# -- FastAPI ---------------------------------------------------------------------------

api = FastAPI()
log: list[Any] = []
left: list[WebSocket] = []


async def session() -> AsyncIterator[str]:
    log.append("open")
    yield "session"
    log.append("close")


async def user(token: Annotated[str, Query()]) -> str:
    if token != "secret":
        raise WebSocketException(1008, "who are you?")
    return "user"


@api.websocket("/items/{number}")
async def items(
    websocket: WebSocket,
    number: int,
    who: Annotated[str, Depends(user)],
    used: Annotated[str, Depends(session)],
    q: str | None = None,
) -> None:
    await websocket.accept(headers=[(b"x-number", b"%d" % number)])
    await websocket.send_json({"number": number, "q": q, "who": who, "used": used})
    async for text in websocket.iter_text():
        await websocket.send_json({"got": text})
    log.append("iterated")


@api.websocket("/receives/{kind}")
async def receives(websocket: WebSocket, kind: str) -> None:
    await websocket.accept()
    try:
        while True:
            if kind == "json":
                await websocket.send_json(await websocket.receive_json(), "binary")
            elif kind == "bytes":
                await websocket.send_bytes(await websocket.receive_bytes())
            else:
                await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect as end:
        log.append((end.code, end.reason))


@api.websocket("/raises")
async def raises(websocket: WebSocket) -> None:
    await websocket.accept()
    raise WebSocketException(4003, await websocket.receive_text())


@api.websocket("/careless")
async def careless(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.receive_text()


@api.websocket("/leaves")
async def leaves(websocket: WebSocket) -> None:
    """Another task goes on to send to a peer that has left."""
    await websocket.accept()
    await websocket.receive()
    left.append(websocket)
    try:
        for _ in range(100):
            await websocket.send_text("to nobody")
            await asyncio.sleep(0.002)
    except WebSocketDisconnect as end:
        log.append(end.code)


@pytest.fixture
def fastapi_url(site: Site) -> str:
    log.clear()
    site.app = api
    return url_of(site)


def test_fastapi_parameters_and_dependencies(fastapi_url: str, site: Site) -> None:
    async def conversation() -> None:
        url = f"{fastapi_url}/items/7?token=secret&q=a%20b"
        async with websockets.connect(url) as peer:
            assert peer.response is not None
            assert peer.response.headers["X-Number"] == "7"
            assert await peer.recv() == (
                '{"number":7,"q":"a b","who":"user","used":"session"}'
            )
            await peer.send("hello")
            assert await peer.recv() == '{"got":"hello"}'

    talk(conversation())
    eventually(lambda: log == ["open", "iterated", "close"])


@pytest.mark.parametrize(
    "target", ["items/7?token=x", "items/7", "items/x?token=secret", "nowhere"]
)
def test_fastapi_lets_nobody_in(fastapi_url: str, target: str) -> None:
    """A dependency that refuses, a parameter that lacks or is none, no such route."""

    async def conversation() -> None:
        assert await status_of(f"{fastapi_url}/{target}") == 403

    talk(conversation())


@pytest.mark.parametrize(
    ("kind", "sent", "expected"),
    [
        ("json", '{"a": [1, "é"]}', '{"a":[1,"é"]}'.encode()),
        ("bytes", b"\x00\xff" * 50_000, b"\x00\xff" * 50_000),
        ("text", "κόσμε" * 50_000, "κόσμε" * 50_000),
    ],
)
def test_fastapi_receives(
    fastapi_url: str, kind: str, sent: str | bytes, expected: str | bytes
) -> None:
    async def conversation() -> None:
        async with websockets.connect(f"{fastapi_url}/receives/{kind}") as peer:
            for _ in range(3):
                await peer.send(sent)
                assert await peer.recv() == expected
            await peer.close(4001, "enough")

    talk(conversation())
    eventually(lambda: log == [(4001, "enough")])


def test_fastapi_websocket_exception_is_a_close(fastapi_url: str) -> None:
    async def conversation() -> None:
        async with websockets.connect(f"{fastapi_url}/raises") as peer:
            await peer.send("because")
            assert await closed_by_server(peer) == (4003, "because")

    talk(conversation())


def test_fastapi_disconnect_that_nobody_catches_is_logged(
    fastapi_url: str, site: Site
) -> None:
    """As with uvicorn: the route is to catch it."""

    async def conversation() -> None:
        async with websockets.connect(f"{fastapi_url}/careless") as peer:
            await peer.send("hello")

    talk(conversation())
    site.wait_for_message("Exception in ASGI application")
    (error,) = site.errors
    assert "WebSocketDisconnect" in error


@pytest.mark.parametrize("how", ["close", "abort"])
def test_fastapi_send_to_a_peer_that_left(
    fastapi_url: str, site: Site, how: str
) -> None:
    async def conversation() -> None:
        peer = await websockets.connect(f"{fastapi_url}/leaves")
        if how == "abort":
            peer.transport.abort()
        else:
            await peer.close()

    left.clear()
    talk(conversation())
    eventually(lambda: log == [1006])
    assert len(left) == 1
    assert site.warnings == []


# -- Starlette -------------------------------------------------------------------------


class Texts(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept(subprotocol="chat")

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        await websocket.send_text(data[::-1])

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        log.append(close_code)


class Jsons(WebSocketEndpoint):
    encoding = "json"

    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        await websocket.send_json({"type": type(data).__name__})

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        log.append(close_code)


endpoints = Starlette(
    routes=[WebSocketRoute("/texts", Texts), WebSocketRoute("/jsons", Jsons)]
)


def test_starlette_endpoints(site: Site) -> None:
    log.clear()
    site.app = endpoints
    texts, jsons = (f"{url_of(site)}/{name}" for name in ("texts", "jsons"))

    async def conversation() -> None:
        async with websockets.connect(texts, subprotocols=["chat"]) as peer:
            assert peer.subprotocol == "chat"
            await peer.send("abc")
            assert await peer.recv() == "cba"
        async with websockets.connect(jsons) as peer:
            await peer.send("[1]")
            assert await peer.recv() == '{"type":"list"}'
            await peer.close(4005)

    talk(conversation())
    eventually(lambda: sorted(log) == [1000, 4005])


def test_starlette_endpoint_of_another_encoding(site: Site) -> None:
    """It closes by itself, then raises: both are seen."""
    log.clear()
    site.app = endpoints

    async def conversation() -> None:
        async with websockets.connect(f"{url_of(site)}/jsons") as peer:
            await peer.send("no JSON")
            assert await closed_by_server(peer) == (1003, "")

    talk(conversation())
    site.wait_for_message("Exception in ASGI application")
    (error,) = site.errors
    assert "Malformed JSON data received." in error
    eventually(lambda: log == [1011])  # Starlette's word for its own fault


# -- Django Channels -------------------------------------------------------------------


def test_channels() -> None:
    """In a process of its own: Django is configured once in each."""
    folder = Path(__file__).parent / "frameworks"
    options = ("--app-dir", str(folder), "--lifespan", "off")
    with serve("channels_app:app", *options) as server:
        url = server.url.replace("http:", "ws:")
        talk(echo_of_channels(url))
        talk(chat_of_channels(url))
        with httpx.Client(base_url=server.url, timeout=TIMEOUT) as client:
            eventually(lambda: client.get("/ends").json() == [4001, 4100], TIMEOUT)
        log = server.stderr.text
    assert '"WebSocket /echo/kitchen/" [accepted]' in log
    assert '"WebSocket /deny/" 403' in log
    assert "ERROR" not in log and "Traceback" not in log


async def echo_of_channels(url: str) -> None:
    room = f"{url}/echo/kitchen/"
    async with websockets.connect(room, subprotocols=["one", "two"]) as peer:
        assert peer.subprotocol == "one"
        assert await peer.recv() == "kitchen"
        for data in ("κόσμε", b"\x00\xff", "x" * 500_000, b"x" * 500_000):
            await peer.send(data)
            assert await peer.recv() == data
        await peer.close(4001)
    async with websockets.connect(room, subprotocols=["one"]) as peer:
        assert await peer.recv() == "kitchen"
        await peer.send("close")
        assert await closed_by_server(peer) == (4100, "as you say")
    for _ in range(10):  # each sends from a thread
        async with websockets.connect(f"{url}/sync/") as peer:
            await peer.send("in a thread")
            assert await peer.recv() == "IN A THREAD"
    assert await status_of(f"{url}/deny/") == 403


async def chat_of_channels(url: str) -> None:
    async with (
        websockets.connect(f"{url}/chat/") as one,
        websockets.connect(f"{url}/chat/") as two,
    ):
        await one.send('{"hello": 1}')
        assert [await one.recv(), await two.recv()] == ['{"hello": 1}'] * 2
        await two.send("[2]")
        assert [await one.recv(), await two.recv()] == ["[2]"] * 2


# -- python-socketio -------------------------------------------------------------------


def socketio_app() -> socketio.ASGIApp:
    server = socketio.AsyncServer(async_mode="asgi")

    @server.event
    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
        if auth != {"token": "secret"}:
            raise ConnectionRefusedError("who are you?")
        await server.enter_room(sid, "all")

    @server.event
    async def echo(sid: str, *data: Any) -> tuple[Any, ...]:
        return data

    @server.event
    async def shout(sid: str, data: str) -> None:
        await server.emit("heard", data.upper(), room="all")

    @server.event
    async def disconnect(sid: str, reason: str) -> None:
        log.append(reason)

    return socketio.ASGIApp(server)


@pytest.mark.parametrize("transports", [["websocket"], ["polling", "websocket"]])
def test_socketio(start_server: Callable[..., Site], transports: list[str]) -> None:
    """By WebSocket at once, and by polling that is upgraded."""
    log.clear()
    site = start_server(socketio_app())

    async def conversation() -> None:
        one, two = await connected(), await connected()
        for data in ("κόσμε", b"\x00\xff" * 100_000, {"a": [1, b"x", None]}):
            assert await one.call("echo", data) == data
        assert await one.call("echo", ("a", b"b")) == ("a", b"b")
        heard: list[asyncio.Future[str]] = []
        for client in (one, two):
            future = asyncio.get_running_loop().create_future()
            client.on("heard", future.set_result)
            heard.append(future)
        await one.emit("shout", "hello")
        assert await asyncio.gather(*heard) == ["HELLO"] * 2
        await two.disconnect()
        await one.disconnect()
        with pytest.raises(socketio.exceptions.ConnectionError):
            await connected("wrong")

    async def connected(token: str = "secret") -> socketio.AsyncClient:
        client = socketio.AsyncClient(reconnection=False)
        auth = {"token": token}
        await client.connect(
            site.server.url, {}, auth, transports, wait_timeout=TIMEOUT
        )
        assert client.transport() == "websocket"
        return client

    talk(conversation())
    eventually(lambda: len(log) == 2)
    # Its packet that says so and the close come together; each has a task of its own.
    assert set(log) <= {"client disconnect", "transport close"}
    assert site.warnings == []

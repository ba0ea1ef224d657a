"""WebSocket clients as people use them, against an application of Starlette's: text,
binary, a megabyte, subprotocol, close; with and without permessage-deflate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import picows
import pytest
import websockets
import wsproto
from harness.fixtures import Site
from harness.server import eventually
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

LARGE = "κόσμε " * 100_000
BINARY = bytes(range(256)) * 4096
ENDS: list[int] = []


async def echo(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="chat")
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message["code"])
            if message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
    except WebSocketDisconnect as end:
        ENDS.append(end.code)


async def deny(websocket: WebSocket) -> None:
    await websocket.send_denial_response(PlainTextResponse("not you", 401))


APP = Starlette(
    routes=[
        Route("/", lambda request: PlainTextResponse("page")),
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/deny", deny),
    ]
)


@pytest.fixture
def url(start_server: Callable[..., Site]) -> str:
    ENDS.clear()
    site = start_server(APP)
    return site.server.url.replace("http:", "ws:")


@pytest.mark.parametrize("compression", ["deflate", None])
def test_websockets(url: str, compression: str | None) -> None:
    async def talk() -> None:
        async with websockets.connect(
            f"{url}/echo", subprotocols=["chat"], compression=compression, max_size=None
        ) as peer:
            assert peer.subprotocol == "chat"
            for data in ("hello", "", b"\x00\xff", LARGE, BINARY):
                await peer.send(data)
                assert await peer.recv() == data
            await peer.send(iter(["in ", "fragments"]))
            assert await peer.recv() == "in fragments"
            await (await peer.ping())
            await peer.close(4001, "enough")
            assert peer.close_code == 4001
        with pytest.raises(websockets.InvalidStatus) as caught:
            await websockets.connect(f"{url}/deny")
        assert caught.value.response.status_code == 401
        assert caught.value.response.body == b"not you"

    asyncio.run(talk())
    eventually(lambda: ENDS == [4001])


@pytest.mark.parametrize("compress", [15, 0])
def test_aiohttp(url: str, compress: int) -> None:
    async def talk() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(
                f"{url}/echo", protocols=["chat"], compress=compress
            ) as peer:
                assert peer.protocol == "chat"
                await peer.send_str(LARGE)
                assert await peer.receive_str() == LARGE
                await peer.send_bytes(BINARY)
                assert await peer.receive_bytes() == BINARY
                await peer.close(code=4002)
                assert peer.close_code == 4002

    asyncio.run(talk())
    eventually(lambda: ENDS == [4002])


def test_wsproto(start_server: Callable[..., Site]) -> None:
    site = start_server(APP)
    client = site.connect()
    peer = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    request = Request(host="h", target="/echo", subprotocols=["chat"])

    def next_event() -> object:
        while True:
            for event in peer.events():
                return event
            peer.receive_data(client.receive())

    client.send(peer.send(request))
    assert isinstance(event := next_event(), AcceptConnection)
    assert event.subprotocol == "chat"
    client.send(peer.send(TextMessage(LARGE)))
    got = ""
    while not got.endswith(LARGE[-1]) or len(got) < len(LARGE):
        event = next_event()
        assert isinstance(event, TextMessage)
        got += event.data
    assert got == LARGE
    client.send(peer.send(CloseConnection(code=4003)))
    assert isinstance(event := next_event(), CloseConnection)
    assert event.code == 4003


def test_picows(url: str) -> None:
    got: list[bytes] = []

    async def talk() -> None:
        done = asyncio.get_running_loop().create_future()

        class Listener(picows.WSListener):
            def on_ws_connected(self, transport):
                transport.send(picows.WSMsgType.TEXT, b"hello")

            def on_ws_frame(self, transport, frame):
                if frame.msg_type == picows.WSMsgType.CLOSE:
                    transport.disconnect()
                    done.set_result(None)
                    return
                got.append(frame.get_payload_as_bytes())
                transport.send_close(picows.WSCloseCode.OK, b"")

        await picows.ws_connect(Listener, f"{url}/echo")
        await asyncio.wait_for(done, 30)

    asyncio.run(talk())
    assert got == [b"hello"]
    eventually(lambda: ENDS == [1000])

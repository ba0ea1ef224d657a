"""A WebSocket client of raw frames, and what applications of one are made of.

    peer = Peer(site.connect())
    peer.text("hello")
    assert peer.message() == "hello"
    peer.leave(1000)

Frames of the server are checked against RFC 6455 5.2 as they are read; heads are read
by h11. Nothing is answered that the test does not answer.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import h11

from .apps import Message, Receive, Scope, Send
from .client import Client, request
from .frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    RSV1,
    TAIL,
    TEXT,
    close,
    frame,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT_KEY = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 1.3's own example
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
DEFLATE = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")

ACCEPT: Message = {"type": "websocket.accept"}
CONNECT: Message = {"type": "websocket.connect"}
CLOSE_IT: Message = {"type": "websocket.close"}


def handshake(
    target: str = "/",
    headers: Iterable[tuple[str, str]] = (),
    *,
    method: str = "GET",
    version: str = "1.1",
    body: bytes = b"",
    **changed: str | None,
) -> bytes:
    """A good handshake; `changed` replaces its fields, None leaves one out:
    handshake(sec_websocket_key=None)."""
    own = {name.lower().replace("-", "_"): name for name in HANDSHAKE}
    fields = {**HANDSHAKE, **{own[name]: value for name, value in changed.items()}}
    given = [(name, value) for name, value in fields.items() if value is not None]
    return request(method, target, [*given, *headers], body, version)


def say(data: str | bytes) -> Message:
    """The message that sends data."""
    return {
        "type": "websocket.send",
        "text" if isinstance(data, str) else "bytes": data,
    }


def received(data: str | bytes) -> Message:
    """The message that receive() gives for it."""
    return {**say(data), "type": "websocket.receive"}


def gone(code: int, reason: str | None = None) -> Message:
    """What receive() gives at the end; reason None: the message has no such key."""
    message = {"type": "websocket.disconnect", "code": code}
    return message if reason is None else {**message, "reason": reason}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts, and sends back each message until the peer is gone."""
    await receive()
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def listen(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts, and reads until the peer is gone."""
    await receive()
    await send(ACCEPT)
    while (await receive())["type"] == "websocket.receive":
        pass


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    compressed: bool = False


class Peer:
    """The client's side of an open WebSocket; raises AssertionError if the server does
    not switch protocols."""

    def __init__(
        self,
        client: Client,
        target: str = "/",
        headers: Iterable[tuple[str, str]] = (),
        *,
        behind: bytes = b"",
    ) -> None:
        self.client = client
        client.send(handshake(target, headers) + behind)
        self.headers = self._read_head()
        self._inflater = zlib.decompressobj(-15)

    def _read_head(self) -> list[tuple[bytes, bytes]]:
        oracle = h11.Connection(h11.CLIENT)
        fields = [("Host", "h"), *HANDSHAKE.items()]
        oracle.send(h11.Request(method="GET", target="/", headers=fields))
        oracle.send(h11.EndOfMessage())
        head = self.client.read_until(b"\r\n\r\n")
        oracle.receive_data(head)
        event = oracle.next_event()
        assert isinstance(event, h11.InformationalResponse), head
        assert event.status_code == 101, head
        return [(bytes(name), bytes(value)) for name, value in event.headers]

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]

    # -- what the client sends

    def text(self, text: str) -> None:
        self.client.send(frame(TEXT, text.encode()))

    def binary(self, data: bytes) -> None:
        self.client.send(frame(BINARY, data))

    def ping(self, payload: bytes = b"") -> None:
        self.client.send(frame(PING, payload))

    def pong(self, payload: bytes = b"") -> None:
        self.client.send(frame(PONG, payload))

    def close(self, code: int | None = 1000, reason: bytes = b"") -> None:
        self.client.send(close(code, reason))

    def leave(self, code: int = 1000) -> None:
        """The closing handshake, begun here."""
        self.close(code)
        assert self.closed() == (code, "")
        self.ended()

    # -- what the server sends

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            data = self.client.receive()
            assert data, "the connection ended inside a frame"
            parts.append(data[:size])
            self.client.buffer = data[size:]
            size -= len(parts[-1])
        return b"".join(parts)

    def frame(self) -> Frame:
        """The next frame, which must be a good one of a server's."""
        first, size = self._read(2)
        opcode = first & 0x0F
        assert opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
        assert size < 128, "masked"
        if size >= 126:
            assert opcode < CLOSE
            form = 2 if size == 126 else 8
            size = int.from_bytes(self._read(form), "big")
            assert size >= (126 if form == 2 else 1 << 16), "not the shortest form"
        assert first & ~RSV1 & 0xF0 == FIN, "in fragments, or a reserved bit"
        return Frame(opcode, self._read(size), bool(first & RSV1))

    def message(self) -> str | bytes:
        """The next frame's message, which must be data."""
        got = self.frame()
        assert got.opcode in (TEXT, BINARY), got
        data = got.payload
        if got.compressed:
            data = self._inflater.decompress(data + TAIL)
        return data.decode() if got.opcode == TEXT else data

    def control(self, opcode: int) -> bytes:
        """The next frame's payload, which must be of that opcode."""
        got = self.frame()
        assert got.opcode == opcode, got
        return got.payload

    def closed(self) -> tuple[int | None, str]:
        """The close frame that comes next: its code, None without one, and reason."""
        payload = self.control(CLOSE)
        if not payload:
            return None, ""
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    def ended(self) -> None:
        """The connection ends in order, without another byte."""
        assert self.client.read_to_eof() == b""

    def answers_close(self, code: int, reason: str = "") -> None:
        """The server closes with that; the client answers; the connection ends."""
        assert self.closed() == (code, reason)
        self.close(code)
        self.ended()


def messages_of(app_messages: Iterable[dict[str, Any]]) -> list[str | bytes]:
    """The data of the websocket.receive messages among these."""
    return [
        message["text"] if "text" in message else message["bytes"]
        for message in app_messages
        if message["type"] == "websocket.receive"
    ]

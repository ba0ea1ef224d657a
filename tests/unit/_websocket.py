"""A client's frames as bytes for the tests of WebSocket, and ways to feed it them.

`read` drives a WebSocket as a connection does and returns plain values, so that two
ways to feed the same bytes can be compared. Nothing here judges what is right.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

from harness.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    KEY,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TAIL,
    TEXT,
    Deflater,
    apply_mask,
    close,
    fragments,
    frame,
    length_field,
    server_frame,
)

from fastserve.protocols.websocket import WebSocket

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "FIN",
    "KEY",
    "PING",
    "PONG",
    "RSV1",
    "RSV2",
    "RSV3",
    "TAIL",
    "TEXT",
    "Deflater",
    "apply_mask",
    "close",
    "fragments",
    "frame",
    "length_field",
    "server_frame",
]

# WebSocket.event
NOTHING, GOT_TEXT, GOT_BINARY, GOT_PING, GOT_PONG, GOT_CLOSE, VIOLATION = range(7)

# Plain values of an event: its name and what it carries.
Got = tuple[Any, ...]


def deflating(
    max_size: int = 1 << 24,
    server_bits: int = 12,
    client_bits: int = 12,
    server_takeover: bool = True,
    client_takeover: bool = True,
) -> WebSocket:
    ws = WebSocket(max_size)
    ws.enable_deflate(server_bits, client_bits, server_takeover, client_takeover)
    return ws


def read(reads: Iterable[bytes], ws: WebSocket | None = None) -> list[Got]:
    """Feed these reads, one after the other, and collect the events."""
    ws = ws or WebSocket()
    got: list[Got] = []
    for data in reads:
        at = 0
        while at < len(data):
            before, at = at, ws.feed(data, at)
            assert before < at <= len(data)
            if ws.event == NOTHING:
                assert at == len(data) and ws.take() is None
            else:
                got.append(plain(ws))
    return got


def plain(ws: WebSocket) -> Got:
    """The event, what it carries taken out."""
    if ws.event in (GOT_CLOSE, VIOLATION):
        assert ws.take() is None
        return (ws.event, ws.close_code, ws.close_reason)
    message = ws.take()
    assert type(message) is (str if ws.event == GOT_TEXT else bytes)
    assert ws.take() is None
    return (ws.event, message)


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """Every way to cut data in two, and in single bytes."""
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]
    yield [data[at : at + 1] for at in range(len(data))]


def pieces(data: bytes, chance: random.Random) -> list[bytes]:
    """Data in reads of sizes such as a socket gives."""
    out, at = [], 0
    while at < len(data):
        size = chance.choice([1, 2, 3, 7, 50, 1000, len(data)])
        out.append(data[at : at + size])
        at += size
    return out


def violation(data: bytes, ws: WebSocket | None = None) -> int:
    """The code of the violation that is all that data comes to."""
    (event,) = read([data], ws)
    assert event[0] == VIOLATION, event
    assert event[2] and event[2].isascii()
    return int(event[1])


def joined(made: bytes | list[bytes]) -> bytes:
    """A frame that may be in two parts."""
    return made if isinstance(made, bytes) else b"".join(made)

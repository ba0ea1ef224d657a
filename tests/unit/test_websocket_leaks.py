"""WebSocket keeps nothing of what has gone through it, however it ended."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import pytest
from _websocket import (
    BINARY,
    PING,
    RSV1,
    TEXT,
    Deflater,
    close,
    deflating,
    fragments,
    frame,
    read,
)

from fastserve.protocols.websocket import WebSocket

ROUNDS = 300
PACKED = Deflater()(b"Hello" * 50)
BROKEN = frame(TEXT, b"\xff" * 50, 0x80 | RSV1)


def received(*reads: bytes) -> Callable[[], object]:
    return lambda: read(reads, deflating(1000))


def sent() -> None:
    ws = deflating(1000)
    for text in ("a", "é" * 300, "x" * 20_000):
        ws.text_frame(text)
    for data in (b"a", bytearray(300), bytes(20_000)):
        ws.binary_frame(data)
    ws.ping_frame(b"x")
    ws.close_frame(1000, "x")


def refused() -> None:
    ws = WebSocket()
    for act in (
        lambda: ws.text_frame(5),  # type: ignore[arg-type]
        lambda: ws.text_frame("\ud800"),
        lambda: ws.binary_frame("x"),  # type: ignore[arg-type]
        lambda: ws.close_frame(5),
        lambda: ws.pong_frame(bytes(200)),
        lambda: ws.feed(b"x", 5),
    ):
        with pytest.raises((RuntimeError, ValueError)):
            act()


PATHS: dict[str, Callable[[], object]] = {
    "text": received(frame(TEXT, b"ascii"), frame(TEXT, "aé€".encode())),
    "binary": received(frame(BINARY, bytes(900))),
    "pieces": received(*[bytes([byte]) for byte in frame(BINARY, bytes(300))]),
    "fragments": received(*fragments(TEXT, b"a\xe2", b"\x82", b"\xac", b"")),
    "empty": received(*fragments(BINARY, b"", b"")),
    "unfinished": received(frame(BINARY, bytes(300))[:100]),
    "unfinished-head": received(frame(BINARY, bytes(300))[:5]),
    "unfinished-message": received(frame(TEXT, b"abc", 0)),
    "deflated": received(frame(TEXT, PACKED, 0x80 | RSV1)),
    "deflated-pieces": received(*fragments(TEXT, PACKED[:5], PACKED[5:], flags=RSV1)),
    "deflated-unfinished": received(frame(TEXT, PACKED, RSV1)),
    "broken": received(BROKEN),
    "too-big": received(frame(BINARY, bytes(600), 0), frame(0, bytes(600))),
    "bomb": received(frame(BINARY, Deflater()(bytes(5000)), 0x80 | RSV1)),
    "bad-text": received(*fragments(TEXT, b"a" * 100, b"\xff")),
    "bad-whole-text": received(frame(TEXT, b"a" * 100 + b"\xff")),
    "bad-head": received(frame(BINARY, bytes(100), 0) + b"\xff"),
    "control": received(frame(PING, b"p" * 125) + close(1000, b"why")),
    "bad-close": received(close(1000, b"\xff")),
    "sent": sent,
    "refused": refused,
}


@pytest.mark.parametrize("name", PATHS)
def test_nothing_stays(name: str) -> None:
    path = PATHS[name]
    for _ in range(5):
        path()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(ROUNDS):
        path()
    gc.collect()
    assert sys.getallocatedblocks() - before < ROUNDS / 3


@pytest.mark.parametrize("name", ["text", "binary", "pieces", "fragments", "deflated"])
def test_a_message_is_the_applications_alone(name: str) -> None:
    ws = deflating()
    payload = b"Hello" * 50
    data = {
        "text": frame(TEXT, payload),
        "binary": frame(BINARY, payload),
        "pieces": frame(BINARY, payload),
        "fragments": b"".join(fragments(BINARY, payload[:7], payload[7:])),
        "deflated": frame(BINARY, PACKED, 0x80 | RSV1),
    }[name]
    cut = 9 if name == "pieces" else len(data)
    ws.feed(data[:cut])
    at = ws.feed(data[cut:]) if name == "pieces" else cut
    assert at
    message = ws.take()
    assert message in (payload, payload.decode())
    assert sys.getrefcount(message) == 2  # the name, and the argument

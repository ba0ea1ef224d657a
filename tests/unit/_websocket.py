"""A client's frames as bytes for the tests of WebSocket, and ways to feed it them.

`read` drives a WebSocket as a connection does and returns plain values, so that two
ways to feed the same bytes can be compared. Nothing here judges what is right.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from fastserve.protocols.websocket import WebSocket

# WebSocket.event
NOTHING, GOT_TEXT, GOT_BINARY, GOT_PING, GOT_PONG, GOT_CLOSE, VIOLATION = range(7)

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
TAIL = b"\x00\x00\xff\xff"
KEY = b"\x37\xfa\x21\x3d"

# Plain values of an event: its name and what it carries.
Got = tuple[Any, ...]


def apply_mask(payload: bytes, key: bytes = KEY) -> bytes:
    repeated = key * (len(payload) // 4 + 1)
    number = int.from_bytes(payload, "big")
    number ^= int.from_bytes(repeated[: len(payload)], "big")
    return number.to_bytes(len(payload), "big")


def length_field(size: int, form: int | None = None) -> tuple[int, bytes]:
    """The second byte's seven bits and what follows; form 126 or 127 forces one."""
    if form is None:
        form = size if size < 126 else 126 if size < 65536 else 127
    if form < 126:
        return size, b""
    return form, size.to_bytes(2 if form == 126 else 8, "big")


def frame(
    opcode: int,
    payload: bytes = b"",
    flags: int = FIN,
    key: bytes = KEY,
    form: int | None = None,
) -> bytes:
    """A client's frame; form as in length_field."""
    bits, more = length_field(len(payload), form)
    return bytes([flags | opcode, 0x80 | bits]) + more + key + apply_mask(payload, key)


def server_frame(opcode: int, payload: bytes = b"", flags: int = FIN) -> bytes:
    bits, more = length_field(len(payload))
    return bytes([flags | opcode, bits]) + more + payload


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    payload = b"" if code is None else code.to_bytes(2, "big") + reason
    return frame(CLOSE, payload)


def fragments(opcode: int, *payloads: bytes, flags: int = 0) -> list[bytes]:
    """One message in a frame a payload; flags are the first frame's beside FIN."""
    last = len(payloads) - 1
    return [
        frame(
            opcode if at == 0 else CONTINUATION,
            payload,
            (FIN if at == last else 0) | (flags if at == 0 else 0),
        )
        for at, payload in enumerate(payloads)
    ]


class Deflater:
    """A client's compressor."""

    def __init__(self, bits: int = 12, takeover: bool = True) -> None:
        self.bits, self.takeover = bits, takeover
        self._zlib = zlib.compressobj(wbits=-bits)

    def __call__(self, data: bytes) -> bytes:
        made = self._zlib.compress(data) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
        if not self.takeover:
            self._zlib = zlib.compressobj(wbits=-self.bits)
        return made.removesuffix(TAIL)


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

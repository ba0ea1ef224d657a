"""A WebSocket client's frames as bytes, good ones and bad (RFC 6455 5.2, RFC 7692).

Nothing here judges what is right, and nothing is of fastserve.
"""

from __future__ import annotations

import zlib

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
TAIL = b"\x00\x00\xff\xff"
KEY = b"\x37\xfa\x21\x3d"


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

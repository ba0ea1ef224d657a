"""The WebSocket frame reader: cutting its input changes nothing, no message is over
the limit, what is written can be read, and websockets, another's implementation,
makes the same messages and the same end of the same bytes.
"""

from __future__ import annotations

import codecs
import logging
import zlib
from collections.abc import Iterator
from typing import Any

from _input import Input, reads
from _websocket import (
    CLOSE,
    CONTINUATION,
    FIN,
    GOT_BINARY,
    GOT_CLOSE,
    GOT_PING,
    GOT_PONG,
    GOT_TEXT,
    PING,
    RSV1,
    TEXT,
    VIOLATION,
    Deflater,
    Got,
    close,
    deflating,
    fragments,
    frame,
    joined,
    read,
)
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol, State

from fastserve.protocols.websocket import WebSocket

LARGE = 1 << 24
SMALL = 40
QUIET = logging.getLogger("fuzz.websockets")
QUIET.disabled = True

# What websockets lets through, or reads on behind: a length that is not in its shortest
# form, which a control frame's never is with 126 or 127 (RFC 6455 5.2, 5.5).
STRICTER = ("bad payload length", "a control frame is too long or in fragments")


class Kind:
    """What the first byte of an input chooses."""

    def __init__(self, byte: int) -> None:
        self.deflate = bool(byte & 1)
        self.takeover = bool(byte & 2)
        self.max_size = SMALL if byte & 4 else LARGE

    def make(self) -> WebSocket:
        if not self.deflate:
            return WebSocket(self.max_size)
        return deflating(self.max_size, 12, 15, self.takeover, self.takeover)


def seeds() -> Iterator[bytes]:
    text = "né€😀".encode()
    zero = b"\0\0\0\0"
    deflate = Deflater(12)
    whole = deflate(b"hello, hello, hello")
    streams = [
        frame(TEXT, b"text", key=zero),
        frame(TEXT, text, key=zero) + frame(2, b"\0\xff", key=zero),
        b"".join(fragments(TEXT, text[:2], text[2:])) + close(),
        frame(TEXT, b"", FIN, zero) + frame(PING, b"ping") + frame(10),
        frame(TEXT, b"a", 0) + frame(PING) + frame(CONTINUATION, b"b"),
        frame(2, bytes(126), key=zero) + close(1000, b"why"),
        frame(2, bytes(300), form=127, key=zero),
        frame(CLOSE, b"", form=127, key=zero),
        close(4999) + frame(TEXT, b"no"),
        frame(CLOSE, b"\x03\xe8\xc3", key=zero),
        frame(TEXT, whole, FIN | RSV1, zero)
        + frame(TEXT, deflate(b"hello"), FIN | RSV1),
        frame(TEXT, whole[:4], RSV1, zero) + frame(0, whole[4:], FIN, zero),
        frame(2, b"\x03\x00", FIN | RSV1, zero) * 3,
        frame(TEXT, b"\xed\xa0\x80", key=zero),
        frame(TEXT, b"\xf4", 0, zero) + frame(0, b"\x90", FIN, zero),
    ]
    for number, stream in enumerate(streams):
        for kind in (0, 1, 3, 7) if number % 2 else (0, 3, 4):
            yield bytes([kind, number * 29 % 256]) + stream


def check(data: bytes) -> None:
    given = Input(data)
    kind = Kind(given.byte())
    cuts, stream = given.byte(), given.rest()
    whole = read([stream], kind.make())
    # As with heads: of several faults another may be the first that is seen.
    assert verdict(read(reads(stream, cuts), kind.make())) == verdict(whole)
    check_events(whole, kind)
    theirs = by_websockets(stream, kind) if kind.max_size == LARGE else None
    if theirs is not None:
        compare(whole, theirs)
    check_written(whole, kind)


def verdict(got: list[Got]) -> list[Got]:
    return [
        event[:1] + fault(event[1]) if event[0] == VIOLATION else event for event in got
    ]


def fault(code: int) -> tuple[int | str, ...]:
    """A deflated message may be too big and bad text: the cut says what comes first."""
    return ("its payload",) if code in (1007, 1009) else (code,)


def check_events(got: list[Got], kind: Kind) -> None:
    for at, event in enumerate(got, 1):
        if event[0] == GOT_TEXT:
            assert len(event[1].encode()) <= kind.max_size
        elif event[0] == GOT_BINARY:
            assert len(event[1]) <= kind.max_size
        elif event[0] in (GOT_PING, GOT_PONG):
            assert len(event[1]) <= 125
        else:
            assert at == len(got), "something was read behind the end"
            assert len(event[2].encode()) <= 123


def compare(ours: list[Got], theirs: list[Got]) -> None:
    if ours and ours[-1][0] == VIOLATION:
        *before, (_, code, reason) = ours
        assert code in (1002, 1007, 1009)
        if reason in STRICTER or theirs == before:
            # They wait for bytes that cannot help any more.
            assert theirs[: len(before)] == before
            return
        if code == 1002 and theirs[-1:] == [(VIOLATION, 1007)]:
            code = 1007  # the payload is bad too, and they look at that first
        ours = [*before, (VIOLATION, code)]
    assert theirs == ours, (theirs, ours)


# -- another's implementation ----------------------------------------------------------


class Inflating(PerMessageDeflate):
    """websockets' own, which also says whether a deflate stream has ended: behind that
    it reads nothing, while RFC 7692 7.2.3.4 lets another begin."""

    def __init__(self, takeover: bool) -> None:
        super().__init__(False, False, 15, 12)
        self._takeover = takeover
        self.has_ended = False

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        if frame.rsv1 and not self._takeover:
            self.decoder = zlib.decompressobj(wbits=-15)
        try:
            return super().decode(frame, max_size=max_size)
        finally:
            self.has_ended |= self.decoder.eof


def by_websockets(stream: bytes, kind: Kind) -> list[Got] | None:
    """What it makes of the bytes; None if that cannot be compared."""
    protocol = Protocol(SERVER, state=State.OPEN, max_size=None, logger=QUIET)
    inflating = Inflating(kind.takeover)
    if kind.deflate:
        protocol.extensions = [inflating]
    protocol.receive_data(stream)
    reader = Messages()
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        if not reader.is_over:
            reader.take(event, protocol)
    if protocol.parser_exc is not None and not reader.is_over:
        reader.fail(protocol)
    return None if inflating.has_ended else reader.got


class Messages:
    """Puts frames together, which websockets leaves to its other layers."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.is_over = False
        self.is_text = False
        self.parts: list[Any] = []
        self._decode = codecs.getincrementaldecoder("utf-8")()

    def take(self, frame: Frame, protocol: Protocol) -> None:
        data = bytes(frame.data)
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            kind = GOT_PING if frame.opcode is Opcode.PING else GOT_PONG
            self.got.append((kind, data))
        elif frame.opcode is Opcode.CLOSE:
            self._close(protocol)
        else:
            if frame.opcode is not Opcode.CONT:
                self.is_text = frame.opcode is Opcode.TEXT
                self._decode.reset()
            self._add(data, frame.fin)

    def _add(self, data: bytes, fin: bool) -> None:
        try:
            self.parts.append(self._decode.decode(data, fin) if self.is_text else data)
        except UnicodeDecodeError:
            self.got.append((VIOLATION, 1007))
            self.is_over = True
            return
        if fin:
            kind = GOT_TEXT if self.is_text else GOT_BINARY
            self.got.append((kind, type(self.parts[0])().join(self.parts)))
            self.parts = []

    def _close(self, protocol: Protocol) -> None:
        assert protocol.close_rcvd is not None
        code, reason = protocol.close_rcvd.code, protocol.close_rcvd.reason
        self.got.append((GOT_CLOSE, int(code), reason))
        self.is_over = True

    def fail(self, protocol: Protocol) -> None:
        text = str(protocol.parser_exc)
        if text == "incomplete fragmented message":
            # RFC 6455 5.4: control frames may stand inside a message.
            self._close(protocol)
            return
        assert protocol.close_sent is not None
        code = int(protocol.close_sent.code)
        # RFC 7692 has no code of its own; these are data of the wrong kind.
        self.got.append((VIOLATION, 1007 if "decompression" in text else code))


# -- what is written -------------------------------------------------------------------


def check_written(got: list[Got], kind: Kind) -> None:
    """Each message, sent back, is what websockets gets of it as a client."""
    ws = kind.make()
    client = Protocol(CLIENT, state=State.OPEN, max_size=None, logger=QUIET)
    if kind.deflate:
        alone = not kind.takeover
        client.extensions = [PerMessageDeflate(alone, alone, 12, 15)]
    for event in got:
        if event[0] == GOT_TEXT:
            client.receive_data(joined(ws.text_frame(event[1])))
        elif event[0] == GOT_BINARY:
            client.receive_data(joined(ws.binary_frame(event[1])))
        elif event[0] == GOT_PING:
            client.receive_data(ws.pong_frame(event[1]))
    reader = Messages()
    for sent in client.events_received():
        assert isinstance(sent, Frame)
        reader.take(sent, client)
    answers = {GOT_PING: GOT_PONG, GOT_TEXT: GOT_TEXT, GOT_BINARY: GOT_BINARY}
    assert reader.got == [(answers[e[0]], e[1]) for e in got if e[0] in answers]

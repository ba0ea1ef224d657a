"""A WebSocket from its handshake to its end: whatever the peer sends, however it is
cut, whatever the application does with it, and whatever happens between.

What the application receives are the messages that the frame reader makes of the
stream, up to some point, and one end, whose code has a reason; after it nothing. What
goes out is one HTTP answer, or a 101 and well-formed frames: what send() has taken, in
its order, answers to pings, and one close frame at most, which is the last. Nothing is
read that the application is not near to reading, and nothing raises past it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import h11
from _input import Input
from _websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    GOT_BINARY,
    GOT_CLOSE,
    GOT_PING,
    GOT_TEXT,
    PING,
    PONG,
    RSV1,
    RSV2,
    TEXT,
    VIOLATION,
    Deflater,
    close,
    deflating,
    frame,
    plain,
)
from _websocket_app import CODES, LARGEST, SIZES, Player
from _world import World
from harness.client import Client
from harness.websocket import DEFLATE, Peer, handshake

from fastserve.protocols.websocket import WebSocket

HIGH_WATER = 65_536  # bytes unread, then reading pauses
LIMIT = 500  # bytes that the transport holds before it says that it is too much
GONE, LATE, SILENT = 1006, 1012, 1011
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)

NO_TAKEOVER = (
    DEFLATE[0],
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
    "client_max_window_bits",
)
BAD_HANDSHAKES = (
    handshake(method="POST"),
    handshake(version="1.0"),
    handshake(sec_websocket_key=None),
    handshake(sec_websocket_version="12"),
    handshake(body=b"x"),
)


class Kind:
    """What the first two bytes of an input choose."""

    def __init__(self, flags: int, opening: int) -> None:
        self.limit = LIMIT if flags & 1 else None
        self.deflate = bool(flags & 2)
        self.takeover = not flags & 4
        self.max_size = 300 if flags & 8 else 1 << 24
        self.pings = bool(flags & 16)
        self.max_queue = 2 if flags & 32 else 32
        self.echo = bool(flags & 64)
        self.raw = bool(flags & 128)
        self.is_good = opening < 250
        if self.is_good:
            offer = DEFLATE if self.takeover else NO_TAKEOVER
            self.handshake = handshake(headers=[offer] if self.deflate else [])
        else:
            self.handshake = BAD_HANDSHAKES[opening % len(BAD_HANDSHAKES)]

    def reader(self) -> WebSocket:
        if not self.deflate:
            return WebSocket(self.max_size)
        return deflating(self.max_size, 12, 12, self.takeover, self.takeover)

    def settings(self) -> dict[str, Any]:
        return {
            "ws_max_size": self.max_size,
            "ws_max_queue": self.max_queue,
            "ws_ping_interval": 1.0 if self.pings else None,
            "ws_ping_timeout": 1.0,
        }


# -- what the peer sends ---------------------------------------------------------------


def stream_of(given: Input, kind: Kind) -> bytes:
    """Frames, one a byte and more, most of them good."""
    if kind.raw:
        return given.rest()
    deflate = Deflater(12, kind.takeover)
    made = []
    while given and len(made) < 100:
        byte = given.byte()
        made.append(piece(byte & 15, byte >> 4, given, deflate))
    return b"".join(made)


def piece(what: int, number: int, given: Input, deflate: Deflater) -> bytes:
    text = ("né€😀" * SIZES[number])[: SIZES[number]].encode()
    match what:
        case 0 | 1:
            return frame(TEXT, text)
        case 2:
            return frame(BINARY, bytes(SIZES[number]))
        case 3 | 4:
            return frame(TEXT, deflate(text), FIN | RSV1)
        case 5:
            return frame(TEXT, text[:7], 0)
        case 6:
            return frame(CONTINUATION, text[7:], FIN if number & 1 else 0)
        case 7:
            return frame(PING, bytes([number]) * (number * 8 + 5))
        case 8:
            return frame(PONG, bytes(number))
        case 9:
            return close(CODES[number % len(CODES)], b"why" * (number & 3))
        case 10:
            return close()
        case 11:
            bad = (
                frame(TEXT, b"x", FIN | RSV2),
                frame(3, b"x"),
                frame(PING, bytes(126)),
                frame(TEXT, b"\xff"),
                frame(CLOSE, b"\x03"),
                b"\x81\x01x",  # no mask
            )
            made = close(BAD_CODES[number % len(BAD_CODES)])
            return bad[number] if number < len(bad) else made
        case 12:
            return frame(BINARY, deflate(bytes(SIZES[number] * 10)), FIN | RSV1)
        case 13:
            return frame(PING, bytes([number])) * (number + 1)
        case 14:
            return frame(TEXT, b"%d" % number) * (number * 3 + 1)
        case _:
            return given.take(number + 1)


# -- what must come of it --------------------------------------------------------------


class Reads:
    """The messages and the end in as much of the stream as the connection was given."""

    def __init__(self, kind: Kind) -> None:
        self._frames = kind.reader()
        self.messages: list[str | bytes] = []
        self.pings: list[bytes] = []
        self.end: tuple[int, str] | None = None

    def feed(self, data: bytes) -> None:
        at = 0
        while at < len(data) and self.end is None:
            at = self._frames.feed(data, at)
            event = self._frames.event
            if event in (GOT_TEXT, GOT_BINARY):
                self.messages.append(plain(self._frames)[1])
            elif event == GOT_PING:
                self.pings.append(plain(self._frames)[1])
            elif event in (GOT_CLOSE, VIOLATION):
                self.end = plain(self._frames)[1:]


class Watch:
    """Looks at the world between any two things that happen."""

    def __init__(self, kind: Kind, player: Player) -> None:
        self.kind, self.player = kind, player
        self.reads = Reads(kind)
        self._seen = 0

    def look(self, world: World) -> None:
        behind = max(len(self.kind.handshake), self._seen)
        self.reads.feed(bytes(world.given[behind:]))
        self._seen = len(world.given)
        player, transport = self.player, world.transport
        bound = LIMIT + LARGEST + HIGH_WATER + 1000
        assert transport.buffered <= bound, "it writes to a peer that does not read"
        if world.lost or transport.is_closing() or not transport.reading:
            return
        if player.came_first or self.reads.end or "write_eof" in transport.calls:
            return
        if world.interrupts or not self.kind.is_good or not player.called:
            return
        if not player.accepted:
            early = len(world.given) - len(self.kind.handshake) - world.last_read
            assert early <= HIGH_WATER, "it reads, and nobody has accepted"
            return
        unread = self.reads.messages[len(player.messages) :]
        assert len(unread) < self.kind.max_queue, "it reads more messages"
        assert sum(map(len, unread)) <= HIGH_WATER, "it reads more bytes"


class Written(NamedTuple):
    messages: list[str | bytes]
    pongs: list[bytes]
    close: bytes | None


class Recorded(Client):
    """A client's side of what was written."""

    def __init__(self, data: bytes) -> None:
        self.buffer = data
        self.at_eof, self.was_reset = True, False

    def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        pass


def read_frames(data: bytes) -> Written:
    """All of it, as the peer reads it; Peer checks the frames themselves."""
    peer = Peer(Recorded(data))
    messages, pongs, end = [], [], None
    while front := peer.client.buffer:
        assert end is None, "written behind the close frame"
        opcode = front[0] & 15
        if opcode in (TEXT, BINARY):
            messages.append(peer.message())
        elif opcode == PONG:
            pongs.append(peer.control(PONG))
        elif opcode == CLOSE:
            end = peer.control(CLOSE)
        else:
            assert len(peer.control(PING)) == 4
    return Written(messages, pongs, end)


def is_subsequence(few: list[Any], many: list[Any]) -> bool:
    rest = iter(many)
    return all(item in rest for item in few)


def check_frames(world: World, player: Player, watch: Watch) -> None:
    written = read_frames(world.transport.written)
    reads, exact = watch.reads, not world.interrupts
    for who, sent in enumerate(player.sent):
        alone = len(player.programs) == 1
        own = [data for data in written.messages if alone or is_of(who, data)]
        want = [data for data in sent if alone or is_of(who, data)]
        if not (alone and who):
            assert own == (want if exact else want[: len(own)]), (own, want)
    assert is_subsequence(written.pongs, reads.pings), (written.pongs, reads.pings)
    if exact and not player.came_first:
        assert player.messages == reads.messages
        if watch.kind.limit is None:
            assert written.pongs == reads.pings
        elif reads.pings and reads.end is None:
            assert written.pongs[-1] == reads.pings[-1]
    allowed = codes_of(world, player, watch)
    if written.close is not None:
        code = int.from_bytes(written.close[:2] or b"\x03\xed", "big")  # 1005
        assert code in allowed - {GONE}, (code, allowed)
    elif exact:
        assert not allowed, allowed


def is_of(who: int, data: str | bytes) -> bool:
    """Two programs mark what they send."""
    return data[:1] in (str(who), b"%d" % who)


def codes_of(world: World, player: Player, watch: Watch) -> set[int]:
    """With which of them the WebSocket may have ended by now."""
    codes = set(player.codes)
    if watch.reads.end is not None:
        codes.add(watch.reads.end[0])
    if player.ended_first and player.accepted:
        codes |= {1000, 1011}
    if world.interrupts & {0, 1, 2} or not player.accepted:
        codes.add(GONE)
    if world.interrupts & {3, 4}:
        codes.add(LATE)
    if watch.kind.pings and world.interrupts & {5}:
        codes.add(SILENT)
    return codes


def check_answer(world: World, player: Player, watch: Watch) -> None:
    """There is no 101: what HTTP answer there is."""
    written = world.transport.written
    if not written and (world.interrupts or not player.over):
        return
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(written)
    client.receive_data(b"")
    events: list[Any] = []
    try:
        while not events or type(events[-1]) is not h11.EndOfMessage:
            events.append(client.next_event())
            if type(events[-1]) is h11.ConnectionClosed:
                break
    except h11.RemoteProtocolError:
        assert world.interrupts or player.denied, written
        cut = "abort" in world.transport.calls or world.lost
        assert cut or not player.over, written
    statuses = {event.status_code for event in events if type(event) is h11.Response}
    if not watch.kind.is_good:
        assert not player.called and statuses < {400, 426}, statuses
    else:
        assert statuses <= {player.status, 403, 500}, statuses


def check_events(world: World, player: Player, watch: Watch) -> None:
    events, end = player.events, player.disconnect
    if events:
        assert events[0] == {"type": "websocket.connect"}
    got, all_ = player.messages, watch.reads.messages
    assert got == all_[: len(got)], (got, all_)
    assert len(events) == (1 if events else 0) + len(got) + (end is not None), events
    if end is not None:
        allowed = codes_of(world, player, watch)
        assert end["code"] in allowed, (end, allowed)
        assert ("reason" in end) != (end["code"] == GONE) or end["code"] == LATE


def check_all(world: World, player: Player, watch: Watch) -> None:
    watch.look(world)
    if player.fault is not None:
        raise player.fault
    check_events(world, player, watch)
    if world.transport.written.startswith(b"HTTP/1.1 101 "):
        assert player.accepted
        check_frames(world, player, watch)
    else:
        check_answer(world, player, watch)


# -- the target ------------------------------------------------------------------------

OPEN = b"\x00\x09"  # receive(), then accept


def seeds() -> Iterator[bytes]:
    streams = [
        b"\x20\x21\x32",
        b"\x00\xb0\xe2\x07",
        b"\x45\x56\x07\x66\x75\x76",
        b"\x23\x33\x24\x84",
        b"\xec\x13",
        b"\x7d\xf7\x47",
        b"\x2e\x0b",
        b"\x10\x09",
        b"\x10\x10\x0a\x10",
        *(b"\x10\x10" + bytes([number << 4 | 11]) for number in range(8)),
        b"\x5f\x81\x85\x00\x00\x00\x00hello",
    ]
    programs = [
        b"",
        OPEN,
        OPEN + b"\x22\x33\xd2\xf3\x4d",
        OPEN + b"\x04\x10\x05\x12\x06",
        b"\x19\x22\x07",
        b"\x09\x01\x01\x01\x08",
        b"\x06",
        b"\x0a",
        b"\x8a\x04",
        b"\x07",
        OPEN + b"\x0b\x1b\x2b\x3b\x4b\x5b\x16\x12\x00",
        b"\x39\x49\x59\x29\x0c\x12\x04\x00",
    ]
    ends = [b"", b"\x04", b"\x2c\x04\x05\x06", *(bytes([n << 3 | 7]) for n in range(6))]
    flags = (0, 1, 2, 6, 0x4B, 0x61, 0x10, 0x2A, 0x42)
    for number in range(len(streams) * 3):
        ops = b"\xfb\x13\x05" + ends[number % len(ends)] + b"\x04\x05"
        first = programs[number % len(programs)]
        second = b"\x12\x04\x22\x06" if number % 3 == 2 else b""
        front = bytes([flags[number % len(flags)], 250 if number % 17 == 16 else 0])
        parts = (bytes([len(part)]) + part for part in (ops, first, second))
        yield front + b"".join(parts) + streams[number % len(streams)]
    # Byte by byte from the handshake on, to one that does not read yet, or has closed.
    slow, closed = OPEN + b"\x04\x10", OPEN + b"\x06"
    chosen = [(32, slow), (34, slow), (33, slow), (0, closed), (3, closed)]
    for choice, first in [*chosen, (1, OPEN + b"\xf2" * 5)]:
        left, ops = len(Kind(choice, 0).handshake), b""
        while left:
            root = min(31, math.isqrt(left - 1))
            ops += bytes([root << 3])
            left -= 1 + root * root
        ops += b"\0" * (60 - len(ops))
        stream = b"\x3d\xde" if first is closed else b"\xde"
        front = bytes([choice, 0, len(ops)]) + ops
        yield front + bytes([len(first)]) + first + b"\0" + stream


def check(data: bytes) -> None:
    given = Input(data)
    kind = Kind(given.byte(), given.byte())
    ops, first, second = (given.take(given.byte() % 64) for _ in range(3))
    player = Player([first, second] if second else [first], kind.echo)
    watch = Watch(kind, player)
    call = functools.partial(played, player)
    world = World(call, kind.limit, watch.look, **kind.settings())
    world.play(ops, kind.handshake + stream_of(given, kind))
    check_all(world, player, watch)
    if player.called and not (player.accepted or world.transport.reading):
        world.lose(None)  # who is not read before he is accepted can end unseen
    world.end()
    world.interrupts.add(0)  # its end is one
    check_all(world, player, watch)
    assert player.over or not player.called


async def played(
    player: Player, world: World, scope: Any, receive: Any, send: Any
) -> None:
    await player(world, scope, receive, send)

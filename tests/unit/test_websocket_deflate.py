"""permessage-deflate (RFC 7692): messages inflated and deflated, and their limits."""

from __future__ import annotations

import json
import random
import sys
import time
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from _websocket import (
    BINARY,
    CONTINUATION,
    FIN,
    GOT_BINARY,
    GOT_PING,
    GOT_TEXT,
    NOTHING,
    PING,
    RSV1,
    TAIL,
    TEXT,
    VIOLATION,
    Deflater,
    cuts,
    deflating,
    fragments,
    frame,
    joined,
    pieces,
    read,
    violation,
)

from fastserve.protocols import fast_deflate
from fastserve.protocols.websocket import WebSocket

# The payloads of RFC 7692 7.2.3, each "Hello".
ONE_BLOCK = bytes.fromhex("f248cdc9c90700")
FROM_THE_WINDOW = bytes.fromhex("f200110000")
STORED = bytes.fromhex("000500faff48656c6c6f00")
FINAL_BLOCK = bytes.fromhex("f348cdc9c9070000")
TWO_BLOCKS = bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", ""))
HELLO = (GOT_TEXT, "Hello")


def packed(payload: bytes, opcode: int = TEXT) -> bytes:
    return frame(opcode, payload, FIN | RSV1)


def words(size: int, seed: int = 1) -> bytes:
    chance = random.Random(seed)
    some = [b"alpha ", b"beta ", b"gamma ", b"delta ", b"42 ", b"{}, "]
    return b"".join(chance.choices(some, k=size))[:size]


# -- input ----------------------------------------------------------------------------


def test_examples_of_the_rfc() -> None:
    for payload in (ONE_BLOCK, STORED, FINAL_BLOCK, TWO_BLOCKS):
        for reads in cuts(packed(payload)):
            assert read(reads, deflating()) == [HELLO]
    assert read([packed(b"\x00")], deflating()) == [(GOT_TEXT, "")]
    parts = fragments(TEXT, ONE_BLOCK[:3], ONE_BLOCK[3:], flags=RSV1)
    assert read([frame(PING, b"p").join(parts)], deflating()) == [
        (GOT_PING, b"p"),
        HELLO,
    ]


def test_the_window_goes_from_message_to_message() -> None:
    ws = deflating()
    assert read([packed(ONE_BLOCK)], ws) == [HELLO]
    assert read([packed(FROM_THE_WINDOW)] * 3, ws) == [HELLO] * 3
    # Uncompressed ones between do not enter it.
    assert read([frame(TEXT, b"x" * 99)], ws) == [(GOT_TEXT, "x" * 99)]
    assert read([packed(FROM_THE_WINDOW)], ws) == [HELLO]


def test_without_takeover_each_message_stands_alone() -> None:
    ws = deflating(client_takeover=False)
    assert read([packed(ONE_BLOCK)] * 3, ws) == [HELLO] * 3
    assert violation(packed(FROM_THE_WINDOW), ws) == 1007


def test_streams_that_end_in_each_message() -> None:
    ws = deflating()
    assert read([packed(FINAL_BLOCK)] * 5, ws) == [HELLO] * 5
    assert read([packed(ONE_BLOCK), packed(FROM_THE_WINDOW)], ws) == [HELLO] * 2
    # Without the empty block that the RFC wants behind the final one.
    ws = deflating()
    assert read([packed(FINAL_BLOCK[:-1])] * 5, ws) == [HELLO] * 5
    twice = FINAL_BLOCK[:-1] + ONE_BLOCK
    assert read([packed(twice)], deflating()) == [(GOT_TEXT, "HelloHello")]


def test_streams_without_end_are_refused_at_once() -> None:
    empty_final = b"\x03\x00"
    data = packed(empty_final * 500_000, BINARY)
    began = time.thread_time()
    assert violation(data, deflating()) == 1007
    assert time.thread_time() - began < 3


@pytest.mark.parametrize("number", [5, 6])
def test_streams_in_a_message_are_counted_however_it_is_cut(number: int) -> None:
    data = packed(FINAL_BLOCK[:-1] * number)
    for parts in [[data], *cuts(data)]:
        got = read(parts, deflating())
        if number == 5:
            assert got == [(GOT_TEXT, "Hello" * 5)]
        else:
            assert got == [(VIOLATION, 1007, "compressed data are broken")]


def test_rsv1_means_nothing_unless_it_was_agreed_on() -> None:
    assert violation(packed(ONE_BLOCK)) == 1002
    for flags in (FIN | 0x20, FIN | 0x10, FIN | 0x60):
        assert violation(frame(TEXT, b"", flags), deflating()) == 1002
    parts = fragments(TEXT, b"a", b"b")
    again = frame(CONTINUATION, b"b", FIN | RSV1)
    assert violation(parts[0] + again, deflating()) == 1002
    assert violation(frame(PING, b"", FIN | RSV1), deflating()) == 1002


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("takeover", [True, False])
def test_every_window_in(bits: int, takeover: bool) -> None:
    ws = deflating(client_bits=bits, client_takeover=takeover)
    deflate = Deflater(bits, takeover)
    chance = random.Random(bits)
    for round in range(12):
        data = words(chance.choice([1, 100, 5000, 70_000]), round)
        sent = deflate(data)
        cut = chance.randrange(len(sent) + 1)
        parts = fragments(BINARY, sent[:cut], sent[cut:], flags=RSV1)
        assert read(pieces(b"".join(parts), chance), ws) == [(GOT_BINARY, data)]
        assert read([packed(deflate(data), BINARY)], ws) == [(GOT_BINARY, data)]


def test_a_window_larger_than_agreed_on() -> None:
    far = random.Random(5).randbytes(20_000)
    sent = Deflater(15)(far + far)
    assert violation(packed(sent, BINARY), deflating(client_bits=12)) == 1007


@pytest.mark.parametrize(
    "payload",
    [b"\x07", b"\xff" * 9, ONE_BLOCK[:-1] + b"\x06", b"garbage garbage", TAIL * 3],
    ids=bytes.hex,
)
def test_data_that_do_not_inflate(payload: bytes) -> None:
    ws = deflating()
    assert read([packed(ONE_BLOCK)], ws) == [HELLO]
    assert violation(packed(payload), ws) == 1007
    assert ws.feed(packed(ONE_BLOCK)) > 0 and ws.event == NOTHING


# -- limits ---------------------------------------------------------------------------


def test_the_limit_is_of_what_is_inflated() -> None:
    for size, expected in ((1000, [(GOT_BINARY, bytes(1000))]), (1001, 1009)):
        whole = Deflater()(bytes(size))
        for cut in (0, 1, len(whole) // 2, len(whole)):
            parts = fragments(BINARY, whole[:cut], whole[cut:], flags=RSV1)
            if expected == 1009:
                assert violation(b"".join(parts), deflating(1000)) == 1009
            else:
                assert read([b"".join(parts)], deflating(1000)) == expected
    assert violation(packed(Deflater()(b"a")), deflating(0)) == 1009


def test_what_cannot_be_compressed_has_the_same_limit() -> None:
    data = random.Random(4).randbytes(100_000)
    for level in (0, 1, 6, 9):
        deflate = zlib.compressobj(level, wbits=-9, memLevel=1)
        sent = deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
        assert len(sent) > len(data)
        whole = packed(sent[:-4], BINARY)
        assert read([whole], deflating(100_000)) == [(GOT_BINARY, data)]


def test_what_is_announced_is_bounded_too() -> None:
    assert violation(packed(bytes(2000), BINARY)[:8], deflating(1000)) == 1009
    # Blocks without a byte in them, for ever.
    ws, sent = deflating(1000), 0
    data = frame(BINARY, b"\x00\x00\x00\xff\xff" * 20, RSV1)
    while read([data], ws) == []:
        data = frame(CONTINUATION, b"\x00\x00\x00\xff\xff" * 20, 0)
        sent += 100
        assert sent < 2000
    assert ws.close_code == 1009


@pytest.mark.parametrize("parts", [1, 2, 40])
def test_a_bomb_takes_no_more_than_the_limit(parts: int) -> None:
    limit = 1 << 20
    deflate = zlib.compressobj(1, wbits=-12)
    bomb = deflate.compress(bytes(50 << 20)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    size = len(bomb) // parts + 1
    payloads = [bomb[at : at + size] for at in range(0, len(bomb), size)]
    data = b"".join(fragments(BINARY, *payloads, flags=RSV1))
    ws = deflating(limit)
    tracemalloc.start()
    try:
        assert violation(data, ws) == 1009
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * limit


# -- output, by isal and by zlib alone ------------------------------------------------


@pytest.fixture(params=["isal", "zlib"])
def library(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """What compresses long messages: isal, and zlib where isal is not installed."""
    if request.param == "zlib":
        for name in ("isal", "isal.isal_zlib"):
            monkeypatch.setitem(sys.modules, name, None)
    fast_deflate.compressobj.cache_clear()
    assert (fast_deflate.compressobj() is not None) == (request.param == "isal")
    yield request.param
    fast_deflate.compressobj.cache_clear()


class Inflater:
    """A client that reads frames which are whole."""

    def __init__(self, bits: int = 12, takeover: bool = True) -> None:
        self.bits, self.takeover = bits, takeover
        self._zlib = zlib.decompressobj(-bits)

    def __call__(self, data: bytes) -> tuple[bool, bytes]:
        """Whether it was compressed, and the message."""
        size = data[1]
        at = 2
        if size >= 126:
            at = 4 if size == 126 else 10
            size = int.from_bytes(data[2:at], "big")
        payload = data[at:]
        assert len(payload) == size and data[0] & FIN
        if not data[0] & RSV1:
            return False, payload
        if not self.takeover:
            self._zlib = zlib.decompressobj(-self.bits)
        return True, self._zlib.decompress(payload + TAIL)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("bits", range(9, 16))
def test_every_window_out(bits: int, takeover: bool) -> None:
    ws = deflating(server_bits=bits, server_takeover=takeover)
    inflate = Inflater(bits, takeover)
    for size in (300, 300, 5000, 300, 4096, 4095, 100_000, 5000, 20, 5000, 1000):
        data = words(size, size)
        compressed, got = inflate(joined(ws.binary_frame(data)))
        assert got == data and compressed == (size > 20)
        compressed, got = inflate(joined(ws.text_frame(data.decode() + "é€")))
        assert got == data + "é€".encode() and compressed == (size > 20)


def some_message(chance: random.Random) -> bytes:
    """Words, noise, or one byte again and again; of any length up to 70,000."""
    size = int(2 ** chance.uniform(8, 16.1))
    kind = chance.randrange(4)
    if kind == 0:
        return chance.randbytes(size)
    if kind == 1:
        return chance.randbytes(1) * size
    noise = chance.randbytes(chance.randrange(size))
    return (words(size, chance.randrange(9)) + noise)[-size:]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_sent_is_what_a_client_gets(seed: int) -> None:
    chance = random.Random(seed)
    bits, takeover = chance.randrange(9, 16), seed % 4 != 0
    ws = deflating(server_bits=bits, server_takeover=takeover)
    inflate = Inflater(bits, takeover)
    for _ in range(60):
        data = some_message(chance)
        assert inflate(joined(ws.binary_frame(data))) == (True, data)
        if chance.random() < 0.1:
            ws.forget()


@pytest.mark.usefixtures("library")
def test_long_messages_are_small_by_either_library() -> None:
    """Between short ones, the second of which finds itself in the window."""
    ws = deflating()
    short = words(300)
    items = [{"id": number, "price": number * 77 % 1009} for number in range(2000)]
    long = json.dumps(items).encode() + short
    frames = [len(joined(ws.binary_frame(data))) for data in (short, long, short)]
    alone = zlib.compressobj(6, zlib.DEFLATED, -12, 5)
    by_zlib = len(alone.compress(long) + alone.flush(zlib.Z_SYNC_FLUSH))
    assert frames[1] < by_zlib * 1.15
    assert frames[2] < frames[0] / 3


@pytest.mark.usefixtures("library")
def test_the_window_goes_from_one_long_message_to_the_next() -> None:
    ws = deflating()
    noise, text = random.Random(1).randbytes(3000), words(2000)
    first, second = (
        len(joined(ws.binary_frame(data))) for data in (text + noise, noise + text)
    )
    assert second < first / 3


def test_the_window_saves_what_was_said_before() -> None:
    data = words(300)
    ws = deflating()
    first, second = (len(joined(ws.binary_frame(data))) for _ in range(2))
    assert second < first / 3
    ws = deflating(server_takeover=False)
    first, second = (len(joined(ws.binary_frame(data))) for _ in range(2))
    assert first == second


def test_small_messages_go_out_as_they_are() -> None:
    ws = deflating()
    assert ws.text_frame("x" * 255)[0] == FIN | TEXT
    assert ws.text_frame("x" * 256)[0] == FIN | RSV1 | TEXT
    assert ws.binary_frame(b"")[0] == FIN | BINARY
    assert ws.binary_frame(bytes(256))[0] == FIN | RSV1 | BINARY


def test_control_frames_are_never_compressed() -> None:
    ws = deflating()
    for made in (ws.ping_frame(b"x" * 125), ws.pong_frame(b"x" * 125)):
        assert made[0] & RSV1 == 0
    assert ws.close_frame(1000, "x" * 123)[0] & RSV1 == 0


def test_a_window_that_zlib_does_not_have() -> None:
    ws = deflating(server_bits=8, client_bits=8)
    data = words(5000)
    assert ws.binary_frame(data) == b"\x82\x7e\x13\x88" + data
    assert read([packed(ONE_BLOCK)], ws) == [HELLO]


@pytest.mark.parametrize("bits", [(7, 12), (16, 12), (12, 7), (12, 16), (0, 0)])
def test_windows_that_there_are_not(bits: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="8 to 15"):
        WebSocket().enable_deflate(*bits, True, True)


def test_forgetting_the_compressor_loses_nothing() -> None:
    ws, inflate = deflating(), Inflater()
    for _ in range(4):
        for size in (300, 5000):
            data = words(size, size)
            assert inflate(joined(ws.binary_frame(data))) == (True, data)
        ws.forget()


def test_a_long_message_keeps_its_end_alone(library: str) -> None:
    """In place of a compressor: 4 KiB, and nothing of it once it is forgotten."""
    ws = deflating()
    data = words(100_000)
    ws.binary_frame(data)  # the first of all imports isal
    ws.forget()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        ws.binary_frame(data[:300])
        ws.binary_frame(data)
        kept = tracemalloc.get_traced_memory()[0] - before
        assert kept < 5_000 if library == "isal" else 20_000 < kept < 60_000
        ws.forget()
        assert tracemalloc.get_traced_memory()[0] - before < 500
    finally:
        tracemalloc.stop()


def test_contexts_are_made_when_they_are_needed_and_dropped() -> None:
    def grown(ws: WebSocket, act: object) -> int:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            act(ws)  # type: ignore[operator]
        return tracemalloc.get_traced_memory()[0] - before

    def send_small(ws: WebSocket) -> None:
        ws.text_frame("x" * 100)
        read([frame(TEXT, b"plain")], ws)

    def send(ws: WebSocket) -> None:
        ws.text_frame("x" * 1000)

    def receive(ws: WebSocket) -> None:
        read([packed(ONE_BLOCK)], ws)

    tracemalloc.start()
    try:
        # The first of all fills caches of the interpreter's own.
        for act in (send_small, send, receive):
            act(deflating())
        ws = deflating()
        assert grown(ws, send_small) < 500
        assert 5_000 < grown(ws, receive) < 20_000
        assert 20_000 < grown(ws, send) < 60_000
        ws.forget()
        assert grown(ws, send_small) < 500
        alone = deflating(server_takeover=False, client_takeover=False)
        assert grown(alone, send) < 500
        assert grown(alone, receive) < 500
    finally:
        tracemalloc.stop()

"""WebSocket's frames: what is read, what is refused, and when (RFC 6455 5 to 7).

Text and UTF-8 are in test_websocket_text.py, compression in
test_websocket_deflate.py, frames that are made in test_websocket_frames.py.
"""

from __future__ import annotations

import random
import tracemalloc

import pytest
from _websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    GOT_BINARY,
    GOT_CLOSE,
    GOT_PING,
    GOT_PONG,
    GOT_TEXT,
    NOTHING,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    VIOLATION,
    Got,
    close,
    cuts,
    fragments,
    frame,
    pieces,
    read,
    violation,
)

from fastserve.protocols.websocket import DEF_MAX_SIZE, WebSocket

HELLO = frame(TEXT, b"Hello")


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


# -- messages -------------------------------------------------------------------------


def test_a_new_one() -> None:
    ws = WebSocket()
    assert (ws.event, ws.close_code, ws.close_reason) == (NOTHING, 0, None)
    assert ws.take() is None and not ws.close_sent
    assert ws.feed(b"") == 0
    assert ws.event == NOTHING
    assert DEF_MAX_SIZE == 16777216


def test_examples_of_the_rfc() -> None:
    hello = bytes.fromhex("818537fa213d7f9f4d5158")
    assert hello == HELLO
    assert read([hello]) == [(GOT_TEXT, "Hello")]
    assert read([bytes.fromhex("898537fa213d7f9f4d5158")]) == [(GOT_PING, b"Hello")]


@pytest.mark.parametrize(
    "size", [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 125, 126, 127, 1000, 65535]
    + [65536, 65537, 1 << 20]
)  # fmt: skip
def test_messages_of_every_size(size: int) -> None:
    data = noise(size)
    assert read([frame(BINARY, data)]) == [(GOT_BINARY, data)]
    text = "".join(chr(97 + byte % 26) for byte in data)
    assert read([frame(TEXT, text.encode())]) == [(GOT_TEXT, text)]


def test_feed_stops_behind_each_event() -> None:
    ws = WebSocket()
    data = HELLO + frame(PING, b"p") + frame(BINARY, b"\xff") + HELLO[:4]
    assert ws.feed(data) == len(HELLO)
    assert (ws.event, ws.take()) == (GOT_TEXT, "Hello")
    assert ws.feed(data, 11) == 18
    assert (ws.event, ws.take()) == (GOT_PING, b"p")
    assert ws.feed(data, 18) == 25
    assert (ws.event, ws.take()) == (GOT_BINARY, b"\xff")
    assert ws.feed(data, 25) == len(data)
    assert (ws.event, ws.take()) == (NOTHING, None)
    assert ws.feed(HELLO, 4) == len(HELLO)
    assert (ws.event, ws.take()) == (GOT_TEXT, "Hello")


def test_a_message_that_was_not_taken_is_gone() -> None:
    ws = WebSocket()
    ws.feed(HELLO)
    ws.feed(b"")
    assert (ws.event, ws.take()) == (NOTHING, None)


def test_offsets_out_of_the_data() -> None:
    ws = WebSocket()
    for offset in (-1, 2):
        with pytest.raises(ValueError, match="offset"):
            ws.feed(b"x", offset)
    with pytest.raises(ValueError, match="bytes"):
        ws.feed(None)  # type: ignore[arg-type]


CORPUS: dict[str, tuple[bytes, list[Got]]] = {
    "text": (HELLO, [(GOT_TEXT, "Hello")]),
    "empty": (frame(TEXT) + frame(BINARY), [(GOT_TEXT, ""), (GOT_BINARY, b"")]),
    "sixteen-bits": (frame(BINARY, noise(130)), [(GOT_BINARY, noise(130))]),
    "utf-8": (frame(TEXT, "aé€😀z".encode()), [(GOT_TEXT, "aé€😀z")]),
    "key-of-zeros": (frame(TEXT, b"abc", key=bytes(4)), [(GOT_TEXT, "abc")]),
    "fragments": (
        b"".join(fragments(BINARY, b"ab", b"", b"cde", b"f")),
        [(GOT_BINARY, b"abcdef")],
    ),
    "empty-fragments": (b"".join(fragments(TEXT, b"", b"", b"")), [(GOT_TEXT, "")]),
    "control-between": (
        frame(PING, b"1").join(fragments(TEXT, b"a\xe2", b"\x82", b"\xacb"))
        + frame(PONG),
        [(GOT_PING, b"1"), (GOT_PING, b"1"), (GOT_TEXT, "a€b"), (GOT_PONG, b"")],
    ),
    "control-limit": (frame(PING, b"x" * 125), [(GOT_PING, b"x" * 125)]),
    "close": (HELLO + close(), [(GOT_TEXT, "Hello"), (GOT_CLOSE, 1005, "")]),
    "close-reason": (close(1000, "é".encode()), [(GOT_CLOSE, 1000, "é")]),
    "close-inside": (
        fragments(TEXT, b"a", b"b")[0] + close(1001),
        [(GOT_CLOSE, 1001, "")],
    ),
    "many": (HELLO * 7, [(GOT_TEXT, "Hello")] * 7),
}


@pytest.mark.parametrize("name", CORPUS)
def test_every_cut(name: str) -> None:
    data, expected = CORPUS[name]
    assert read([data]) == expected
    for reads in cuts(data):
        assert read(reads) == expected


def test_lengths_of_eight_bytes_at_every_cut() -> None:
    data = frame(BINARY, noise(65536))
    for at in range(1, 20):
        assert read([data[:at], data[at:]]) == [(GOT_BINARY, noise(65536))]


def test_the_whole_corpus_in_random_reads() -> None:
    chance = random.Random(7)
    names = [name for name in CORPUS if not name.startswith("close")]
    for _ in range(300):
        chosen = chance.choices(names, k=5)
        data = b"".join(CORPUS[name][0] for name in chosen)
        expected = [event for name in chosen for event in CORPUS[name][1]]
        assert read(pieces(data, chance)) == expected


# -- heads: RFC 6455 5.2 --------------------------------------------------------------


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF])
def test_unknown_opcodes(opcode: int) -> None:
    assert violation(frame(opcode, b"x")) == 1002
    assert violation(bytes([FIN | opcode])) == 1002


@pytest.mark.parametrize("flags", range(RSV3, FIN, RSV3))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_reserved_bits(flags: int, opcode: int) -> None:
    assert violation(frame(opcode, b"", FIN | flags)) == 1002
    ws = WebSocket()
    ws.feed(HELLO)
    assert violation(bytes([FIN | flags | opcode]), ws) == 1002


def test_reserved_bits_of_a_continuation() -> None:
    for flags in (RSV1, RSV2, RSV3):
        data = frame(TEXT, b"a", 0) + frame(CONTINUATION, b"b", FIN | flags)
        assert read([data]) == [(VIOLATION, 1002, "a reserved bit is set")]


def test_frames_without_a_mask() -> None:
    for opcode in (TEXT, BINARY, PING, PONG, CLOSE):
        assert violation(bytes([FIN | opcode, 0])) == 1002
        assert violation(bytes([FIN | opcode, 5]) + b"Hello") == 1002


@pytest.mark.parametrize("size, form", [(0, 126), (125, 126), (0, 127), (65535, 127)])
def test_lengths_in_a_longer_form_than_needed(size: int, form: int) -> None:
    assert violation(frame(BINARY, bytes(size), form=form)) == 1002


def test_lengths_over_63_bits() -> None:
    head = bytes([FIN | BINARY, 0xFF])
    assert violation(head + b"\x80") == 1002
    ws = WebSocket(1 << 62)
    assert violation(head + b"\x7f" + b"\xff" * 7 + bytes(4), ws) == 1009


def test_control_frames_are_short_and_whole() -> None:
    for opcode in (PING, PONG, CLOSE):
        assert violation(frame(opcode, b"x" * 126)) == 1002
        assert violation(frame(opcode, b"x" * 65536)) == 1002
        assert violation(frame(opcode, b"x", flags=0)) == 1002
        assert violation(bytes([opcode])) == 1002


def test_fragments_out_of_order() -> None:
    assert violation(frame(CONTINUATION, b"x")) == 1002
    assert violation(frame(CONTINUATION, b"x", 0)) == 1002
    for opcode in (TEXT, BINARY):
        data = frame(TEXT, b"a", 0) + frame(opcode, b"b")
        assert violation(data) == 1002
    done = b"".join(fragments(TEXT, b"a", b"b"))
    assert read([done + frame(CONTINUATION, b"c")])[-1][:2] == (VIOLATION, 1002)
    assert read([done + done]) == [(GOT_TEXT, "ab")] * 2


@pytest.mark.parametrize(
    "data",
    [
        b"\xf1",
        b"\x83",
        b"\x80",
        b"\x09",
        b"\x89\xfe",
        b"\x81\x05",
        b"\x81\xfe\x00\x7d",
        b"\x81\xff\x80",
        b"\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff",
    ],
    ids=bytes.hex,
)
def test_a_bad_head_is_found_at_its_first_bad_byte(data: bytes) -> None:
    assert read([data[:-1]]) == []
    assert violation(data) == 1002
    for reads in cuts(data):
        assert [event[:2] for event in read(reads)] == [(VIOLATION, 1002)]


# -- the end --------------------------------------------------------------------------


VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]


@pytest.mark.parametrize("code", [*VALID_CODES, 3000, 3999, 4000, 4999])
def test_close_codes(code: int) -> None:
    assert read([close(code, b"bye")]) == [(GOT_CLOSE, code, "bye")]


@pytest.mark.parametrize(
    "code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
)
def test_bad_close_codes(code: int) -> None:
    assert violation(close(code)) == 1002


def test_close_payloads() -> None:
    assert violation(frame(CLOSE, b"\x03")) == 1002
    assert violation(close(1000, b"\xce\xba\xff")) == 1007
    assert read([close(1000, b"x" * 123)]) == [(GOT_CLOSE, 1000, "x" * 123)]
    assert violation(close(1000, b"x" * 124)) == 1002


@pytest.mark.parametrize("last", [close(1000), b"\xff"], ids=["close", "violation"])
def test_nothing_is_read_after_the_end(last: bytes) -> None:
    data = last + HELLO + frame(PING)
    ws = WebSocket()
    assert ws.feed(data) == len(data)
    assert ws.event in (GOT_CLOSE, VIOLATION)
    for more in (HELLO, frame(PING), close(), b"\xff"):
        assert ws.feed(more) == len(more)
        assert (ws.event, ws.take()) == (NOTHING, None)


# -- limits ---------------------------------------------------------------------------


def test_the_limit_is_of_bytes_and_inclusive() -> None:
    assert read([frame(BINARY, bytes(100))], WebSocket(100)) == [
        (GOT_BINARY, bytes(100))
    ]
    assert violation(frame(BINARY, bytes(101)), WebSocket(100)) == 1009
    assert violation(frame(TEXT, "é".encode() * 51), WebSocket(100)) == 1009


def test_the_limit_holds_when_a_length_is_announced() -> None:
    ws = WebSocket(100)
    data = frame(BINARY, bytes(101))
    assert violation(data[:6], ws) == 1009
    huge = bytes([FIN | TEXT, 0xFF]) + (1 << 40).to_bytes(8, "big") + b"mask"
    assert violation(huge) == 1009


def test_the_limit_is_of_all_fragments_together() -> None:
    parts = fragments(BINARY, bytes(60), bytes(40), b"")
    assert read(parts, WebSocket(100)) == [(GOT_BINARY, bytes(100))]
    first, second, _ = fragments(BINARY, bytes(60), bytes(41), b"")
    ws = WebSocket(100)
    assert read([first, second[:5]], ws) == []
    assert violation(second[5:6], ws) == 1009
    assert read([HELLO * 50], WebSocket(5)) == [(GOT_TEXT, "Hello")] * 50


def test_a_limit_of_nothing() -> None:
    assert read([frame(TEXT)], WebSocket(0)) == [(GOT_TEXT, "")]
    assert violation(frame(TEXT, b"a"), WebSocket(0)) == 1009
    assert read([frame(PING, b"a")], WebSocket(0)) == [(GOT_PING, b"a")]


def test_memory_follows_what_has_come_not_what_is_announced() -> None:
    head = bytes([FIN | BINARY, 0xFF]) + (1 << 24).to_bytes(8, "big") + b"mask"
    tracemalloc.start()
    try:
        sockets = [WebSocket() for _ in range(20)]
        for ws in sockets:
            assert read([head, bytes(1000)], ws) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * 200_000


def test_a_large_message_in_small_reads_is_not_copied_again_and_again() -> None:
    data = frame(BINARY, noise(1 << 22))
    reads = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    tracemalloc.start()
    try:
        got = read(reads)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got == [(GOT_BINARY, noise(1 << 22))]
    assert peak < 3 * (1 << 22)


def test_fragments_of_one_byte_take_no_more_than_their_message() -> None:
    size = 200_000
    parts = fragments(BINARY, *[b"x"] * size)
    data = b"".join(parts)
    tracemalloc.start()
    try:
        got = read([data])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got == [(GOT_BINARY, b"x" * size)]
    assert peak < 5 * size

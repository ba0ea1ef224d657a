"""Text messages of a WebSocket: UTF-8 as RFC 3629 has it, and bad UTF-8 found early.

The sequences are those of Markus Kuhn's UTF-8 stress test, which the Autobahn
testsuite sends in its section 6.
"""

from __future__ import annotations

import itertools

import pytest
from _websocket import (
    GOT_PING,
    GOT_TEXT,
    PING,
    RSV1,
    TEXT,
    VIOLATION,
    Deflater,
    cuts,
    deflating,
    fragments,
    frame,
    read,
    violation,
)

from fastserve.protocols.websocket import WebSocket

BAD = (VIOLATION, 1007, "text that is not UTF-8")
GREEK = "κόσμε"

GOOD = [
    b"hello\x24world",
    b"hello\xc2\xa2world",
    b"hello\xe2\x82\xacworld",
    b"hello\xf0\xa4\xad\xa2world",
    GREEK.encode(),
    # first and last of each length, and round the surrogates
    *[b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"],
    *[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"],
    *[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xef\xbf\xbe"],
    # code points that are no characters are valid all the same
    *[chr(plane << 16 | 0xFFFE).encode() for plane in range(17)],
    *[chr(plane << 16 | 0xFFFF).encode() for plane in range(17)],
]
MISSING = [b"\xdf", b"\xef\xbf", b"\xf0\x90\x80"]
WRONG = [
    # five and six bytes, beyond U+10FFFF
    *[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xf7\xbf\xbf\xbf"],
    *[b"\xf4\x90\x80\x80", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    # continuation bytes alone, first bytes alone, impossible bytes
    *[b"\x80", b"\xbf", b"\x80\xbf\x80\xbf\x80\xbf", bytes(range(0x80, 0xC0))],
    *[bytes([first, 0x20]) for first in range(0xC0, 0x100)],
    *[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff", b"".join(MISSING)],
    # overlong forms
    *[b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf"],
    *[b"\xf0\x8f\xbf\xbf", b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80"],
    # surrogates, alone and in pairs
    *[b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xbf\xbf"],
    *[b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf"],
]


def may_become_text(data: bytes) -> bool:
    """Whether some bytes behind data make it UTF-8. (Python's incremental decoder is
    not asked: it lets the first two bytes of a surrogate pass.)"""
    for rest in itertools.chain.from_iterable(
        itertools.product(b"\x80\xbf", repeat=n) for n in range(4)
    ):
        try:
            (data + bytes(rest)).decode()
        except UnicodeDecodeError:
            continue
        return True
    return False


def dies_at(data: bytes) -> int:
    """The number of bytes after which nothing can make data UTF-8 any more."""
    return next(n for n in range(len(data) + 1) if not may_become_text(data[:n]))


@pytest.mark.parametrize("data", GOOD, ids=bytes.hex)
def test_good_text(data: bytes) -> None:
    expected = [(GOT_TEXT, data.decode())]
    whole = frame(TEXT, data)
    assert read([whole]) == expected
    for reads in cuts(whole):
        assert read(reads) == expected
    for at in range(len(data) + 1):
        assert read(fragments(TEXT, data[:at], data[at:])) == expected
        parts = fragments(TEXT, data[:at], b"", data[at:])
        assert read([frame(PING).join(parts)])[-1:] == expected


@pytest.mark.parametrize("data", [*MISSING, *WRONG], ids=bytes.hex)
def test_bad_text(data: bytes) -> None:
    for before in (b"", b"a" * 40):
        whole = frame(TEXT, before + data)
        assert read([whole]) == [BAD]
        assert read([whole[at : at + 1] for at in range(len(whole))]) == [BAD]
        for at in range(len(data) + 1):
            parts = fragments(TEXT, before + data[:at], data[at:])
            assert read(parts) == [BAD]


@pytest.mark.parametrize("data", WRONG, ids=bytes.hex)
def test_bad_text_is_found_at_its_first_bad_byte(data: bytes) -> None:
    """Autobahn's 6.4: the rest of the frame, or of the message, never comes."""
    before = GREEK.encode()
    end = dies_at(before + data)
    payload = before + data + b"edited"
    for whole in (frame(TEXT, payload), frame(TEXT, payload, flags=0)):
        head = len(whole) - len(payload)
        ws = WebSocket()
        assert read([whole[: head + end - 1]], ws) == []
        assert violation(whole[head + end - 1 : head + end], ws) == 1007
    ws = WebSocket()
    parts = fragments(TEXT, payload[: end - 1], payload[end - 1 :], b"")
    assert read(parts[:1], ws) == []
    assert violation(parts[1][:7], ws) == 1007


def test_text_may_not_end_inside_a_character() -> None:
    for data in MISSING:
        ws = WebSocket()
        first, second, last = fragments(TEXT, b"a", data, b"")
        assert read([first, second, frame(PING)], ws) == [(GOT_PING, b"")]
        assert read([last], ws) == [BAD]


def test_texts_after_one_another_have_nothing_of_each_other() -> None:
    ws = WebSocket()
    for _ in range(3):
        assert read(fragments(TEXT, b"\xe2\x82", b"\xac"), ws) == [(GOT_TEXT, "€")]
        assert read([frame(TEXT, b"ascii")], ws) == [(GOT_TEXT, "ascii")]
        assert read([frame(TEXT, "é".encode())], ws) == [(GOT_TEXT, "é")]


@pytest.mark.parametrize(
    "text", ["a", "é", "€", "😀", "ascii" * 9, "aé" * 99, "€😀" * 99]
)
def test_text_is_what_python_would_make(text: str) -> None:
    """Of the same kind within: equal, with the same hash, as a key, and when joined."""
    ((_, got),) = read([frame(TEXT, text.encode())])
    assert got == text and hash(got) == hash(text) and {got: 1}[text] == 1
    assert got.isascii() == text.isascii() and got + "é" == text + "é"
    assert got.encode() == text.encode() and got[::-1] == text[::-1]
    assert got.__sizeof__() <= text.__sizeof__()


@pytest.mark.parametrize("data", [*MISSING, *WRONG], ids=bytes.hex)
def test_bad_text_that_was_compressed(data: bytes) -> None:
    packed = Deflater()(b"abc" + data)
    whole = frame(TEXT, packed, flags=0x80 | RSV1)
    assert read([whole], deflating()) == [BAD]
    for reads in cuts(whole):
        assert read(reads, deflating()) == [BAD]


@pytest.mark.parametrize("data", GOOD, ids=bytes.hex)
def test_good_text_that_was_compressed(data: bytes) -> None:
    packed = Deflater()(data)
    for at in range(len(packed) + 1):
        parts = fragments(TEXT, packed[:at], packed[at:], flags=RSV1)
        assert read(parts, deflating()) == [(GOT_TEXT, data.decode())]

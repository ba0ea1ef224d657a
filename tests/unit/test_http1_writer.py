"""The HTTP/1.1 response writer: heads, what they are given as, and what it refuses.

Bodies and their framing are in test_http1_framing.py.
"""

from __future__ import annotations

import http
from collections.abc import Callable
from typing import Any

import pytest
from _answers import DATE, SERVER, Bytes, lines, start

from fastserve.protocols.http1_writer import ResponseWriter

# -- the head --------------------------------------------------------------------------


def test_order() -> None:
    """uvicorn's: date, server, the app's in their order, then the framing."""
    headers = [(b"X-B", b"2"), (b"x-a", b"1"), (b"X-B", b"3")]
    _, head = start(201, headers, keep_alive=False)
    assert head == (
        b"HTTP/1.1 201 Created\r\n" + DATE + SERVER + b"x-b: 2\r\nx-a: 1\r\nx-b: 3\r\n"
        b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    )


def test_names_are_lowered_and_values_kept() -> None:
    headers = [(b"X-One!", b""), (b"ETag", b' "A" '), (b"X", b"\t\x80\xff~")]
    _, head = start(200, headers)
    assert lines(head)[1:4] == [b"x-one!: ", b'etag:  "A" ', b"x: \t\x80\xff~"]


def test_the_defaults_may_be_empty() -> None:
    headers = [(b"content-length", b"0")]
    expected = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    assert start(200, headers, defaults=b"", date_size=0)[1] == expected


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_own_date_replaces_ours(place: int) -> None:
    headers = [(b"x", b"y"), (b"content-length", b"0")]
    headers.insert(place, (b"Date", b"today"))
    _, head = start(200, headers)
    own = b"".join(b"%s: %s\r\n" % (name.lower(), value) for name, value in headers)
    assert head == b"HTTP/1.1 200 OK\r\n" + SERVER + own + b"\r\n"


def test_an_own_date_without_ours() -> None:
    headers = [(b"date", b"today"), (b"content-length", b"0")]
    _, head = start(200, headers, defaults=SERVER, date_size=0)
    expected = b"date: today\r\ncontent-length: 0\r\n\r\n"
    assert head == b"HTTP/1.1 200 OK\r\n" + SERVER + expected


def test_names_like_those_that_frame() -> None:
    headers = [
        (b"dat_", b"1"),
        (b"xate", b"1"),
        (b"connectio_", b"close"),
        (b"content-lengtx", b"x"),
        (b"transfer-encodinx", b"x"),
    ]
    writer, head = start(200, headers)
    assert writer.keep_alive
    assert lines(head)[1:] == [
        *(b"%s: %s" % header for header in headers),
        b"transfer-encoding: chunked",
    ]


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status(status: int) -> None:
    _, head = start(status)
    line, _, _ = head.partition(b"\r\n")
    version, code, *phrase = line.decode("ascii").split(" ", 2)
    assert (version, code) == ("HTTP/1.1", str(status))
    # RFC 9112 4: the blank is there without a phrase too.
    known = {s.value: s.phrase for s in http.HTTPStatus}
    if status in (200, 204, 301, 304, 400, 404, 429, 500, 503):
        assert phrase == [known[status]]
    assert len(phrase) == 1 and bool(phrase[0]) >= (status in known)


@pytest.mark.parametrize("size", [0, 1, 3900, 3980, 4000, 4096, 5000, 200_000])
def test_large_heads(size: int) -> None:
    """Over 4096 bytes a head is built elsewhere, and is the same."""
    value = bytes(range(0x20, 0x7F)) * (size // 95 + 1)
    headers = [(b"x", value[:size].strip()), (b"Date", b"d"), (b"y", b"z")]
    writer, head = start(200, headers)
    expected = b"".join(b"%s: %s\r\n" % (name.lower(), v) for name, v in headers)
    framing = b"transfer-encoding: chunked\r\n\r\n"
    assert head == b"HTTP/1.1 200 OK\r\n" + SERVER + expected + framing
    assert writer.keep_alive


def test_many_headers() -> None:
    headers = [(b"X-%d" % n, b"v" * (n % 50)) for n in range(3000)]
    _, head = start(200, headers)
    assert lines(head)[1:-1] == [
        b"x-%d: %s" % (n, v) for n, (_, v) in enumerate(headers)
    ]


# -- containers and types --------------------------------------------------------------


PAIRS = [(b"X-A", b"1"), (b"content-length", b"2"), (b"x-b", b"")]


class Pairs:
    def __iter__(self) -> Any:
        return iter(PAIRS)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PAIRS,
        lambda: tuple(PAIRS),
        lambda: iter(PAIRS),
        lambda: (pair for pair in PAIRS),
        lambda: [list(pair) for pair in PAIRS],
        lambda: tuple(list(pair) for pair in PAIRS),
        lambda: [iter(pair) for pair in PAIRS],
        lambda: dict(PAIRS).items(),
        lambda: Pairs(),
        lambda: [(bytearray(name), bytearray(value)) for name, value in PAIRS],
        lambda: [(memoryview(name), memoryview(value)) for name, value in PAIRS],
        lambda: [(Bytes(name), Bytes(value)) for name, value in PAIRS],
        lambda: [PAIRS[0], [bytearray(b"content-length"), b"2"], PAIRS[2]],
    ],
)
def test_containers_of_headers(make: Callable[[], Any]) -> None:
    writer, head = start(200, make())
    assert lines(head)[1:] == [b"x-a: 1", b"content-length: 2", b"x-b: "]
    assert writer.body(head, b"ab", False) == head + b"ab"


def test_an_empty_container() -> None:
    for headers in ([], (), iter(()), {}):
        _, head = start(204, headers)
        assert lines(head) == [b"HTTP/1.1 204 No Content"]


@pytest.mark.parametrize(
    "headers",
    [
        None,
        5,
        b"ab",
        [None],
        [()],
        [b"ab"],
        ["ab"],
        [(b"a",)],
        [(b"a", b"b", b"c")],
        [(b"a", "b")],
        [("a", b"b")],
        [(b"a", None)],
        [(b"a", 5)],
        [(5, b"a")],
        [(b"a", [b"b"])],
        {b"ab": b"cd", b"efg": b"h"},
        [(b"good", b"1"), ("bad", b"2")],
    ],
)
def test_headers_of_wrong_types(headers: Any) -> None:
    with pytest.raises(RuntimeError, match="Response headers must be pairs of bytes: "):
        start(200, headers)


@pytest.mark.parametrize("status", [http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND])
def test_a_status_of_the_standard_library(status: http.HTTPStatus) -> None:
    assert start(status)[1] == start(status.value)[1]


@pytest.mark.parametrize(
    "status",
    [99, 600, 0, -1, -200, 2**31, 2**63, 2**100, True, False, None, "200", b"200"]
    + [200.0, [200], "OK"],
)
def test_a_status_that_is_none(status: Any) -> None:
    with pytest.raises(
        RuntimeError, match="Response status must be an int from 100 to"
    ):
        start(status)


# -- what may not be in a header -------------------------------------------------------


CONTROLS = sorted({*range(0x20), 0x7F} - {0x09})


@pytest.mark.parametrize("byte", CONTROLS)
def test_control_bytes_in_values(byte: int) -> None:
    for size in (0, 1, 3, 4, 7, 8, 9, 20, 5000):
        for at in {0, size // 2, size}:
            value = b"v" * at + bytes([byte]) + b"v" * (size - at)
            with pytest.raises(RuntimeError, match=r"^Invalid HTTP header value\.$"):
                start(200, [(b"a", b"b"), (b"x", value)])


def test_bytes_in_names() -> None:
    token = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
    for byte in range(256):
        for name in (
            b"%c",
            b"x%c",
            b"%cx",
            b"x-long-name%cx",
            b"x-long-%cname-and-more",
        ):
            name = name % byte
            if bytes([byte]).lower() in token:
                assert lines(start(200, [(name, b"v")])[1])[1] == name.lower() + b": v"
                continue
            with pytest.raises(RuntimeError, match=r"^Invalid HTTP header name\.$"):
                start(200, [(name, b"v")])


def test_an_empty_name() -> None:
    with pytest.raises(RuntimeError, match="Invalid HTTP header name"):
        start(200, [(b"", b"v")])


@pytest.mark.parametrize(
    "value", [b"a\r\nSet-Cookie: b", b"a\nb", b"a\rb", b"a\0b", b"\r\n\r\n<html>"]
)
def test_a_response_is_never_split(value: bytes) -> None:
    """CVE-2020-7695."""
    for headers in (
        [(b"x", value)],
        [(value, b"x")],
        [(b"Location", bytearray(value))],
    ):
        with pytest.raises(RuntimeError, match="Invalid HTTP header"):
            start(302, headers)


# -- the connection --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "keep_alive"),
    [
        (b"close", False),
        (b"Close", False),
        (b"keep-alive, close", False),
        (b"close , x", False),
        (b"keep-alive", True),
        (b"upgrade", True),
        (b"xclose", True),
        (b"closed", True),
        (b"", True),
    ],
)
def test_an_own_connection_header(value: bytes, keep_alive: bool) -> None:
    headers = [(b"Connection", value), (b"content-length", b"0")]
    writer, head = start(200, headers)
    assert writer.keep_alive == keep_alive
    # It is said once.
    assert lines(head)[1:] == [b"connection: " + value, b"content-length: 0"]


def test_a_connection_that_closes_says_so() -> None:
    writer, head = start(200, [(b"content-length", b"0")], keep_alive=False)
    assert not writer.keep_alive
    assert lines(head)[1:] == [b"content-length: 0", b"connection: close"]
    headers = [(b"connection", b"close"), (b"content-length", b"0")]
    _, head = start(200, headers, keep_alive=False)
    assert head.count(b"close") == 1


def test_one_writer_writes_one_answer_after_the_other() -> None:
    writer = ResponseWriter()
    first = ([(b"connection", b"close")], True, False)
    second = ([(b"content-length", b"2")], False, True)
    for headers, http10, keep_alive in (first, second, first, second):
        fresh, expected = start(200, headers, http10=http10)
        head = writer.start(200, headers, DATE + SERVER, len(DATE), http10, False, True)
        assert head == expected
        assert writer.keep_alive == fresh.keep_alive == keep_alive
        assert writer.until_close == fresh.until_close == http10
        assert writer.body(head, b"ab", False) == fresh.body(head, b"ab", False)

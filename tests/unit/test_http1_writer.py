"""The HTTP/1.1 response writer: heads, framing, bodies, and what it refuses.

Every answer that is written whole is read back with h11, which is not lenient.
"""

from __future__ import annotations

import array
import http
from collections.abc import Iterable
from typing import Any

import h11
import pytest

from fastserve.protocols.http1_writer import ResponseWriter

DATE = b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
SERVER = b"server: fastserve\r\n"
SMALL = 16384  # a body up to this size goes out in one piece with what precedes it

Headers = Iterable[Any]


def start(
    status: Any = 200,
    headers: Headers = (),
    *,
    defaults: bytes = DATE + SERVER,
    date_size: int = len(DATE),
    http10: bool = False,
    to_head: bool = False,
    keep_alive: bool = True,
) -> tuple[ResponseWriter, bytes]:
    writer = ResponseWriter()
    head = writer.start(
        status, headers, defaults, date_size, http10, to_head, keep_alive
    )
    return writer, head


def lines(head: bytes) -> list[bytes]:
    """The lines of a head, without the defaults in front."""
    text, end = head[: -len(b"\r\n\r\n")], head[-len(b"\r\n\r\n") :]
    assert end == b"\r\n\r\n"
    status, date, server, *others = text.split(b"\r\n")
    assert (date + b"\r\n", server + b"\r\n") == (DATE, SERVER)
    return [status, *others]


def joined(piece: bytes | list[bytes] | None) -> bytes:
    if piece is None:
        return b""
    return piece if isinstance(piece, bytes) else b"".join(piece)


def answer(
    headers: Headers, parts: list[Any], status: int = 200, **request: bool
) -> bytes:
    """All bytes of an answer with these parts of a body."""
    writer, head = start(status, headers, **request)
    waiting: bytes | None = head
    out = b""
    for part in parts[:-1]:
        out += joined(writer.body(waiting, part, True))
        waiting = None
    return out + joined(writer.body(waiting, parts[-1], False))


def by_h11(
    data: bytes, method: str = "GET", closed: bool = False
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body as h11 reads them; nothing may be left over."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    if closed:
        client.receive_data(b"")
    event = client.next_event()
    assert isinstance(event, h11.Response)
    body = b""
    while not isinstance(part := client.next_event(), h11.EndOfMessage):
        assert isinstance(part, h11.Data), part
        body += part.data
    assert client.trailing_data[0] == b""
    headers = [(bytes(name), bytes(value)) for name, value in event.headers]
    return event.status_code, headers, body


# -- the head -------------------------------------------------------------------------


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


# -- containers and types -------------------------------------------------------------

PAIRS = [(b"X-A", b"1"), (b"content-length", b"2"), (b"x-b", b"")]


class Pairs:
    def __iter__(self) -> Any:
        return iter(PAIRS)


class Bytes(bytes):
    pass


@pytest.mark.parametrize(
    "headers",
    [
        PAIRS,
        tuple(PAIRS),
        iter(PAIRS),
        (pair for pair in PAIRS),
        [list(pair) for pair in PAIRS],
        tuple(list(pair) for pair in PAIRS),
        [iter(pair) for pair in PAIRS],
        dict(PAIRS).items(),
        Pairs(),
        [(bytearray(name), bytearray(value)) for name, value in PAIRS],
        [(memoryview(name), memoryview(value)) for name, value in PAIRS],
        [(Bytes(name), Bytes(value)) for name, value in PAIRS],
        [PAIRS[0], [bytearray(b"content-length"), b"2"], PAIRS[2]],
    ],
)
def test_containers_of_headers(headers: Any) -> None:
    writer, head = start(200, headers)
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


# -- what may not be in a header ------------------------------------------------------

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


# -- framing --------------------------------------------------------------------------


@pytest.mark.parametrize("http10", [False, True])
def test_a_body_of_known_length(http10: bool) -> None:
    writer, head = start(200, [(b"Content-Length", b"5")], http10=http10)
    assert lines(head) == [b"HTTP/1.1 200 OK", b"content-length: 5"]
    assert writer.keep_alive and not writer.until_close
    assert writer.body(head, b"he", True) == head + b"he"
    assert writer.body(None, b"llo", False) == b"llo"


def test_a_body_in_chunks() -> None:
    writer, head = start()
    assert lines(head) == [b"HTTP/1.1 200 OK", b"transfer-encoding: chunked"]
    assert writer.keep_alive and not writer.until_close
    assert writer.body(head, b"hello", True) == head + b"5\r\nhello\r\n"
    assert writer.body(None, b"x" * 26, True) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert writer.body(None, b"", True) is None
    assert writer.body(None, b"!", False) == b"1\r\n!\r\n0\r\n\r\n"


def test_a_body_that_ends_with_the_connection() -> None:
    """RFC 9112 6.1: no chunks for 1.0."""
    writer, head = start(http10=True)
    assert lines(head) == [b"HTTP/1.1 200 OK", b"connection: close"]
    assert writer.until_close and not writer.keep_alive
    assert writer.body(head, b"hello", True) == head + b"hello"
    assert writer.body(None, b"", False) is None


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked"])
def test_an_own_coding(coding: bytes) -> None:
    headers = [(b"Transfer-Encoding", coding), (b"x", b"y")]
    writer, head = start(200, headers)
    assert lines(head)[1:] == [b"x: y", b"transfer-encoding: chunked"]
    assert writer.body(head, b"a", False) == head + b"1\r\na\r\n0\r\n\r\n"
    writer, head = start(200, headers, http10=True)
    assert lines(head)[1:] == [b"x: y", b"connection: close"]
    assert writer.body(head, b"a", False) == head + b"a"
    # The same twice says no more.
    assert lines(start(200, [headers[0]] * 2)[1])[1:] == [b"transfer-encoding: chunked"]


NO_BODY = [100, 101, 102, 103, 199, 204, 304]


@pytest.mark.parametrize("status", NO_BODY)
@pytest.mark.parametrize("http10", [False, True])
def test_answers_that_have_no_body(status: int, http10: bool) -> None:
    writer, head = start(status, http10=http10)
    assert b"transfer-encoding" not in head and b"content-length" not in head
    assert not writer.until_close
    assert writer.keep_alive == (status >= 200)
    assert writer.body(head, b"dropped", True) == head
    assert writer.body(None, b"dropped" * 5000, True) is None
    assert writer.body(None, b"", False) is None


@pytest.mark.parametrize("status", NO_BODY)
def test_framing_headers_on_them(status: int) -> None:
    """RFC 9110 8.6 and RFC 9112 6.1; without an error, as frameworks send them."""
    both = [(b"content-length", b"5"), (b"x", b"y"), (b"transfer-encoding", b"chunked")]
    kept = [b"content-length: 5"] if status == 304 else []
    writer, head = start(status, both)
    assert [line for line in lines(head)[1:] if line != b"connection: close"] == [
        *kept,
        b"x: y",
    ]
    assert writer.body(head, b"", False) == head


@pytest.mark.parametrize("http10", [False, True])
def test_the_answer_to_head(http10: bool) -> None:
    headers = [(b"content-length", b"5")]
    writer, head = start(200, headers, to_head=True, http10=http10)
    assert lines(head)[1:] == [b"content-length: 5"]
    assert writer.keep_alive and not writer.until_close
    # RFC 9110 9.3.2: with or without the body, the head of a GET is right.
    assert writer.body(head, b"hello", True) == head
    assert writer.body(None, b"x" * 20000, True) is None
    assert writer.body(None, b"", False) is None
    writer, head = start(200, to_head=True, http10=http10)
    assert lines(head)[1:] == []
    assert writer.keep_alive and not writer.until_close
    assert writer.body(head, b"hello", False) == head


def test_a_length_and_a_coding() -> None:
    both = [(b"content-length", b"5"), (b"transfer-encoding", b"chunked")]
    for headers in (both, both[::-1]):
        for http10 in (False, True):
            with pytest.raises(RuntimeError, match="exclude each other"):
                start(200, headers, http10=http10)


@pytest.mark.parametrize(
    "coding",
    [b"", b"gzip", b"identity", b"gzip, chunked", b"chunked, gzip", b"chunked "],
)
def test_other_codings(coding: bytes) -> None:
    for http10 in (False, True):
        with pytest.raises(RuntimeError, match="Transfer-Encoding must be chunked"):
            start(200, [(b"Transfer-Encoding", coding)], http10=http10)


# -- Content-Length -------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [b"", b"a", b"-1", b"+1", b"1.0", b"0x1", b"1 1", b"1,1", b"1_0", b"1" * 30]
    + [b"\xb2", b"9999999999999999999"],
)
def test_a_length_that_is_no_number(value: bytes) -> None:
    with pytest.raises(RuntimeError, match="Content-Length must be a decimal number"):
        start(200, [(b"Content-Length", value)])


def test_two_lengths() -> None:
    same = [(b"content-length", b"5"), (b"x", b"y"), (b"Content-Length", b"5")]
    writer, head = start(200, same)
    assert lines(head)[1:] == [b"content-length: 5", b"x: y"]
    assert writer.body(head, b"hello", False) == head + b"hello"
    for other in (b"6", b"50", b"0"):
        with pytest.raises(RuntimeError, match="Two Content-Length headers differ"):
            start(200, [(b"content-length", b"5"), (b"content-length", other)])


@pytest.mark.parametrize(
    "parts", [[b"hello!"], [b"hell", b"o!"], [b"hello", b"!"], [b"", b"x" * 20000]]
)
def test_a_body_longer_than_its_length(parts: list[bytes]) -> None:
    writer, head = start(200, [(b"content-length", b"5")])
    for part in parts[:-1]:
        writer.body(head, part, True)
    with pytest.raises(RuntimeError, match="content longer than Content-Length"):
        writer.body(None, parts[-1], True)


@pytest.mark.parametrize("parts", [[b"hell"], [b""], [b"he", b"ll"], [b"hell", b""]])
def test_a_body_shorter_than_its_length(parts: list[bytes]) -> None:
    writer, head = start(200, [(b"content-length", b"5")])
    for part in parts[:-1]:
        writer.body(head, part, True)
    with pytest.raises(RuntimeError, match="content shorter than Content-Length"):
        writer.body(None, parts[-1], False)


def test_length_zero() -> None:
    writer, head = start(200, [(b"content-length", b"0")])
    assert writer.body(head, b"", False) == head
    writer, head = start(200, [(b"content-length", b"000")])
    with pytest.raises(RuntimeError, match="longer"):
        writer.body(head, b"x", False)


def test_a_length_over_32_bits() -> None:
    writer, head = start(200, [(b"content-length", b"123456789012345678")])
    assert writer.body(head, b"x", True) == head + b"x"
    with pytest.raises(RuntimeError, match="shorter"):
        writer.body(None, b"x", False)


# -- the connection -------------------------------------------------------------------


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


# -- bodies ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"abcdef",
        bytearray(b"abcdef"),
        memoryview(b"abcdef"),
        memoryview(b"a-b-c-d-e-f-")[::2],
        memoryview(array.array("H", [25185, 25699, 26213])),
        Bytes(b"abcdef"),
    ],
)
def test_kinds_of_body(data: Any) -> None:
    for headers in ([], [(b"content-length", b"6")]):
        assert by_h11(answer(headers, [data]))[2] == b"abcdef"


@pytest.mark.parametrize(
    "data", ["text", None, 5, [b"a"], [97], array.array("B", b"a")]
)
def test_no_kinds_of_body(data: Any) -> None:
    for request in ({}, {"to_head": True}):
        writer, head = start(200, **request)
        name = type(data).__name__
        with pytest.raises(RuntimeError, match=f"body must be bytes, not {name}"):
            writer.body(head, data, False)


def test_what_is_written_does_not_change_with_the_buffer() -> None:
    data = bytearray(b"x" * 20000)
    writer, head = start()
    pieces = writer.body(head, data, False)
    data[:] = b"y" * 20000
    assert b"y" not in joined(pieces).partition(b"\r\n\r\n")[2]


def test_a_large_body_is_not_copied() -> None:
    data = b"x" * 20000
    writer, head = start(200, [(b"content-length", b"20000")])
    assert writer.body(head, data, False) == [head, data]
    for headers in ([], [(b"content-length", b"40000")]):
        writer, head = start(200, headers)
        writer.body(head, data, True)
        pieces = writer.body(None, data, False)
        assert any(piece is data for piece in pieces or ())


SIZES = [0, 1, 9, 10, 15, 16, 255, 256, SMALL - 1, SMALL, SMALL + 1, 65536, 100_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("last", [b"", b"end"])
def test_h11_reads_what_is_written(size: int, last: bytes) -> None:
    """Small bodies and large ones, which take two ways, in every framing."""
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    body = data + data + last
    parts = [data, b"", data, last]
    length = (b"content-length", b"%d" % len(body))
    assert by_h11(answer([], parts))[2] == body
    assert by_h11(answer([length], parts))[2] == body
    assert by_h11(answer([], [body]))[2] == body
    assert by_h11(answer([length], [body]))[2] == body
    assert by_h11(answer([], parts, http10=True), closed=True)[2] == body
    assert by_h11(answer([length], parts, to_head=True), method="HEAD")[2] == b""
    assert by_h11(answer([], parts, status=304))[2] == b""


def test_h11_reads_the_headers() -> None:
    headers = [(b"X-A", b"1"), (b"set-cookie", b"a"), (b"set-cookie", b"b")]
    status, seen, _ = by_h11(answer(headers, [b""], status=404))
    assert status == 404
    assert seen[2:] == [
        (b"x-a", b"1"),
        (b"set-cookie", b"a"),
        (b"set-cookie", b"b"),
        (b"transfer-encoding", b"chunked"),
    ]

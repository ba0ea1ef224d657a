"""The HTTP/1.1 response writer: bodies, and how they are framed.

Every answer that is written whole is read back with h11.
"""

from __future__ import annotations

import array
from typing import Any

import pytest
from _answers import SMALL, Bytes, answer, by_h11, joined, lines, start

# -- framing ---------------------------------------------------------------------------


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


# -- Content-Length --------------------------------------------------------------------


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


# -- bodies ----------------------------------------------------------------------------


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

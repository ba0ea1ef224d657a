"""The HTTP/1.1 request parser: its limits.

A request line over its limit is refused with 414, fields over theirs with 431, and
whatever else a peer could send without end with 400.
"""

from __future__ import annotations

import pytest
from _messages import BODY, COMPLETE, FAILED, HEAD, START, chunked, cuts, head, read

from fastserve.protocols.http1 import (
    DEF_LIMIT_FIELDS,
    DEF_LIMIT_HEAD,
    DEF_LIMIT_LINE,
    RequestParser,
)


def post(size: int) -> bytes:
    line = b"POST / HTTP/1.1"
    return head(b"Content-Length: %d" % size, line=line) + b"x" * size


def outcome(reads: list[bytes], **limits: int) -> int:
    """The status of the refusal, or 0: complete."""
    parser = RequestParser(**limits)
    for data in reads:
        parser.feed(data)
    assert parser.phase in (COMPLETE, FAILED)
    return parser.status


def test_default_limits() -> None:
    assert DEF_LIMIT_LINE >= 8000  # RFC 9112 3: the least to be taken
    assert DEF_LIMIT_HEAD >= 65536
    assert DEF_LIMIT_FIELDS >= 100
    path = b"/" * (DEF_LIMIT_LINE - len(b"GET  HTTP/1.1"))
    assert outcome([head(line=b"GET %s HTTP/1.1" % path)]) == 0
    assert outcome([head(line=b"GET %s/ HTTP/1.1" % path)]) == 414
    fields = [b"X: y"] * (DEF_LIMIT_FIELDS - 1)
    assert outcome([head(*fields)]) == 0
    assert outcome([head(*fields, b"X: y")]) == 431
    room = DEF_LIMIT_HEAD - len(b"Host: a\r\n" + b"X: \r\n")
    assert outcome([head(b"X: " + b"v" * room)]) == 0
    assert outcome([head(b"X: " + b"v" * room + b"v")]) == 431


@pytest.mark.parametrize("method", [b"PUT", b"XYZ", b"OPTIONS", b"x" * 30])
@pytest.mark.parametrize("target", [b"/", b"/a?b", b"/" * 40, b"http://a/"])
def test_the_limit_of_the_request_line(method: bytes, target: bytes) -> None:
    """Without its CR LF."""
    line = b"%s %s HTTP/1.1" % (method, target)
    data = head(line=line)
    for more, status in ((0, 0), (1, 0), (-1, 414), (-len(target), 414)):
        limit = len(line) + more
        assert outcome([data], limit_line=limit) == status
        for reads in cuts(data):
            assert outcome(reads, limit_line=limit) == status


@pytest.mark.parametrize("start", [b"", b"\r\n", b"GET /", b"XYZ /", b"GET http://a/?"])
def test_a_line_that_never_ends_is_refused_early(start: bytes) -> None:
    parser = RequestParser(limit_line=500)
    parser.feed(start + b"x")
    fed = 0
    while parser.phase in (START, HEAD):
        fed += parser.feed(b"x" * 100)
    assert parser.status == 414
    assert fed <= 600


def test_the_limit_of_all_fields() -> None:
    # A field counts with ": " and CR LF, as it would be written.
    fields = [b"Ab:%s" % (b"v" * 10), b"C: d", b"E:"]
    size = len(b"Host: a\r\nAb: vvvvvvvvvv\r\nC: d\r\nE: \r\n")
    data = head(*fields)
    for limit, status in ((size, 0), (size - 1, 431), (20, 431), (1, 431)):
        assert outcome([data], limit_head=limit) == status
        assert all(outcome(reads, limit_head=limit) == status for reads in cuts(data))


def test_a_field_that_never_ends_is_refused_early() -> None:
    for endless in (b"N", b"X: v"):
        parser = RequestParser(limit_head=1000)
        parser.feed(b"GET / HTTP/1.1\r\nHost: a\r\n" + endless)
        fed = 0
        while parser.phase == HEAD:
            fed += parser.feed(b"x" * 100)
        assert parser.status == 431
        assert fed <= 1100


def test_the_limit_of_the_number_of_fields() -> None:
    data = head(b"A: b", b"C: d")
    assert outcome([data], limit_fields=3) == 0
    assert outcome([data], limit_fields=2) == 431
    assert all(outcome(reads, limit_fields=2) == 431 for reads in cuts(data))


def test_each_message_has_its_limits_for_itself() -> None:
    data = head(b"X: " + b"v" * 70, line=b"GET /aaaaaaaaaa HTTP/1.1")
    parser = RequestParser(limit_line=24, limit_head=90, limit_fields=2)
    for reads in ([data] * 20, [data[:50], data[50:]] * 20):
        messages, end = read(reads, parser)
        assert len(messages) == 20
        assert end.phase == START


@pytest.mark.parametrize("before", [head(), post(200_000), head() * 8000])
@pytest.mark.parametrize("cut", [1, 4, 5, 12, 20, 40])
def test_what_came_before_it_in_a_read_is_no_part_of_a_head(
    before: bytes, cut: int
) -> None:
    last = head(b"X: y", line=b"GET /next HTTP/1.1")
    messages, end = read([before + last[:cut], last[cut:]])
    assert end.phase == START, end
    assert messages[-1].path == "/next"


@pytest.mark.parametrize(
    "start",
    [b"GET ", b"XYZ ", b"GET / ", b"GET / HTTP/1.1\r\nX:", b"GET / HTTP/1.1\r\nX: v"],
)
def test_blanks_without_end(start: bytes) -> None:
    """They are in no token, and still come to an end."""
    parser = RequestParser(limit_line=500, limit_head=1000)
    parser.feed(start)
    fed = 0
    while parser.phase == HEAD:
        fed += parser.feed(b" " * 100)
    assert parser.status in (400, 431)
    assert fed <= 2200
    assert 0 < parser.offset <= 100


def test_empty_lines_without_end() -> None:
    parser = RequestParser(limit_line=500)
    fed = 0
    while parser.phase < BODY:
        fed += parser.feed(b"\r\n" * 50)
    assert parser.status == 400
    assert fed <= 600
    assert 0 < parser.offset <= 100
    assert outcome([b"\r\n" * 250 + head()], limit_line=500) == 0


def test_chunk_extensions_are_bounded() -> None:
    """llhttp takes any number of them (CVE-2024-22019)."""
    chunk = b"1;a=%s\r\nx\r\n"
    assert read([chunked(chunk % (b"b" * 16000) + b"0\r\n\r\n")])[1].phase == START
    for body in (
        chunk % (b"b" * 16400),
        b"1;" + b"b" * 16400 + b"\r\nx\r\n",
        b'1;a="' + b"b" * 16400 + b'"\r\nx\r\n',
        b"1;" + b";b=c" * 8300 + b"\r\nx\r\n",
        (chunk % (b"b" * 100)) * 170,
    ):
        for step in (len(body), 1000):
            parser = RequestParser()
            parser.feed(chunked(b""))
            for at in range(0, len(body), step):
                parser.feed(body[at : at + step])
            assert (parser.phase, parser.status) == (FAILED, 400)


def test_empty_lines_count_anew_before_each_request() -> None:
    reads = [b"\r\n" * 20, head()] * 10
    messages, end = read(reads, RequestParser(limit_line=60))
    assert len(messages) == 10 and end.phase == START


@pytest.mark.parametrize(
    ("extensions", "is_good"),
    [
        (b";" + b"a" * 16383, True),
        (b";" + b"a" * 16384, False),
        (b";a=" + b"b" * 16382, True),
        (b";a=" + b"b" * 16383, False),
        (b";a" * 8192, True),
        (b";a" * 8193, False),
    ],
)
def test_the_bound_of_extensions_however_they_are_cut(
    extensions: bytes, is_good: bool
) -> None:
    data = chunked(b"1%s\r\nx\r\n0\r\n\r\n" % extensions)
    singles = [data[at : at + 1] for at in range(len(data))]
    for reads in ([data], singles):
        assert (read(reads)[1].phase == START) == is_good


def test_each_body_has_its_extensions_for_itself() -> None:
    data = chunked(b"1;a=%s\r\nx\r\n0\r\n\r\n" % (b"b" * 10_000))
    messages, end = read([data * 5])
    assert len(messages) == 5 and end.phase == START


def test_chunk_extensions_without_end() -> None:
    parser = RequestParser()
    parser.feed(chunked(b"1;a"))
    fed = 0
    while parser.phase == BODY:
        fed += parser.feed(b"a" * 1000)
    assert fed <= 18000


def test_trailers_are_bounded() -> None:
    end = b"0\r\n%s\r\n"
    for trailers, limits in (
        (b"A: b\r\n" * 3, {"limit_fields": 4}),
        (b"A: " + b"b" * 50 + b"\r\n", {"limit_head": 80}),
        (b"A" * 50 + b": b\r\n", {"limit_head": 80}),
    ):
        data = chunked(end % trailers)
        assert outcome([data]) == 0
        assert all(outcome(reads, **limits) == 431 for reads in cuts(data))
    assert outcome([chunked(end % (b"A: b\r\n" * 2))], limit_fields=4) == 0

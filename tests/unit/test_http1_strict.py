"""The HTTP/1.1 request parser: what it refuses, and bytes at random.

A case is one line with its reason for being here: requests are smuggled where two
readers of the same bytes differ, so whatever RFC 9112 does not allow is refused.
"""

from __future__ import annotations

import random

import pytest
from _messages import (
    BODY,
    FAILED,
    HEAD,
    START,
    chunked,
    cuts,
    head,
    mutations,
    read,
    refused,
)

from fastserve.protocols.http1 import RequestParser

FIELDS = b"\r\nHost: a\r\n\r\n"


def post(*fields: bytes) -> bytes:
    return head(*fields, line=b"POST / HTTP/1.1") + b"5\r\nhello\r\n0\r\n\r\n"


REQUEST_LINES = [
    # Methods: a token, and one blank behind it.
    b"",
    b" ",
    b"\0",
    b" GET / HTTP/1.1",
    b"GET",
    b"GET\t/ HTTP/1.1",
    b"G@T / HTTP/1.1",
    b"(GET / HTTP/1.1",
    b"G\xc3T / HTTP/1.1",
    b"G\0T / HTTP/1.1",
    b"GET, / HTTP/1.1",
    # Before them: empty lines, whole ones (RFC 9112 2.2).
    b"\rGET / HTTP/1.1",
    b"\nGET / HTTP/1.1",
    b"\r\r\nGET / HTTP/1.1",
    b"\r\n\nGET / HTTP/1.1",
    b"\r\n\rGET / HTTP/1.1",
    b"\r\n GET / HTTP/1.1",
    b"HTTP/1.1 200 OK",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    # Blanks: exactly one between the parts, none behind the last.
    b"GET  / HTTP/1.1",
    b"GET \t/ HTTP/1.1",
    b"GET /  HTTP/1.1",
    b"GET /\tHTTP/1.1",
    b"GET / \tHTTP/1.1",
    b"GET / HTTP/1.1 ",
    b"GET / HTTP/1.1\t",
    b"GET / HTTP/1.1\r",
    b"GET / HTTP/1.1\n",
    b"GET / / HTTP/1.1",
    b"GET /a b HTTP/1.1",
    b"XYZ  / HTTP/1.1",
    b"XYZ /  HTTP/1.1",
    # Versions: HTTP/1.0 and HTTP/1.1, to the letter.
    b"GET /",
    b"GET / ",
    b"GET HTTP/1.1",
    b"GET / HTTP",
    b"GET / HTTP/",
    b"GET / HTTP/1",
    b"GET / HTTP/1.",
    b"GET / HTTP/11",
    b"GET / HTTP/0.9",
    b"GET / HTTP/1.2",
    b"GET / HTTP/1.10",
    b"GET / HTTP/01.1",
    b"GET / HTTP/2.0",
    b"GET / HTTP/3.0",
    b"GET / http/1.1",
    b"GET / HTTPS/1.1",
    b"GET / RTSP/1.0",
    b"SOURCE / ICE/1.0",
    b"OPTIONS * RTSP/1.0",
    b"PRI * HTTP/2.0",  # the preface of HTTP/2
    # Targets: origin, absolute and, for OPTIONS, asterisk form.
    b"CONNECT a:443 HTTP/1.1",
    b"CONNECT / HTTP/1.1",
    b"CONNECT http://a/ HTTP/1.1",
    b"GET a:80 HTTP/1.1",
    b"GET a HTTP/1.1",
    b"GET ?a HTTP/1.1",
    b"GET * HTTP/1.1",
    b"M-SEARCH * HTTP/1.1",
    b"OPTIONS ** HTTP/1.1",
    b"OPTIONS */ HTTP/1.1",
    b"OPTIONS *?a HTTP/1.1",
    b"GET http:/a HTTP/1.1",
    b"GET http:// HTTP/1.1",
    b"GET http:///a HTTP/1.1",
    b"GET http://:80/ HTTP/1.1",
    b"GET http://u@a/ HTTP/1.1",
    b"GET http://a b/ HTTP/1.1",
    b"GET http://a:b/ HTTP/1.1",
    b"GET http://[::1/ HTTP/1.1",
    b"GET http://a#b HTTP/1.1",
    b"GET ftp://a/ HTTP/1.1",
    b"GET ws://a/ HTTP/1.1",
    b"GET /a#b HTTP/1.1",
    b"GET /?a#b HTTP/1.1",
    b"GET /\xc3\xa9 HTTP/1.1",
    b"GET /?\xff HTTP/1.1",
    b"GET /\0 HTTP/1.1",
    b"GET /\x01 HTTP/1.1",
    b"GET /\x1b[0m HTTP/1.1",
    b"GET /\x7f HTTP/1.1",
    b"GET /\r/ HTTP/1.1",
]

HOSTS = [
    b"a b", b"a/b", b"/", b"a?b", b"a#b", b"u@a", b"a\\b", b"a\tb", b"a:b", b"a:-1",
    b"a:65536", b"a:80:80", b"::1", b"[::1", b"::1]", b"[::1]x", b"[a]", b"[]",
    b"[fe80::1%25eth0]", b"%4", b"%zz", b"\xc3\xa9", b"a\xa0", b'"a"', b"<a>", b"a, b",
]  # fmt: skip

CODINGS = [
    b"identity", b"gzip", b"gzip, chunked", b"identity, chunked", b"chunked, identity",
    b"chunked, chunked", b"chunked,", b",chunked", b"chunked;q=1", b'"chunked"',
    b"xchunked", b"chunkedx", b"chunke", b"chunked\0", b"\x0bchunked", b"",
    b"chunked chunked", b"\xe7hunked",
]  # fmt: skip

LENGTHS = [
    b"", b"+5", b"-5", b"0x5", b"5_0", b"5;", b"5.0", b"5,", b"5, 5", b"5 5", b"a",
    b"1e1", b"\xd9\xa5", b"5\x0b", b"9" * 30, b"18446744073709551616",
]  # fmt: skip

FIELD_LINES = [
    b"Host : a",
    b"X : y",
    b"X\t: y",
    b" X: y",
    b"\tX: y",
    b": y",
    b":",
    b"X",
    b"X Y: z",
    b"X\0: y",
    b"X\x7f: y",
    b"X\xe9: y",
    b"(X): y",
    b"X@Y: z",
    b'"X": y',
    b"X[]: y",
    b"X{}: y",
    b"X/Y: z",
    b"X\\: y",
    b"X: a\r\n b",  # obs-fold (RFC 9112 5.2)
    b"X: a\r\n\tb",
    b"X:\r\n b",
    b"Transfer-Encoding:\r\n chunked",
    b"Content-Length:\r\n 5",
    b"Content-Length : 5",
    b"Transfer-Encoding : chunked",
    # Lines end with CR LF, and neither stands alone.
    b"X: a\nY: b",
    b"X: a\rY: b",
    b"X: a\n\nGET / HTTP/1.1",
    b"X: a\r\rY: b",
    b"X\n: a",
    b"X\r: a",
]

CHUNKS = [
    b"",
    b"\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"5\t\r\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5_0\r\nhello\r\n0\r\n\r\n",
    b"g\r\nhello\r\n0\r\n\r\n",
    b"\xd9\xa5\r\nhello\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\n",
    b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    # What ends a chunk, or its line, is CR LF.
    b"5\nhello\r\n0\r\n\r\n",
    b"5\rhello\r\n0\r\n\r\n",
    b"5\r\nhelloXX0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\r\nhello\r0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"5\r\nhello!\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\n\r\n",
    b"5\r\nhello\r\n0\r\n\n",
    b"5\r\nhello\r\n0\r\n\rX",
    # Extensions, in which readers differ most.
    b"5;a=\x01\r\nhello\r\n0\r\n\r\n",
    b"5;a\0\r\nhello\r\n0\r\n\r\n",
    b'5;a="\x01"\r\nhello\r\n0\r\n\r\n',
    b'5;a="\n"\r\nhello\r\n0\r\n\r\n',
    b"5;a\nhello\r\n0\r\n\r\n",
    b"5;a=b\nhello\r\n0\r\n\r\n",
    b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    b"5;a=b\r2\r\nhello\r\n0\r\n\r\n",
    # Trailers: fields like any other, and none that frames a message.
    b"0\r\nX Y: z\r\n\r\n",
    b"0\r\nX : y\r\n\r\n",
    b"0\r\n X: y\r\n\r\n",
    b"0\r\nX: y\x01\r\n\r\n",
    b"0\r\nX: y\r\n z\r\n\r\n",
    b"0\r\nX: y\n\r\n",
    b"0\r\nX\r\n\r\n",
    b"0\r\nContent-Length: 5\r\n\r\n",
    b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
]
# The first is no body at all: cut off, and so not complete.
CHUNKS_REFUSED = CHUNKS[1:]

REFUSED = [
    *(line + FIELDS for line in REQUEST_LINES),
    *(head(host=host) for host in HOSTS),
    *(post(b"Transfer-Encoding: " + coding) for coding in CODINGS),
    *(post(b"Content-Length: " + length) for length in LENGTHS),
    *(head(line) for line in FIELD_LINES),
    *(chunked(body) for body in CHUNKS_REFUSED),
]


@pytest.mark.parametrize("data", REFUSED)
def test_refused_with_400(data: bytes) -> None:
    assert refused(data).status == 400
    # Nothing of it is taken for a request, however it comes.
    whole = read([data])
    assert whole[0] == []
    for reads in cuts(data) if len(data) < 200 else ():
        assert read(reads) == whole


@pytest.mark.parametrize(
    "data",
    [
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"),
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
        post(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
        post(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        post(b"Transfer-Encoding: x", b"Content-Length: 5"),
        post(b"Content-Length: 5", b"Transfer-Encoding: x"),
        post(b"Content-Length: 5", b"Content-Length: 5"),
        post(b"Content-Length: 5", b"Content-Length: 6"),
        post(b"Content-Length: 5", b"X: y", b"content-length: 5"),
        head(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0") + b"0\r\n\r\n",
    ],
)
def test_a_body_framed_twice_or_on_http10(data: bytes) -> None:
    """RFC 9112 6.1 and 6.3: how requests are smuggled."""
    assert refused(data).status == 400
    assert all(read(reads)[0] == [] for reads in cuts(data))


@pytest.mark.parametrize("byte", sorted({*range(0x20), 0x7F} - {0x09}))
def test_control_bytes_in_values(byte: int) -> None:
    for value in (b"%c", b"a%cb", b"a%c", b"%ca"):
        assert refused(head(b"X: " + value % byte)).status == 400
        assert refused(head(b"Connection: " + value % byte)).status == 400


def test_bytes_in_names() -> None:
    token = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
    for byte in range(256):
        messages, end = read([head(b"x%cx: y" % byte)])
        if bytes([byte]).lower() in token:
            assert messages[0].headers[1] == ((b"x%cx" % byte).lower(), b"y")
        elif byte == ord(":"):
            assert messages[0].headers[1] == (b"x", b"x: y")
        else:
            assert (messages, end.status) == ([], 400), byte


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-Host: a\r\n\r\n",
        b"GET http://a/ HTTP/1.1\r\nX: y\r\n\r\n",
        head(b"Host: a"),
        head(b"HOST: b"),
        head(b"Host:"),
        head(b"Host: a", line=b"GET / HTTP/1.0"),
        head(line=b"GET http://b/ HTTP/1.1", host=b"a b"),
    ],
)
def test_there_is_one_host(data: bytes) -> None:
    """RFC 9112 3.2: one on 1.1, at most one on 1.0, and a valid one everywhere."""
    parser = refused(data)
    assert parser.status == 400
    assert parser.reason is not None and "Host" in parser.reason


def test_what_a_refusal_tells() -> None:
    """The offset is where in the read it went wrong; a text says what did."""
    data = head(b"X: a\x01b")
    parser = refused(data)
    assert data[parser.offset] == 1
    assert parser.reason == "Invalid header value char"
    parser = refused(b"GET /a b HTTP/1.1" + FIELDS)
    assert parser.offset == len(b"GET /a ")
    parser = refused(b"G@T / HTTP/1.1" + FIELDS)
    assert parser.offset == 1
    # It counts from the start of the read, wherever the message began in that.
    parser = RequestParser()
    at = parser.feed(head() + data)
    parser.next()
    parser.feed(head() + data, at)
    assert parser.offset == at + data.index(1)
    parser = RequestParser()
    parser.feed(data[:20])
    parser.feed(data[20:])
    assert parser.offset == data.index(1) - 20


def test_a_request_behind_a_refused_one_is_not_read() -> None:
    messages, end = read([head() + b"GET / HTTP/9\r\n\r\n" + head()])
    assert len(messages) == 1
    assert end.phase == FAILED


def test_body_before_an_error_is_given() -> None:
    parser = RequestParser()
    parser.feed(chunked(b"5\r\nhello\r\n5\r\nabcdeXX"))
    assert parser.phase == FAILED
    assert parser.take_body() == b"helloabcde"


def test_an_unfinished_message_is_not_complete() -> None:
    data = chunked(b"5\r\nhello\r\n0\r\nX: y\r\n\r\n")
    for at in range(len(data)):
        messages, end = read([data[:at]])
        assert messages == []
        assert end.phase in (START, HEAD, BODY)


# -- bytes at random ------------------------------------------------------------------


def test_mutated_messages_never_raise() -> None:
    """20,000 of them, each read whole and in two; both ways say the same."""
    chance = random.Random(2)
    ended = {START: 0, HEAD: 0, BODY: 0, FAILED: 0}
    for data in mutations(20_000, seed=1):
        whole, end = read([data])
        cut = chance.randrange(len(data) + 1)
        parts, parts_end = read([data[:cut], data[cut:]])
        assert parts == whole, data
        # The reason may be another: of two faults, the first that is seen.
        assert (parts_end.phase, parts_end.status) == (end.phase, end.status), data
        ended[end.phase] += 1
        assert (end.status in (400, 414, 431)) == (end.phase == FAILED)
        for message in whole:
            assert message.method and message.path is not None
    assert min(ended.values()) > 100, ended


def test_noise_never_raises() -> None:
    chance = random.Random(3)
    for _ in range(2000):
        data = chance.randbytes(chance.randrange(200))
        parser = RequestParser()
        assert parser.feed(data) == len(data)
        assert parser.phase in (START, HEAD, FAILED)

"""Requests as bytes for the tests of the HTTP/1.1 parser, and ways to feed it them.

`read` drives a RequestParser as a connection does and returns plain values, so that
two ways to feed the same bytes can be compared. Nothing here judges what is right:
the tests do.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fastserve.protocols.http1 import RequestParser

# RequestParser.phase
START, HEAD, BODY, COMPLETE, FAILED = range(5)


def head(*fields: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"a") -> bytes:
    """A request's head: the line, a Host field, these fields, the empty line."""
    lines = [line, b"Host: " + host, *fields, b"", b""]
    return b"\r\n".join(lines)


def chunked(body: bytes) -> bytes:
    """A POST in chunks; body is everything after the head."""
    line = b"POST /chunks HTTP/1.1"
    return head(b"Transfer-Encoding: chunked", line=line) + body


BROWSER = (
    b"Connection: keep-alive",
    b"Cache-Control: max-age=0",
    b'sec-ch-ua: "Chromium";v="126", "Not?A_Brand";v="8"',
    b"sec-ch-ua-mobile: ?0",
    b'sec-ch-ua-platform: "Linux"',
    b"Upgrade-Insecure-Requests: 1",
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    b"Accept: text/html,application/xhtml+xml,*/*;q=0.8",
    b"Sec-Fetch-Site: none",
    b"Accept-Encoding: gzip, deflate, br, zstd",
    b"Accept-Language: en-US,en;q=0.9",
    b"Cookie: session=0123456789abcdef; theme=dark",
)

# What is accepted, each with one message, or several of a pipeline.
PUT = b"PUT / HTTP/1.1"
ACCEPTED: dict[str, bytes] = {
    "smallest": head(),
    "browser": head(*BROWSER, host=b"example.com:8000"),
    "http10": b"GET /old HTTP/1.0\r\n\r\n",
    "http10-keep-alive": head(b"Connection: keep-alive", line=b"GET / HTTP/1.0"),
    "head": head(line=b"HEAD /x HTTP/1.1"),
    "options-asterisk": head(line=b"OPTIONS * HTTP/1.1"),
    "any-method": head(line=b"m!#$%&'*+-.^_`|~9 /x HTTP/1.1"),
    "method-of-llhttp": head(line=b"PROPFIND /dav HTTP/1.1"),
    "query": head(line=b"GET /a%20b/%C3%A9?q=%20x&y=/?z HTTP/1.1"),
    "empty-query": head(line=b"GET /? HTTP/1.1"),
    "absolute": head(line=b"GET http://b.example:81/p?q HTTP/1.1"),
    "absolute-root": head(line=b"GET HTTPS://b.example HTTP/1.1"),
    "close": head(b"Connection: close"),
    "values": head(b"A:", b"B: ", b"C:\t x y\t ", b"D: \xe9\xff", b"E:f"),
    "case": head(b"X-ONE: 1", b"x-one: 2", b"ACCEPT: *", b"x_y.z: 3"),
    "empty-lines-before": b"\r\n\r\n\r\n" + head(),
    "expect": head(b"Expect: 100-Continue", b"Content-Length: 3", line=PUT) + b"abc",
    "length": head(b"Content-Length: 11", line=b"POST / HTTP/1.1") + b"hello\r\nGET ",
    "length-0": head(b"Content-Length: 0", line=b"POST / HTTP/1.1"),
    "length-get": head(b"Content-Length:\t004 ") + b"\0\r\n\xff",
    "chunks": chunked(b"5\r\nhello\r\nA\r\n, world!!!\r\n0\r\n\r\n"),
    "chunks-of-one": chunked(b"1\r\na\r\n1\r\n\r\r\n01\r\n\n\r\n1\r\n0\r\n00\r\n\r\n"),
    "chunks-empty": chunked(b"0\r\n\r\n"),
    "chunk-extensions": chunked(b'3;a;b=c;d="e f"\r\nabc\r\n0;last\r\n\r\n'),
    "trailers": chunked(b"1\r\nx\r\n0\r\nX-Sum: 1\r\nHost: other\r\nA:\r\n\r\n"),
    "coding-case": head(b"TRANSFER-encoding:  Chunked \t", line=b"POST / HTTP/1.1")
    + b"2\r\nhi\r\n0\r\n\r\n",
    "upgrade-websocket": head(b"Upgrade: websocket", b"Connection: x, Upgrade"),
    "upgrade-h2c-body": head(
        b"Connection: Upgrade, HTTP2-Settings",
        b"Upgrade: h2c",
        b"Content-Length: 4",
        line=b"POST /h2c HTTP/1.1",
    )
    + b"body"
    + head(line=b"GET /next HTTP/1.1"),
    "pipeline": head(line=b"GET /1 HTTP/1.1")
    + head(b"Content-Length: 2", line=b"POST /2 HTTP/1.1")
    + b"ab\r\n"
    + chunked(b"1\r\nz\r\n0\r\nT: t\r\n\r\n")
    + head(b"X: y", line=b"TRACE /4?x HTTP/1.1"),
}


@dataclass(frozen=True)
class Message:
    """One request as the parser gave it."""

    method: str | None
    path: str | None
    raw_path: bytes | None
    query_string: bytes | None
    headers: tuple[tuple[bytes, bytes], ...]
    http10: bool
    keep_alive: bool
    expect_continue: bool
    upgrade: bool
    body: bytes


@dataclass(frozen=True)
class End:
    """The parser after the last byte; status and reason if it refused."""

    phase: int
    status: int
    reason: str | None


def read(
    reads: Iterable[bytes], parser: RequestParser | None = None, forgetful: bool = False
) -> tuple[list[Message], End]:
    """Feed these reads, one after the other, and collect the complete messages.

    forgetful: as on a connection that has been idle for long before each of them.
    """
    parser = parser or RequestParser()
    messages: list[Message] = []
    body = b""
    for data in reads:
        at = 0
        if forgetful and parser.phase == START:
            parser.forget()
        while at < len(data) and parser.phase != FAILED:
            at = parser.feed(data, at)
            body += parser.take_body() or b""
            if parser.phase == COMPLETE:
                messages.append(snapshot(parser, body))
                body = b""
                parser.next()
    return messages, End(parser.phase, parser.status, parser.reason)


def snapshot(parser: RequestParser, body: bytes) -> Message:
    assert parser.headers is not None
    return Message(
        parser.method,
        parser.path,
        parser.raw_path,
        parser.query_string,
        tuple(parser.headers),
        parser.http10,
        parser.keep_alive,
        parser.expect_continue,
        parser.upgrade,
        body,
    )


def one(data: bytes) -> Message:
    """The one message that data is; it must be accepted and nothing be left."""
    messages, end = read([data])
    assert end == End(START, 0, None), end
    (message,) = messages
    return message


def refused(data: bytes, **limits: int) -> RequestParser:
    """The parser that refused data, with all that a refusal must tell."""
    parser = RequestParser(**limits)
    assert parser.feed(data) == len(data)
    assert parser.phase == FAILED, f"phase {parser.phase}: {data!r}"
    assert parser.reason and parser.reason.isascii()
    assert 0 <= parser.offset <= len(data)
    return parser


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """Every way to cut data in two, and in single bytes."""
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]
    yield [data[at : at + 1] for at in range(len(data))]


def mutations(number: int, seed: int) -> Iterator[bytes]:
    """Messages of the corpus with a few bytes changed, added or lost."""
    chance = random.Random(seed)
    corpus = list(ACCEPTED.values())
    telling = b"\r\n\0 \t:;%,/?0123f\xff"
    for _ in range(number):
        data = bytearray(chance.choice(corpus))
        for _ in range(chance.choice([1, 1, 1, 2, 4])):
            at = chance.randrange(len(data) + 1)
            kind = chance.randrange(6)
            if kind == 0:
                data[at : at + 1] = bytes([chance.choice(telling)])
            elif kind == 1:
                data[at:at] = bytes([chance.choice(telling)])
            elif kind == 2:
                del data[at : at + chance.randint(1, 8)]
            elif kind == 3:
                data[at : at + 1] = bytes([chance.randrange(256)])
            elif kind == 4:
                del data[at:]
            else:
                other = chance.choice(corpus)
                start = chance.randrange(len(other))
                data[at:at] = other[start : start + chance.randint(1, 24)]
        yield bytes(data)

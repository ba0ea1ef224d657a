"""Where requests end: here, by RFC 9112's own grammar, and by three other parsers.

Whatever is served is framed as the grammar says, and as each of h11, httptools and
aiohttp's parser that takes it too. What the grammar allows and fastserve refuses has
one of the reasons below.
"""

from __future__ import annotations

from collections.abc import Iterator

from _messages import ACCEPTED, FAILED, read
from harness import rfc9112
from harness.cases import whole_requests
from harness.oracles import framed_by_aiohttp, framed_by_httptools, read_by_h11

# Refused though the grammar of messages allows it, by what the refusal says.
STRICTER = {
    "Host field": "RFC 9112 3.2: one on HTTP/1.1, and a valid one",
    "target": "RFC 9112 3.2: the forms an origin server serves",
    "url": "RFC 9112 3.2: a target is ASCII, and has no fragment",
    "is not chunked alone": "RFC 9112 6.1: other codings are not implemented",
    "Transfer-Encoding": "RFC 9110 6.5.1: not among the trailers",
    "Content-Length": "RFC 9110 6.5.1: not among the trailers",
    "Content-Length overflow": "RFC 9110 8.6: no body is as long",
    "chunk size": "RFC 9112 7.1.1: blanks before an extension, which nobody sends",
    "chunk extensions": "RFC 9112 7.1.1: likewise, within extensions",
}


def seeds() -> Iterator[bytes]:
    yield from ACCEPTED.values()
    yield from whole_requests()
    post = b"POST / HTTP/1.1\r\nHost: h\r\n"
    yield post + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    yield post + b"Transfer-Encoding: chunked\r\n\r\n5 ; a = b\r\nhello\r\n0\r\n\r\n"
    yield post + b"Content-Length: 2\r\n\r\nhiGET / HTTP/1.0\r\n\r\n"


def check(data: bytes) -> None:
    messages, end = read([data])
    ours = [((each.method or "").encode(), each.body) for each in messages]
    ruled = [(each.method, each.body) for each in rfc9112.read(data)]
    assert ours == ruled[: len(ours)], (ours, ruled)
    if len(ours) < len(ruled):
        assert end.phase == FAILED, "a whole message is not served"
        assert any(reason in (end.reason or "") for reason in STRICTER), end
    theirs = [
        [(each.method, each.body) for each in read_by_h11(data, len(ours))],
        framed_by_httptools(data),
        framed_by_aiohttp(data),
    ]
    # RFC 9110 7.8: an upgrade that is not taken is none; the others stop there, and
    # httptools loses the body.
    upgrades = [number for number, each in enumerate(messages) if each.upgrade]
    agreed = upgrades[0] if upgrades else len(ours)
    for others in theirs:
        both = min(agreed, len(others))
        assert ours[:both] == others[:both], (ours, others)

"""The HTTP/1.1 request parser reads what h11 and httptools read.

Both are oracles for requests that all three accept: method, target, headers, body.
"""

from __future__ import annotations

import random

import h11
import httptools
import pytest
from _messages import ACCEPTED, Message, head, one

Headers = list[tuple[bytes, bytes]]


def by_h11(data: bytes) -> tuple[str, bytes, Headers, bytes]:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    body = b""
    while not isinstance(part := connection.next_event(), h11.EndOfMessage):
        assert isinstance(part, h11.Data)
        body += part.data
    headers = [(bytes(name), bytes(value)) for name, value in event.headers]
    return event.method.decode(), bytes(event.target), headers, body


class Collector:
    """httptools' callbacks, kept."""

    def __init__(self) -> None:
        self.target = self.body = b""
        self.headers: Headers = []
        self.complete = self.in_trailers = False

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_trailers:
            self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.in_trailers = True

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete = True


def by_httptools(data: bytes) -> tuple[str, bytes, Headers, bytes]:
    seen = Collector()
    parser = httptools.HttpRequestParser(seen)
    parser.feed_data(data)
    assert seen.complete
    return parser.get_method().decode(), seen.target, seen.headers, seen.body


def by_fastserve(message: Message) -> tuple[str | None, bytes, bytes, Headers, bytes]:
    assert message.raw_path is not None and message.query_string is not None
    return (
        message.method,
        message.raw_path,
        message.query_string,
        list(message.headers),
        message.body,
    )


def made_up(chance: random.Random) -> bytes:
    """A valid request: methods that httptools knows, an origin-form target."""
    method = chance.choice([b"GET", b"POST", b"PUT", b"REPORT", b"M-SEARCH", b"DELETE"])
    letters = b"abcXYZ019-._~!$&'()*+,;=:@%/"
    path = bytes(chance.choices(letters, k=chance.randrange(30)))
    query = bytes(chance.choices(letters + b"?", k=chance.randrange(20)))
    fields = []
    for _ in range(chance.randrange(12)):
        name = bytes(chance.choices(b"abcXYZ019-._~!#$%&'*+^`|", k=14))
        value = bytes(chance.choices(b' \tabc;,="\x80\xff/', k=chance.randrange(40)))
        fields.append(name + b":" + chance.choice([b"", b" ", b"\t "]) + value)
    body = bytes(chance.choices(range(256), k=chance.randrange(60)))
    line = b"%s /%s%s%s HTTP/1.1" % (method, path, b"?" if query else b"", query)
    kind = chance.randrange(3)
    if kind == 0:
        return head(*fields, line=line)
    if kind == 1:
        return head(*fields, b"Content-Length: %d" % len(body), line=line) + body
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    fields.append(b"Transfer-Encoding: chunked")
    return head(*fields, line=line) + chunks + b"0\r\n\r\n"


@pytest.mark.parametrize("seed", range(4))
def test_h11_and_httptools_read_the_same(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(150):
        data = made_up(chance)
        ours = by_fastserve(one(data))
        for method, target, headers, body in (by_h11(data), by_httptools(data)):
            path, _, query = target.partition(b"?")
            assert ours == (method, path, query, headers, body)


# h11 refuses what is here not in its own name: other forms of lines and of extensions.
@pytest.mark.parametrize(
    "name", ["browser", "values", "case", "length", "chunks", "trailers", "http10"]
)
def test_h11_reads_the_corpus_the_same(name: str) -> None:
    data = ACCEPTED[name]
    method, target, headers, body = by_h11(data)
    path, _, query = target.partition(b"?")
    assert by_fastserve(one(data)) == (method, path, query, headers, body)

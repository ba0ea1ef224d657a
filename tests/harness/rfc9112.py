"""Where the messages of a stream of requests end, by RFC 9112 alone.

A second reading, from the grammar and with nothing of the server's: slow, of whole
streams only, and no judge of targets, Host or sizes. What two readers may take
differently (a length with a coding, two lengths, LF for CR LF) is bad here: RFC 9112
2.2 and 6.3 let a server refuse it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
BLANKS = rb"[ \t]*"

_EMPTY_LINES = re.compile(rb"(?:\r\n)*")
_REQUEST_LINE = re.compile(rb"(%b) ([\x21-\xff]+) HTTP/1\.([01])\r\n" % TOKEN)
_FIELD = re.compile(rb"(%b):([\t\x20-\x7e\x80-\xff]*)\r\n" % TOKEN)
_CHUNK = re.compile(
    rb"([0-9A-Fa-f]+)(?:%(b)b;%(b)b%(t)b(?:%(b)b=%(b)b(?:%(t)b|%(q)b))?)*\r\n"
    % {b"b": BLANKS, b"t": TOKEN, b"q": QUOTED}
)


@dataclass(frozen=True)
class Framed:
    """One request; `end` is the offset in the stream behind its last byte."""

    method: bytes
    target: bytes
    body: bytes
    end: int


def read(stream: bytes) -> list[Framed]:
    """The whole messages, up to the first that is not whole or not well formed."""
    found: list[Framed] = []
    at = 0
    while (message := _message(stream, at)) is not None:
        found.append(message)
        at = message.end
    return found


def _message(stream: bytes, at: int) -> Framed | None:
    empty = _EMPTY_LINES.match(stream, at)
    assert empty is not None
    line = _REQUEST_LINE.match(stream, empty.end())
    if line is None:
        return None
    method, target, minor = line.groups()
    fields, at = _fields(stream, line.end())
    if at < 0:
        return None
    lengths = [value for name, value in fields if name == b"content-length"]
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if not codings:
        return _with_length(stream, at, method, target, lengths)
    # RFC 9112 6.1 and 6.3, 4: chunks, if that coding is the last, and nothing else.
    listed = [each.strip(b" \t").lower() for each in b",".join(codings).split(b",")]
    listed = [each for each in listed if each]
    if lengths or minor == b"0" or listed[-1:] != [b"chunked"]:
        return None
    if listed.count(b"chunked") > 1:
        return None
    body, end = _chunks(stream, at)
    return Framed(method, target, body, end) if end >= 0 else None


def _fields(stream: bytes, at: int) -> tuple[list[tuple[bytes, bytes]], int]:
    """The fields up to the empty line, and where that ends; -1: they are not whole."""
    found = []
    while not stream.startswith(b"\r\n", at):
        field = _FIELD.match(stream, at)
        if field is None:
            return found, -1
        found.append((field[1].lower(), field[2].strip(b" \t")))
        at = field.end()
    return found, at + 2


def _with_length(
    stream: bytes, at: int, method: bytes, target: bytes, lengths: list[bytes]
) -> Framed | None:
    if not lengths:
        return Framed(method, target, b"", at)
    if len(lengths) > 1 or re.fullmatch(rb"[0-9]+", lengths[0]) is None:
        return None
    end = at + int(lengths[0])
    return Framed(method, target, stream[at:end], end) if end <= len(stream) else None


def _chunks(stream: bytes, at: int) -> tuple[bytes, int]:
    """RFC 9112 7.1: the body, and where its trailers end; -1: it is not whole."""
    body = b""
    while (chunk := _CHUNK.match(stream, at)) is not None:
        size = int(chunk[1], 16)
        at = chunk.end()
        if size == 0:
            return body, _fields(stream, at)[1]
        if not stream.startswith(b"\r\n", at + size):
            break
        body += stream[at : at + size]
        at += size + 2
    return body, -1

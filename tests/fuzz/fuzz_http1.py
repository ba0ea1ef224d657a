"""The HTTP/1.1 request parser: cutting its input changes nothing, what it accepts is
well formed, and h11 reads the same requests in the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from _input import Input, reads
from _messages import ACCEPTED, BODY, FAILED, End, Message, read
from harness.cases import whole_requests
from harness.oracles import read_by_h11

from fastserve.protocols.http1 import RequestParser

TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
TARGET = frozenset(range(0x21, 0x7F)) - {ord("#")}
VALUE = frozenset(range(0x20, 0x7F)) | frozenset(range(0x80, 0x100)) | {9}

SMALL = {"limit_line": 60, "limit_head": 80, "limit_fields": 5}


def seeds() -> Iterator[bytes]:
    streams = [*ACCEPTED.values(), *whole_requests()]
    for number, stream in enumerate(streams):
        yield bytes([number % 4, number * 37 % 256]) + stream


def check(data: bytes) -> None:
    given = Input(data)
    kind, cuts, stream = given.byte(), given.byte(), given.rest()
    limits = SMALL if kind & 1 else {}
    messages, end = read([stream], RequestParser(**limits))
    for forgetful in (False, True):
        cut, its_end = read(reads(stream, cuts), RequestParser(**limits), forgetful)
        assert cut == messages
        # Of several faults in one head the one that is seen first may be another.
        assert its_end.phase == end.phase, (its_end, end)
    assert 0 <= end.phase <= FAILED
    assert (end.phase == FAILED) == bool(end.status)
    assert end.status in (0, 400, 414, 431) and bool(end.reason) == bool(end.status)
    for message in messages:
        check_message(message)
    check_against_h11(stream, messages, end)


def check_message(message: Message) -> None:
    assert message.method and set(message.method.lower().encode()) <= TOKEN
    assert message.raw_path and message.query_string is not None
    assert set(message.raw_path + message.query_string) <= TARGET
    assert message.raw_path[:1] == b"/" or message.raw_path == b"*"
    assert b"?" not in message.raw_path and message.path is not None
    for name, value in message.headers:
        assert name and set(name) <= TOKEN, name
        assert set(value) <= VALUE and value == value.strip(b" \t"), value
    names = [name for name, _ in message.headers]
    assert names.count(b"host") == 1 or (message.http10 and b"host" not in names)
    check_framing(message, names)


def check_framing(message: Message, names: list[bytes]) -> None:
    """RFC 9112 6.3: a length or chunks, never both, and the body is as long."""
    lengths = [value for name, value in message.headers if name == b"content-length"]
    if b"transfer-encoding" in names:
        assert lengths == [] and not message.http10
    else:
        assert len(lengths) <= 1
        assert len(message.body) == int(lengths[0] if lengths else 0)


def without_case(headers: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
    """h11 puts the name of a coding into lower case."""
    return [
        (name, value.lower() if name == b"transfer-encoding" else value)
        for name, value in headers
    ]


def check_against_h11(stream: bytes, messages: list[Message], end: End) -> None:
    theirs = read_by_h11(stream, len(messages))
    # Where h11 refuses what is accepted here, there is nothing to compare.
    for ours, other in zip(messages, theirs, strict=False):
        assert ours.method is not None and ours.query_string is not None
        assert ours.method.encode() == other.method
        assert ours.body == other.body
        if other.target[:1] in b"/*":
            path, _, query = other.target.partition(b"?")
            assert (ours.raw_path, ours.query_string) == (path, query)
            assert without_case(ours.headers) == without_case(other.headers)
    assert end.phase != BODY or len(theirs) <= len(messages)

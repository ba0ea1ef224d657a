"""The HTTP/1.1 request parser: what it keeps from one request to the next.

From the second request on, a header tuple is taken again when the same bytes stand at
the same place. That may never give a wrong one, nor hide a header from the checks.
"""

from __future__ import annotations

import random

import pytest
from _messages import BROWSER, chunked, head, read

from fastserve.protocols.http1 import RequestParser


def request(fields: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"%s: %s\r\n" % field for field in fields]
    return b"GET / HTTP/1.1\r\n" + b"".join(lines) + b"\r\n"


def lowered(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in fields]


def test_the_same_header_at_the_same_place_is_the_same_tuple() -> None:
    parser = RequestParser()
    for _ in range(2):
        parser.feed(head(*BROWSER, b"X-Mine: 1"))
        first = parser.headers
        parser.next()
    assert first is not None
    parser.feed(head(*BROWSER, b"x-MINE: 1"))
    second = parser.headers
    assert second is not None and second is not first
    assert len(first) == len(second) == len(BROWSER) + 2
    assert all(x is y for x, y in zip(first, second, strict=True))


def test_forget() -> None:
    parser = RequestParser()
    for _ in range(2):
        parser.feed(head(b"X: a b"))
        assert parser.headers is not None
        first = parser.headers[1]
        parser.next()
    parser.forget()
    assert parser.path is parser.raw_path is parser.query_string is None
    parser.feed(head(b"X: a b"))
    assert parser.headers[1] == first and parser.headers[1] is not first
    assert (parser.path, parser.raw_path, parser.query_string) == ("/", b"/", b"")


def test_forget_inside_a_head_loses_no_header() -> None:
    parser = RequestParser()
    data = head(b"A: 1", b"B: 2", b"C: 3")
    for at in range(len(data)):
        parser.feed(data[:at])
        parser.forget()
        parser.feed(data[at:])
        assert parser.headers == [
            (b"host", b"a"),
            (b"a", b"1"),
            (b"b", b"2"),
            (b"c", b"3"),
        ]
        parser.next()


@pytest.mark.parametrize("seed", range(8))
def test_a_remembered_header_is_never_a_wrong_one(seed: int) -> None:
    """Headers that change, shift, shrink and grow, in any case, cut or not."""
    chance = random.Random(seed)
    names = [b"Accept", b"Cookie", b"X-A", b"X-B", b"Expect", b"Accept-Encoding"]
    values = [b"", b"a", b"b", b"ab", b"abc", b"A", b"a" * 40, b"a" * 39 + b"b"]
    parser = RequestParser()
    fields = [(b"Host", b"h"), (b"X-A", b"a"), (b"X-B", b"b")]
    for _ in range(400):
        at = chance.randrange(1, len(fields) + 1)
        new = (chance.choice(names), chance.choice(values))
        fields = list(fields)
        kind = chance.randrange(6)
        if kind == 0 and len(fields) < 12:
            fields.insert(at, new)
        elif kind == 1:
            del fields[at:]
        elif kind == 2 and at < len(fields):
            fields[at] = new
        elif kind == 3 and at < len(fields):
            name, value = fields[at]
            fields[at] = (chance.choice([name.upper(), name.lower()]), value)
        elif kind == 4:
            fields.reverse()
        data = request(fields)
        cut = chance.choice([0, chance.randrange(len(data))])
        last = parser.headers
        parser.feed(data[:cut])
        parser.feed(data[cut:])
        assert parser.headers == lowered(fields), last
        parser.next()


def test_a_remembered_host_still_counts() -> None:
    for last in (b"Host: a\r\nHost: a\r\n", b"X: y\r\n", b"Host: a b\r\n"):
        messages, end = read([head() * 3 + b"GET / HTTP/1.1\r\n" + last + b"\r\n"])
        assert len(messages) == 3 and end.status == 400


def test_a_remembered_coding_still_counts() -> None:
    post = chunked(b"1\r\nx\r\n0\r\n\r\n")
    assert [m.body for m in read([post * 3])[0]] == [b"x"] * 3
    messages, _ = read([head(b"Expect: 100-continue") * 3])
    assert [m.expect_continue for m in messages] == [True] * 3


@pytest.mark.parametrize("name", [b"Host", b"ACCEPT", b"user-agent", b"X-Request-ID"])
def test_well_known_names_are_shared_objects(name: bytes) -> None:
    seen = []
    for _ in range(2):
        parser = RequestParser()
        parser.feed(request([(name, b"a"), (b"X", b"y")]))
        assert parser.headers is not None
        seen.append(parser.headers[0][0])
    assert seen[0] == name.lower()
    assert seen[0] is seen[1]

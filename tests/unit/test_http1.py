"""The HTTP/1.1 request parser: what it gives for requests that it accepts.

What it refuses is in test_http1_strict.py, its limits in test_http1_limits.py, what
it keeps from one request to the next in test_http1_remembered.py.
"""

from __future__ import annotations

import random

import pytest
from _messages import (
    ACCEPTED,
    BODY,
    COMPLETE,
    FAILED,
    HEAD,
    START,
    End,
    chunked,
    cuts,
    head,
    one,
    read,
    snapshot,
)

from fastserve.protocols.http1 import RequestParser

ACCEPTED_MESSAGES = pytest.mark.parametrize(
    "data", [pytest.param(data, id=name) for name, data in ACCEPTED.items()]
)


# -- phases and attributes ------------------------------------------------------------


def test_a_new_parser() -> None:
    parser = RequestParser()
    assert parser.phase == START
    assert parser.method is parser.headers is parser.reason is None
    assert parser.path is parser.raw_path is parser.query_string is None
    assert (parser.status, parser.offset) == (0, 0)
    assert parser.take_body() is None
    assert parser.feed(b"") == 0
    assert parser.phase == START


def test_phases() -> None:
    parser = RequestParser()
    seen = []
    for data in (b"\r\n", b"PO", b"ST ", b"/ HTTP/1.1\r\nHost: a\r\nContent-L"):
        assert parser.feed(data) == len(data)
        seen.append(parser.phase)
    for data in (b"ength: 4\r\n", b"\r\n", b"b", b"o", b"dy"):
        assert parser.feed(data) == len(data)
        seen.append(parser.phase)
    assert seen == [HEAD, HEAD, HEAD, HEAD, HEAD, BODY, BODY, BODY, COMPLETE]
    assert parser.take_body() == b"body"
    assert parser.take_body() is None


def test_a_request_without_a_body_is_complete_with_its_head() -> None:
    parser = RequestParser()
    parser.feed(head())
    assert parser.phase == COMPLETE
    assert parser.take_body() is None


def test_a_complete_message_takes_nothing_more_until_next() -> None:
    parser = RequestParser()
    assert parser.feed(head()) == len(head())
    assert parser.feed(b"GET /2", 0) == 0
    assert parser.feed(b"GET /2", 3) == 3
    assert parser.phase == COMPLETE
    parser.next()
    assert parser.phase == START
    assert parser.method is parser.headers is None
    assert parser.feed(b"GET /2", 0) == 6
    assert parser.phase == HEAD


def test_a_refusal_is_for_ever() -> None:
    parser = RequestParser()
    parser.feed(b"GET / HTTP/3.0\r\n\r\n")
    assert (parser.phase, parser.status) == (FAILED, 400)
    assert parser.feed(head(), 5) == 5
    assert parser.phase == FAILED
    assert parser.take_body() is None


def test_next_forgets_what_belongs_to_one_message() -> None:
    parser = RequestParser()
    fields = (b"Expect: 100-continue", b"Upgrade: x", b"Connection: upgrade, close")
    parser.feed(head(*fields, line=b"GET http://b/ HTTP/1.1"))
    assert parser.expect_continue and parser.upgrade and not parser.keep_alive
    parser.next()
    assert not parser.expect_continue and not parser.upgrade
    parser.feed(head(b"X: y"))
    assert snapshot(parser, b"") == one(head(b"X: y"))


def test_only_bytes_are_fed() -> None:
    parser = RequestParser()
    for data in ("GET / HTTP/1.1", bytearray(head()), memoryview(head()), 1):
        with pytest.raises(TypeError):
            parser.feed(data)  # type: ignore[arg-type]
    assert parser.phase == START


# -- the request line -----------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"]
    + ["M-SEARCH", "PRI", "SOURCE", "get", "Get", "GETX", "GE", "G", "POS", "QUERY"]
    + ["!#$%&'*+-.^_`|~", "0123456789", "X" * 100],
)
def test_any_token_is_a_method_however_it_arrives(method: str) -> None:
    data = head(line=method.encode() + b" /x HTTP/1.1")
    assert one(data).method == method
    for reads in cuts(data):
        (message,), end = read(reads)
        assert (message.method, message.path) == (method, "/x")
        assert end == End(START, 0, None)


def test_common_methods_are_shared_objects() -> None:
    parsers = [RequestParser(), RequestParser()]
    for parser in parsers:
        parser.feed(head(line=b"DELETE / HTTP/1.1"))
    assert parsers[0].method is parsers[1].method


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/", "/", b"/", b""),
        (b"/a/b.c", "/a/b.c", b"/a/b.c", b""),
        (b"/?", "/", b"/", b""),
        (b"/a?b=c&d", "/a", b"/a", b"b=c&d"),
        (b"/a?b?c=/?", "/a", b"/a", b"b?c=/?"),
        (b"//host/x", "//host/x", b"//host/x", b""),
        (b"/a/../b/./c", "/a/../b/./c", b"/a/../b/./c", b""),
        (b"/a%20b", "/a b", b"/a%20b", b""),
        (b"/%2e%2E%2f%00", "/../\0", b"/%2e%2E%2f%00", b""),
        (b"/%c3%A9?%c3%A9", "/\xe9", b"/%c3%A9", b"%c3%A9"),
        (b"/%25%32%35", "/%25", b"/%25%32%35", b""),  # decoded once
        (b"/%f0%9f%91%bd", "/\N{EXTRATERRESTRIAL ALIEN}", b"/%f0%9f%91%bd", b""),
        (b"/%ff%fe", "/\ufffd\ufffd", b"/%ff%fe", b""),
        (b"/%", "/%", b"/%", b""),
        (b"/%4", "/%4", b"/%4", b""),
        (b"/%zz%4g%g4", "/%zz%4g%g4", b"/%zz%4g%g4", b""),
        (b"/+", "/+", b"/+", b""),
        (b'/"<>[]\\^`{|}', '/"<>[]\\^`{|}', b'/"<>[]\\^`{|}', b""),
        (b"http://b", "/", b"/", b""),
        (b"http://b?x", "/", b"/", b"x"),
        (b"hTTps://b:1/x%20?y", "/x ", b"/x%20", b"y"),
        (b"http://[2001:db8::1]:80/", "/", b"/", b""),
        (b"/" + b"a" * 65536, "/" + "a" * 65536, b"/" + b"a" * 65536, b""),
    ],
)
def test_targets(target: bytes, path: str, raw_path: bytes, query: bytes) -> None:
    parser = RequestParser(limit_line=70000)
    parser.feed(head(line=b"GET %s HTTP/1.1" % target))
    assert parser.phase == COMPLETE, parser.reason
    assert parser.path == path
    assert parser.raw_path == raw_path
    assert parser.query_string == query


def test_the_asterisk_form() -> None:
    message = one(head(line=b"OPTIONS * HTTP/1.1"))
    assert (message.path, message.raw_path) == ("*", b"*")


def test_the_host_of_an_absolute_target_replaces_host() -> None:
    """RFC 9112 3.2.2."""
    line = b"GET http://b:81/ HTTP/1.1\r\n"
    message = one(line + b"X: y\r\nHost: a\r\nZ: z\r\n\r\n")
    assert message.headers == ((b"x", b"y"), (b"host", b"b:81"), (b"z", b"z"))
    message = one(b"GET http://b/ HTTP/1.0\r\nX: y\r\n\r\n")
    assert message.headers == ((b"x", b"y"), (b"host", b"b"))


def test_such_a_host_is_not_taken_for_the_next_request() -> None:
    data = head(line=b"GET http://b/ HTTP/1.1") + head()
    messages, _ = read([data])
    assert [m.headers for m in messages] == [((b"host", b"b"),), ((b"host", b"a"),)]


def test_the_path_of_a_target_asked_for_again_is_the_same_object() -> None:
    parser = RequestParser()
    seen = []
    for target in (b"/a%20b?q", b"/a%20b?q", b"/a%20c?q", b"/a%20b?r"):
        parser.feed(head(line=b"GET %s HTTP/1.1" % target))
        seen.append((parser.path, parser.raw_path, parser.query_string))
        parser.next()
    assert all(x is y for x, y in zip(seen[0], seen[1], strict=True))
    assert seen[2] == ("/a c", b"/a%20c", b"q")
    assert seen[3] == ("/a b", b"/a%20b", b"r")


# -- fields ---------------------------------------------------------------------------


def test_names_are_lowered_and_values_without_the_blanks_round_them() -> None:
    data = head(b"X-One:1", b"x-ONE: \t 2 2\t ", b"Empty:", b"BLANK: \t", b"O: \xe9")
    assert one(data).headers == (
        (b"host", b"a"),
        (b"x-one", b"1"),
        (b"x-one", b"2 2"),
        (b"empty", b""),
        (b"blank", b""),
        (b"o", b"\xe9"),
    )


def test_each_request_has_a_list_of_its_own() -> None:
    parser = RequestParser()
    parser.feed(head())
    first = parser.headers
    assert first is not None
    first.append((b"x", b"y"))
    parser.next()
    parser.feed(head())
    assert first == [(b"host", b"a"), (b"x", b"y")]
    assert parser.headers == [(b"host", b"a")]


@pytest.mark.parametrize(
    "host",
    [b"", b"a", b"A.example.", b"a_b", b"a:80", b"a:", b"127.0.0.1:65535", b"[::1]"]
    + [b"[2001:DB8::1]:443", b"[::ffff:1.2.3.4]", b"[v1.x:y]", b"a%20b", b"a!$&'+,;="],
)
def test_valid_hosts(host: bytes) -> None:
    assert one(head(host=host)).headers == ((b"host", host),)


@pytest.mark.parametrize(
    ("fields", "keep_alive"),
    [
        ([], True),
        ([b"Connection: keep-alive"], True),
        ([b"Connection: close"], False),
        ([b"Connection: CLOSE"], False),
        ([b"connection:close"], False),
        ([b"Connection: close\t"], False),
        ([b"Connection: keep-alive, close"], False),
        ([b"Connection: close, keep-alive"], False),
        ([b"Connection: x ,, close ,y"], False),
        ([b"Connection: a b, close"], False),
        ([b"Connection: close", b"Connection: keep-alive"], False),
        ([b"Connection: keep-alive", b"Connection: close"], False),
        ([b"Connection: xclose"], True),
        ([b"Connection: closed, clos"], True),
        ([b"X-Connection: close"], True),
        ([b"Connection:"], True),
    ],
)
def test_keep_alive(fields: list[bytes], keep_alive: bool) -> None:
    """RFC 9112 9.3; on 1.0 a connection is closed whatever is asked for."""
    assert one(head(*fields)).keep_alive == keep_alive
    assert not one(head(*fields, line=b"GET / HTTP/1.0")).keep_alive


def test_versions() -> None:
    assert not one(head()).http10
    assert one(head(line=b"GET / HTTP/1.0")).http10
    assert one(b"GET / HTTP/1.0\r\n\r\n").headers == ()


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"Expect: 100-continue", True),
        (b"EXPECT:100-Continue", True),
        (b"Expect: 100-continued", False),
        (b"Expect: 100", False),
        (b"X-Expect: 100-continue", False),
    ],
)
def test_expect(field: bytes, expected: bool) -> None:
    assert one(head(field)).expect_continue == expected
    # RFC 9110 10.1.1: of a 1.0 client it is ignored.
    assert not one(head(field, line=b"GET / HTTP/1.0")).expect_continue


@pytest.mark.parametrize(
    ("fields", "upgrade"),
    [
        ([b"Upgrade: websocket", b"Connection: Upgrade"], True),
        ([b"Connection: keep-alive, UPGRADE", b"upgrade: h2c"], True),
        ([b"Upgrade: websocket"], False),
        ([b"Connection: upgrade"], False),
        ([b"Upgrade: websocket", b"Connection: close"], False),
    ],
)
def test_upgrade_is_reported_and_the_parser_stays_http(
    fields: list[bytes], upgrade: bool
) -> None:
    assert one(head(*fields, line=b"GET / HTTP/1.0")).upgrade == upgrade
    post = head(*fields, b"Content-Length: 3", line=b"POST / HTTP/1.1") + b"abc"
    for first, body in ((head(*fields), b""), (post, b"abc")):
        messages, end = read([first + head(line=b"GET /next HTTP/1.1")])
        assert [(m.upgrade, m.body, m.path) for m in messages] == [
            (upgrade, body, "/"),
            (False, b"", "/next"),
        ]
        assert end.phase == START


# -- bodies ---------------------------------------------------------------------------


def test_a_read_that_is_nothing_but_body_is_not_copied() -> None:
    parser = RequestParser()
    parser.feed(head(b"Content-Length: 2005", line=b"POST / HTTP/1.1"))
    first, second = bytes(1000), b"x" * 1000
    parser.feed(first)
    assert parser.take_body() is first
    parser.feed(second)
    assert parser.take_body() is second
    last = b"12345GET /"
    assert parser.feed(last) == 5
    assert parser.take_body() == b"12345"
    assert parser.phase == COMPLETE


def test_body_that_was_not_taken_is_joined() -> None:
    parser = RequestParser()
    parser.feed(head(b"Content-Length: 6", line=b"POST / HTTP/1.1") + b"a")
    for data in (b"bc", b"d", b"ef"):
        parser.feed(data)
    assert parser.take_body() == b"abcdef"
    assert parser.take_body() is None


def test_the_chunks_of_a_read_are_one_body() -> None:
    parser = RequestParser()
    parser.feed(chunked(b"2\r\nab\r\n1\r\nc\r\n"))
    assert (parser.phase, parser.take_body()) == (BODY, b"abc")
    parser.feed(b"0\r\n")
    assert (parser.phase, parser.take_body()) == (BODY, None)
    parser.feed(b"\r\n")
    assert parser.phase == COMPLETE


def test_chunks_of_one_byte() -> None:
    body = bytes(range(256)) * 200
    data = chunked(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
    assert one(data).body == body
    step = 1000
    reads = [data[at : at + step] for at in range(0, len(data), step)]
    (message,), _ = read(reads)
    assert message.body == body


def test_a_body_is_no_text() -> None:
    body = bytes(range(256))
    data = head(b"Content-Length: 256", line=b"POST / HTTP/1.1") + body
    assert one(data).body == body
    assert one(chunked(b"100\r\n" + body + b"\r\n0\r\n\r\n")).body == body


def test_trailers_are_kept_out_of_the_headers() -> None:
    data = chunked(b"1\r\nx\r\n0\r\nHost: b\r\nX-Sum: 1\r\nConnection: close\r\n\r\n")
    messages, end = read([data + head()])
    assert messages[0].headers == (
        (b"host", b"a"),
        (b"transfer-encoding", b"chunked"),
    )
    assert messages[0].keep_alive and messages[0].body == b"x"
    assert messages[1] == one(head())
    assert end.phase == START


# -- however it is cut ----------------------------------------------------------------


@ACCEPTED_MESSAGES
def test_every_cut_gives_the_same(data: bytes) -> None:
    whole = read([data])
    assert whole[1] == End(START, 0, None)
    for reads in cuts(data):
        assert read(reads) == whole


@ACCEPTED_MESSAGES
def test_feed_stops_right_behind_the_message(data: bytes) -> None:
    behind = b"XYZ / rest"
    parser = RequestParser()
    at = 3
    while at < 3 + len(data):
        at = parser.feed(b"???" + data + behind, at)
        assert parser.phase == COMPLETE
        parser.next()
    assert at == 3 + len(data)


def test_the_messages_of_one_buffer() -> None:
    corpus = list(ACCEPTED.values())
    random.Random(1).shuffle(corpus)
    together, end = read([b"".join(corpus)])
    assert end.phase == START
    assert together == [message for data in corpus for message in read([data])[0]]

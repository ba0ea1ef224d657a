"""Messages whose framing two parsers could read differently: refused and closed.

Each case carries, where it can, a second request hidden behind the first; it is never
served. RFC 9112 6 and 7.1, RFC 9110 5.5, and the published advisories of other servers.
"""

from __future__ import annotations

import pytest
from harness.apps import Recorder
from harness.client import REQUEST, Client
from harness.corpus import (
    BAD_CHUNKS,
    CONTENT_LENGTHS,
    HEADERS,
    LINE_ENDS,
    TRANSFER_ENCODINGS,
)
from harness.fixtures import Site

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"0\r\n\r\n"


def assert_refused(site: Site, client: Client, sent: bytes, recorder: Recorder) -> None:
    client.send(sent)
    client.refused()
    assert "/hidden" not in recorder.paths
    site.wait_for_message("Invalid HTTP request received.")


@pytest.mark.parametrize("field", TRANSFER_ENCODINGS)
def test_transfer_encoding(site: Site, field: bytes) -> None:
    site.app = recorder = Recorder()
    head = b"POST / HTTP/1.1\r\nHost: h\r\n" + field + b"\r\n\r\n"
    assert_refused(site, site.connect(), head + CHUNKED + HIDDEN, recorder)
    assert recorder.scopes == []


@pytest.mark.parametrize("field", CONTENT_LENGTHS)
def test_content_length(site: Site, field: bytes) -> None:
    site.app = recorder = Recorder()
    head = b"POST / HTTP/1.1\r\nHost: h\r\n" + field + b"\r\n\r\n"
    assert_refused(site, site.connect(), head + b"hello" + HIDDEN, recorder)
    assert recorder.scopes == []


@pytest.mark.parametrize("field", HEADERS)
def test_header_line(site: Site, field: bytes) -> None:
    site.app = recorder = Recorder()
    head = b"GET / HTTP/1.1\r\nHost: h\r\n" + field + b"\r\n\r\n"
    assert_refused(site, site.connect(), head + HIDDEN, recorder)
    assert recorder.scopes == []


@pytest.mark.parametrize("field", [b"X : y", b" X: y", b"X", b"\x00: y"])
def test_first_header_line(site: Site, field: bytes) -> None:
    site.app = recorder = Recorder()
    head = b"GET / HTTP/1.1\r\n" + field + b"\r\nHost: h\r\n\r\n"
    assert_refused(site, site.connect(), head + HIDDEN, recorder)
    assert recorder.scopes == []


@pytest.mark.parametrize("data", LINE_ENDS)
def test_line_ends(site: Site, data: bytes) -> None:
    site.app = recorder = Recorder()
    assert_refused(site, site.connect(), data + HIDDEN, recorder)
    assert recorder.scopes == []


@pytest.mark.parametrize("chunks", BAD_CHUNKS)
def test_chunked_body(site: Site, chunks: bytes) -> None:
    """The application may have begun; it never gets a complete body."""
    site.app = recorder = Recorder()
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert_refused(site, site.connect(), head + chunks + HIDDEN, recorder)
    assert all(message.get("more_body", True) for message in recorder.received)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_transfer_encoding_on_http_1_0(site: Site, version: bytes) -> None:
    site.app = recorder = Recorder()
    head = b"POST / HTTP/%b\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" % version
    client = site.connect()
    if version == b"1.1":  # the same bytes are right there
        assert client.exchange(head + CHUNKED).status == 200
    else:
        assert_refused(site, client, head + CHUNKED + HIDDEN, recorder)
        assert recorder.scopes == []


@pytest.mark.parametrize(
    "bad",
    [b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", b"GET /\r\n\r\n", b"\x00", b"nonsense\r\n"],
)
def test_nothing_is_served_after_a_refusal(site: Site, bad: bytes) -> None:
    site.app = recorder = Recorder()
    client = site.connect()
    client.send(REQUEST + bad + HIDDEN + HIDDEN)
    assert client.answer().status == 200
    client.refused()
    assert recorder.paths == ["/"]


def test_request_hidden_in_an_unread_body_is_not_served(site: Site) -> None:
    """The answer comes before the body; the body stays a body."""
    site.app = recorder = Recorder(lambda scope, receive, send: early(send))
    client = site.connect()
    head = b"POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
    client.send(head % len(HIDDEN))
    assert client.answer().status == 200
    client.send(HIDDEN)
    assert client.exchange(REQUEST).status == 200
    assert recorder.paths == ["/first", "/"]


async def early(send) -> None:
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body"})


ACCEPTED = [
    (b"Content-Length: 5\r\n\r\nhello", b"hello"),
    (b"Content-Length:5\r\n\r\nhello", b"hello"),
    (b"CONTENT-LENGTH: \t5 \t\r\n\r\nhello", b"hello"),
    (b"Content-Length: 0005\r\n\r\nhello", b"hello"),
    (b"Content-Length: 0\r\n\r\n", b""),
    (b"\r\n", b""),
    (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"transfer-encoding:\t chunked  \r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"Transfer-Encoding: chunked\r\n\r\n00005\r\nhello\r\n000\r\n\r\n", b"hello"),
    (b"Transfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0;b=c\r\n\r\n", b"hello"),
    (b"Transfer-Encoding: chunked\r\n\r\n"
     b'5;a="b;\\"c"\r\nhello\r\n0\r\n\r\n', b"hello"),
    (b"Transfer-Encoding: chunked\r\n\r\n"
     b"A\r\n0123456789\r\na\r\nabcdefghij\r\n0\r\n\r\n", b"0123456789abcdefghij"),
    (b"Transfer-Encoding: chunked\r\n\r\n"
     b"1\r\na\r\n1\r\nb\r\n0\r\nX-T: 1\r\n\r\n", b"ab"),
    (b"Transfer_Encoding: garbage\r\nContent_Length: x\r\n"
     b"Content-Length: 2\r\n\r\nok", b"ok"),
]  # fmt: skip


@pytest.mark.parametrize(("rest", "body"), ACCEPTED)
def test_accepted(site: Site, rest: bytes, body: bytes) -> None:
    """The cases above refuse no more than they must."""
    site.app = Recorder()
    client = site.connect()
    answer = client.exchange(b"POST / HTTP/1.1\r\nHost: h\r\n" + rest)
    assert (answer.status, answer.body) == (200, body)
    assert client.exchange(REQUEST).status == 200

"""Host: exactly one on HTTP/1.1, and a valid one (RFC 9112 3.2, RFC 3986 3.2.2)."""

from __future__ import annotations

import pytest
from harness.apps import Recorder, replies
from harness.client import REQUEST
from harness.fixtures import Site

VALID = [
    b"example.com",
    b"example.com:8000",
    b"example.com:",
    b"EXAMPLE.com",
    b"localhost",
    b"a_b.example",
    b"_dmarc.example",
    b"127.0.0.1",
    b"127.0.0.1:65535",
    b"[::1]",
    b"[::1]:8000",
    b"[fe80::1234:5678]",
    b"[v1.a:b]",
    b"xn--bcher-kva.example",
    b"a%20b",
    b"a!$&'()*+,;=~-.b",
    b"",
    b" \t ",
    b" example.com\t",
]

INVALID = [
    b"a b",
    b"a/b",
    b"/",
    b"a?b",
    b"a#b",
    b"a\\b",
    b"a@b",
    b"user:secret@a",
    b"a:b",
    b"a:8a",
    b"a:-1",
    b"a:80:80",
    b"::1",
    b"[::1",
    b"::1]",
    b"[::1]a",
    b"[::1]:x",
    b"[]",
    b"[g::1]",
    b"a[b",
    b"a<b",
    b'a"b',
    b"a^b",
    b"a`b",
    b"a{b}",
    b"a|b",
    b"a%",
    b"a%2",
    b"a%zz",
    b"http://a",
    b"caf\xc3\xa9",
    b"a\x7f",
    b"a\x01",
    b"a\x00b",
    b"a\tb",
]


@pytest.mark.parametrize("value", VALID)
def test_valid_host(site: Site, value: bytes) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    answer = client.exchange(b"GET / HTTP/1.1\r\nHost:" + value + b"\r\n\r\n")
    assert answer.status == 200
    assert recorder.scope["headers"] == [(b"host", value.strip(b" \t"))]


@pytest.mark.parametrize("value", INVALID)
def test_invalid_host(site: Site, value: bytes) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    client.send(b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n")
    client.refused()
    assert recorder.scopes == []


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"X-Host: h\r\n",
        b"Host: h\r\nHost: h\r\n",
        b"Host: h\r\nX: y\r\nhOST: other\r\n",
        b"Host:\r\nHost: h\r\n",
        b"Host: h\r\nHost:\r\n",
        b"Host:\r\nHost:\r\n",
    ],
)
def test_missing_or_second_host(site: Site, lines: bytes) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    client.send(b"GET / HTTP/1.1\r\n" + lines + b"\r\n")
    client.refused()
    assert recorder.scopes == []


def test_absolute_form_needs_a_host_too(site: Site) -> None:
    client = site.connect()
    client.send(b"GET http://example.com/ HTTP/1.1\r\n\r\n")
    client.refused()


def test_http_1_0_needs_no_host(site: Site) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.last_answer().status == 200
    assert recorder.scope["headers"] == []


def test_each_request_of_a_connection_needs_its_own_host(site: Site) -> None:
    client = site.connect()
    assert client.exchange(REQUEST).status == 200
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    client.refused()

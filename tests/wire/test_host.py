"""Host: exactly one on HTTP/1.1, and a valid one (RFC 9112 3.2, RFC 3986 3.2.2).

cases/headers/host.http has what is refused.
"""

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


@pytest.mark.parametrize("value", VALID)
def test_valid_host(site: Site, value: bytes) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    answer = client.exchange(b"GET / HTTP/1.1\r\nHost:" + value + b"\r\n\r\n")
    assert answer.status == 200
    assert recorder.scope["headers"] == [(b"host", value.strip(b" \t"))]


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

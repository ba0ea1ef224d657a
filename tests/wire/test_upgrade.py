"""An upgrade that is not taken is no upgrade: the request, its body and what follows
are read as HTTP/1.1 (RFC 9110 7.8)."""

from __future__ import annotations

import pytest
from harness.apps import Recorder
from harness.client import REQUEST, chunked, request
from harness.fixtures import Site

WARNING = "Unsupported upgrade request."
H2C = [
    ("Connection", "Upgrade, HTTP2-Settings"),
    ("Upgrade", "h2c"),
    ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("body", [b"", b"hello", b"x" * 200_000])
def test_h2c_with_a_body_of_known_length(site: Site, method: str, body: bytes) -> None:
    site.app = recorder = Recorder()
    client = site.connect()
    answer = client.exchange(request(method, headers=H2C, body=body))
    assert (answer.status, answer.body) == (200, body)
    assert (b"upgrade", b"h2c") in recorder.scope["headers"]
    assert site.warnings == [WARNING]
    assert client.exchange(REQUEST).status == 200


def test_h2c_with_a_chunked_body(site: Site) -> None:
    site.app = Recorder()
    client = site.connect()
    head = request("POST", headers=[*H2C, ("Transfer-Encoding", "chunked")])
    assert client.exchange(head + chunked(b"he", b"llo")).body == b"hello"
    assert site.warnings == [WARNING]


def test_pipelined_behind_an_upgrade(site: Site) -> None:
    site.app = Recorder()
    client = site.connect()
    one = request("POST", headers=H2C, body=b"one")
    client.send(one + request("POST", body=b"two") + one)
    assert [client.answer().body for _ in range(3)] == [b"one", b"two", b"one"]
    assert site.warnings == [WARNING] * 2


@pytest.mark.parametrize("upgrade", ["foo", "TLS/1.0", "IRC/6.9, RTA/x11", "h2c,foo"])
def test_any_upgrade(site: Site, upgrade: str) -> None:
    site.app = Recorder()
    client = site.connect()
    fields = [("Connection", "upgrade"), ("Upgrade", upgrade)]
    for _ in range(2):
        answer = client.exchange(request("POST", headers=fields, body=b"hello"))
        assert (answer.status, answer.body) == (200, b"hello")


@pytest.mark.parametrize(
    "fields", [[("Upgrade", "h2c")], [("Connection", "upgrade")], [("Upgrade", "")]]
)
def test_half_an_upgrade_is_not_even_asked(site: Site, fields: list) -> None:
    site.app = Recorder()
    client = site.connect()
    answer = client.exchange(request("POST", headers=fields, body=b"hello"))
    assert answer.body == b"hello"
    assert site.warnings == []


def test_upgrade_and_close(site: Site) -> None:
    site.app = Recorder()
    client = site.connect()
    fields = [("Connection", "upgrade, close"), ("Upgrade", "h2c")]
    client.send(request("POST", headers=fields, body=b"hello") + REQUEST)
    assert client.last_answer().body == b"hello"

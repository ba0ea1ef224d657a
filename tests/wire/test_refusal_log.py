"""What the log says of a refused request: uvicorn's line, then one that helps.

Each test has a server of its own, since the second line is rate-limited."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from harness.client import REQUEST, request
from harness.fixtures import Site

FIRST = "Invalid HTTP request received."


def told(site: Site, data: bytes, status: int = 400) -> tuple[str, str]:
    """The second line about these bytes, and the client's address."""
    client = site.connect()
    client.send(data)
    client.refused(status)
    first, second = site.warnings[-2:]
    assert first == FIRST
    return second, "%s:%d" % client.name


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50, ["TLS"]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ["HTTP/2"]),
        (b"GET / HTTP/1.1\r\n\r\n", ["Host"]),
        (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", []),
        (b"GET /\xf0\x9f\x91\xbd HTTP/1.1\r\nHost: h\r\n\r\n", []),
    ],
)
def test_second_line(
    start_server: Callable[..., Site], data: bytes, parts: list[str]
) -> None:
    """Peer, reason, offset, the first bytes escaped, and a guess where there is one."""
    line, peer = told(start_server(), data)
    assert peer in line
    assert re.search(r"\b\d+\b", line.replace(peer, ""))
    assert all(part in line for part in parts)
    assert repr(data[:8])[2:-1] in line
    assert line.isprintable() and line.isascii()


def test_reason_is_the_parser_s_or_ours(start_server: Callable[..., Site]) -> None:
    site = start_server()
    lines = [
        told(site, data)[0].partition("b'")[0]
        for data in (
            b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n",
            b"GET / HTTP/3.0\r\nHost: h\r\n\r\n",
        )
    ]
    without_digits = {re.sub(r"\d+", "", line) for line in lines}
    assert len(without_digits) == 3


def test_long_input_is_not_logged_whole(start_server: Callable[..., Site]) -> None:
    data = b"GET / HTTP/1.1\r\nHost : h\r\n" + b"X" * 5000
    assert len(told(start_server(), data)[0]) < 600


def test_escapes_reach_the_log_escaped(start_server: Callable[..., Site]) -> None:
    line, _ = told(start_server(), b"\x1b[31mGET\n\r\x00\x9b / HTTP/1.1\r\n\r\n")
    assert "\x1b" not in line and "\n" not in line and "\x9b" not in line
    assert "\\x1b[31mGET" in line


@pytest.mark.parametrize(("size", "status"), [(40_000, 414)])
def test_size_is_told(
    start_server: Callable[..., Site], size: int, status: int
) -> None:
    line, peer = told(start_server(), request(target="/" + "x" * size), status)
    assert str(status) in line and peer in line


def test_second_lines_are_rate_limited(start_server: Callable[..., Site]) -> None:
    site = start_server()
    for _ in range(200):
        client = site.connect()
        client.send(b"garbage\r\n\r\n")
        client.refused()
        client.close()
    seconds = [text for text in site.warnings if text != FIRST]
    assert 1 <= len(seconds) < 100
    assert site.connect().exchange(REQUEST).status == 200

"""Answers that the server gives by itself: 400, 500, 503; and how they reach a client
that is still sending (lingering close, RFC 9112 9.6)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from harness.apps import Recorder, echo, replies
from harness.client import REQUEST, chunked, request
from harness.fixtures import Site
from harness.server import TIMEOUT, eventually

DEFAULTS = rb"date: [^\r\n]{29}\r\nserver: fastserve\r\n"


async def broken(scope, receive, send) -> None:
    raise ValueError("broken")


def test_400_byte_for_byte(site: Site) -> None:
    client = site.connect()
    client.send(b"garbage\r\n\r\n")
    assert re.fullmatch(
        rb"HTTP/1.1 400 Bad Request\r\n" + DEFAULTS +
        rb"content-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\n"
        rb"connection: close\r\n\r\nInvalid HTTP request received.",
        client.read_to_eof(),
    )  # fmt: skip


def test_500_byte_for_byte(site: Site) -> None:
    site.app = broken
    client = site.connect()
    client.send(REQUEST)
    assert re.fullmatch(
        rb"HTTP/1.1 500 Internal Server Error\r\n" + DEFAULTS +
        rb"content-type: text/plain; charset=utf-8\r\ncontent-length: 21\r\n"
        rb"connection: close\r\n\r\nInternal Server Error",
        client.read_to_eof(),
    )  # fmt: skip
    assert len(site.errors) == 1


@pytest.mark.parametrize("limit", [0, 1])
def test_503_byte_for_byte(limit: int, start_server: Callable[..., Site]) -> None:
    app = Recorder(replies())
    site = start_server(app, limit_concurrency=limit)
    client = site.connect()
    client.send(REQUEST)
    assert re.fullmatch(
        rb"HTTP/1.1 503 Service Unavailable\r\n" + DEFAULTS +
        rb"content-type: text/plain; charset=utf-8\r\ncontent-length: 19\r\n"
        rb"connection: close\r\n\r\nService Unavailable",
        client.read_to_eof(),
    )  # fmt: skip
    assert app.started == 0
    assert site.warnings == ["Exceeded concurrency limit."]
    assert site.server.server.server_state.limits_met == {"limit_concurrency": 1}
    (access,) = site.records("uvicorn.access")
    assert access.args[1:] == ("GET", "/", "1.1", 503)


def test_limit_concurrency_counts_connections(
    start_server: Callable[..., Site],
) -> None:
    site = start_server(limit_concurrency=3)
    first, second = site.connect(), site.connect()
    assert first.exchange(REQUEST).status == 200
    assert second.exchange(REQUEST).status == 200
    third = site.connect()
    third.send(REQUEST)
    assert third.last_answer().status == 503
    assert first.exchange(REQUEST).status == 200


def test_refusals_carry_configured_fields(start_server: Callable[..., Site]) -> None:
    site = start_server(broken, headers=[("X-Extra", "v")], server_header=False)
    for data, status in ((b"garbage\r\n\r\n", 400), (REQUEST, 500)):
        client = site.connect()
        client.send(data)
        answer = client.last_answer()
        assert answer.status == status
        assert answer.header(b"x-extra") == b"v"
        assert answer.header(b"server") is None
    assert len(site.errors) == 1


def test_head_gets_no_body_with_its_500(site: Site) -> None:
    site.app = broken
    client = site.connect()
    client.send(request("HEAD"))
    assert client.last_answer("HEAD").status == 500
    assert len(site.errors) == 1


@pytest.mark.parametrize("bad", ["head", "body"])
def test_a_refusal_reaches_a_client_that_goes_on_sending(site: Site, bad: str) -> None:
    """A megabyte more in flight must not turn the answer into a reset."""
    site.app = echo
    client = site.connect()
    if bad == "head":
        client.send(b"POST / HTTP/1.1\r\nHost : h\r\nContent-Length: 1000000\r\n\r\n")
    else:
        client.send(request(headers=[("Transfer-Encoding", "chunked")]) + b"XX\r\n")
    for _ in range(16):
        client.send(b"x" * 65_536)
        time.sleep(0.002)
    client.refused()


def test_dropping_input_after_a_refusal_ends(site: Site) -> None:
    """A client that sends for ever is let go after about two seconds."""
    client = site.connect()
    began = time.monotonic()
    client.send(b"garbage\r\n\r\n")
    client.refused()
    with pytest.raises(OSError):
        while time.monotonic() - began < TIMEOUT:
            client.send(b"x" * 1000)
            time.sleep(0.05)
    assert time.monotonic() - began >= 2


def test_a_refused_connection_ends_when_its_client_goes(site: Site) -> None:
    client = site.connect()
    client.send(b"garbage\r\n\r\n")
    client.refused()
    client.close()
    site.wait_idle()


def test_what_comes_after_a_refusal_is_dropped_unread(site: Site) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    client.send(b"garbage\r\n\r\n")
    client.refused()
    client.send(REQUEST * 3)
    client.close()
    site.wait_idle()
    assert recorder.started == 0
    assert site.messages.count("Invalid HTTP request received.") == 1


def test_a_500_reaches_a_client_that_goes_on_sending(site: Site) -> None:
    site.app = broken
    client = site.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(10):
        client.send(b"x" * 100_000)
        time.sleep(0.002)
    assert client.last_answer().status == 500
    assert len(site.errors) == 1


def test_a_closed_answer_reaches_a_client_that_goes_on_sending(site: Site) -> None:
    site.app = replies(status=413, headers=[(b"connection", b"close")])
    client = site.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(10):
        client.send(b"x" * 100_000)
        time.sleep(0.002)
    assert client.last_answer().status == 413


def test_many_refusals_leave_nothing_behind(site: Site) -> None:
    clients = [site.connect() for _ in range(100)]
    for client in clients:
        client.send(b"garbage\r\n\r\n")
    for client in clients:
        client.refused()
        client.close()
    site.wait_idle()
    assert site.connect().exchange(REQUEST).status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00" * 100,
        b"\xff" * 100,
        bytes(range(256)) * 4,
        b"GET / HTTP/1.1\r\nHost: h\r\n" + b"\x80" * 10 + b"\r\n\r\n",
        chunked(b"no request at all"),
        b"HELO mail.example\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
def test_other_protocols_and_noise(site: Site, data: bytes) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    client.send(data)
    client.refused()
    eventually(lambda: "Invalid HTTP request received." in site.messages)
    assert recorder.started == 0

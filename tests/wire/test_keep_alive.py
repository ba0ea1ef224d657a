"""When a connection stays open, and when it ends (RFC 9112 9.3 and 9.6)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from harness.apps import Gate, Recorder, body, replies, sends, start
from harness.client import REQUEST, request
from harness.fixtures import Site
from harness.server import TIMEOUT, eventually


@pytest.mark.parametrize("fields", [[], [("Connection", "keep-alive")]])
def test_http_1_1_stays_open(site: Site, fields: list) -> None:
    client = site.connect()
    for _ in range(5):
        answer = client.exchange(request(headers=fields))
        assert answer.status == 200
        assert answer.header(b"connection") is None
    client.assert_silent()


@pytest.mark.parametrize(
    "fields",
    [
        [("Connection", "close")],
        [("Connection", "Close")],
        [("CONNECTION", "CLOSE")],
        [("Connection", "\tclose ")],
        [("Connection", "keep-alive, close")],
        [("Connection", "close, keep-alive")],
        [("Connection", "close,foo")],
        [("Connection", "foo ,\tclose\t, bar")],
        [("Connection", "foo"), ("Connection", "close")],
        [("Connection", "close"), ("Connection", "foo")],
        [("Connection", "close"), ("Connection", "keep-alive")],
    ],
)
def test_close_asked_by_the_client(site: Site, fields: list) -> None:
    client = site.connect()
    client.send(request(headers=fields))
    assert client.last_answer().header(b"connection") == b"close"


@pytest.mark.parametrize("value", ["closed", "close-ish", "not close", "", "foo"])
def test_no_close_token(site: Site, value: str) -> None:
    client = site.connect()
    for _ in range(2):
        answer = client.exchange(request(headers=[("Connection", value)]))
        assert answer.header(b"connection") is None


@pytest.mark.parametrize("fields", [[], [("Connection", "keep-alive")]])
def test_http_1_0_is_closed(site: Site, fields: list) -> None:
    client = site.connect()
    client.send(request(headers=fields, version="1.0"))
    assert client.last_answer().header(b"connection") == b"close"


@pytest.mark.parametrize("value", [b"close", b"Close", b"foo, close", b"close , foo"])
def test_close_asked_by_the_app(site: Site, value: bytes) -> None:
    site.app = replies(headers=[(b"connection", value)])
    client = site.connect()
    client.send(REQUEST)
    assert client.last_answer().all(b"connection") == [value]


def test_another_connection_field_of_the_app_keeps_it(site: Site) -> None:
    site.app = replies(headers=[(b"connection", b"keep-alive")])
    client = site.connect()
    for _ in range(3):
        assert client.exchange(REQUEST).header(b"connection") == b"keep-alive"


@pytest.mark.parametrize("first", ["request", "answer", "http 1.0"])
def test_nothing_is_served_after_close(site: Site, first: str) -> None:
    fields = [(b"connection", b"close")] if first == "answer" else []
    site.app = recorder = Recorder(replies(headers=fields))
    close = [("Connection", "close")] if first == "request" else []
    version = "1.0" if first == "http 1.0" else "1.1"
    client = site.connect()
    client.send(request(headers=close, version=version) + REQUEST * 3)
    assert client.last_answer().status == 200
    assert recorder.started == 1


def test_a_request_after_close_in_a_later_read_is_not_served(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await gate.wait()
        await replies()(scope, receive, send)

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(request(headers=[("Connection", "close")]))
    gate.wait_reached()
    client.send(REQUEST)
    time.sleep(0.02)
    gate.open()
    assert client.last_answer().status == 200
    assert recorder.started == 1


def test_garbage_after_close_is_no_refusal(site: Site) -> None:
    client = site.connect()
    client.send(request(headers=[("Connection", "close")]) + b"\x00garbage\r\n\r\n")
    assert client.last_answer().status == 200
    assert site.warnings == []


def test_a_close_delivers_all_of_a_large_answer(site: Site) -> None:
    site.app = sends(start(), body(b"x" * 3_000_000, True), body(b"end"))
    client = site.connect()
    client.send(request(headers=[("Connection", "close")]))
    time.sleep(0.05)
    assert client.last_answer().body == b"x" * 3_000_000 + b"end"


def test_connections_are_known_while_they_are_open(site: Site) -> None:
    connections = site.server.server.server_state.connections
    clients = [site.connect() for _ in range(10)]
    for client in clients:
        client.exchange(REQUEST)
    assert len(connections) == 10
    for client in clients[:9]:
        client.close()
    eventually(lambda: len(connections) == 1)


def test_requests_are_counted(site: Site) -> None:
    state = site.server.server.server_state
    before = state.total_requests
    client = site.connect()
    for _ in range(3):
        client.exchange(REQUEST)
    eventually(lambda: state.total_requests == before + 3)


@pytest.mark.parametrize(
    "early", [b"", b"\r\n", b"GE", b"GET / HTTP/1.1\r\nHost: h\r\n"]
)
def test_end_before_a_request_is_silent(site: Site, early: bytes) -> None:
    """Health checks of load balancers; nothing is logged, nothing answered."""
    client = site.connect()
    if early:
        client.send(early)
    client.finish()
    assert client.read_to_eof() == b""
    site.wait_idle()
    assert site.warnings == []


def test_idle_connections_are_closed_in_time_and_not_before(
    start_server: Callable[..., Site],
) -> None:
    """One second of keep-alive: what is idle ends, what works does not."""
    gate = Gate()

    async def app(scope, receive, send):
        if scope["path"] == "/slow":
            await gate.wait()
        await replies()(scope, receive, send)

    site = start_server(app, timeout_keep_alive=1)
    idle, slow = site.connect(), site.connect()
    slow.send(request(target="/slow"))
    began = time.monotonic()
    idle.exchange(REQUEST)
    assert idle.read_to_eof() == b""
    assert time.monotonic() - began >= 1
    slow.assert_silent(0.3)
    began = time.monotonic()
    gate.open()
    assert slow.last_answer().status == 200
    assert time.monotonic() - began >= 1
    assert site.warnings == []


def test_a_request_that_came_while_the_loop_was_held_up_is_served(
    start_server: Callable[..., Site],
) -> None:
    """Its time is over when the loop looks again, but its bytes were there before."""
    gate, answered, sent = Gate(), asyncio.Event(), threading.Event()

    async def app(scope, receive, send):
        if scope["path"] == "/hold":
            gate.reached.set()
            await answered.wait()
            sent.wait(TIMEOUT)
            time.sleep(1.4)
        await replies()(scope, receive, send)
        answered.set()  # the loop is held up as soon as this answer is out

    site = start_server(app, timeout_keep_alive=1)
    idle, holding = site.connect(), site.connect()
    holding.send(request(target="/hold"))
    gate.wait_reached()
    assert idle.exchange(REQUEST).status == 200
    idle.send(REQUEST)
    sent.set()
    assert idle.answer().status == 200
    assert holding.answer().status == 200


def test_a_body_that_nobody_wants_and_that_never_comes(
    start_server: Callable[..., Site],
) -> None:
    """Answered, and silent since: idle like any other, whatever it still owes."""
    site = start_server(timeout_keep_alive=1)
    client = site.connect()
    began = time.monotonic()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n")
    assert client.last_answer().status == 200
    assert time.monotonic() - began >= 1
    state = site.server.server.server_state
    assert state.limits_met == {"timeout_keep_alive": 1}


def test_keep_alive_of_zero_closes_at_once(start_server: Callable[..., Site]) -> None:
    site = start_server(timeout_keep_alive=0)
    client = site.connect()
    client.send(REQUEST)
    assert client.answer().status == 200
    assert client.read_to_eof() == b""

"""A handshake that the application denies: 403, an answer of its own, or a fault."""

from __future__ import annotations

import pytest
from harness.apps import Gate, Recorder
from harness.fixtures import Site
from harness.server import eventually
from harness.websocket import CONNECT, gone, handshake

START = "websocket.http.response.start"
BODY = "websocket.http.response.body"


def denies(*messages: dict) -> Recorder:
    async def app(scope, receive, send):
        assert await receive() == CONNECT
        for message in messages:
            await send(message)
        assert await receive() == gone(1006)

    return Recorder(app)


def test_a_denial_in_one_part_has_its_length(site: Site) -> None:
    head = {"type": START, "status": 401, "headers": [(b"X-Why", b"no")]}
    site.app = recorder = denies(head, {"type": BODY, "body": b"not you"})
    client = site.connect()
    client.send(handshake("/x"))
    answer = client.refused(401)
    assert answer.body == b"not you"
    assert answer.header(b"content-length") == b"7"
    assert answer.header(b"content-type") == b"text/plain; charset=utf-8"
    assert answer.header(b"x-why") == b"no"
    eventually(lambda: recorder.ended)
    assert site.messages[-1].endswith('"WebSocket /x" 401')


def test_a_denial_in_several_parts(site: Site) -> None:
    parts = [{"type": BODY, "body": b"x" * 9999, "more_body": True}] * 50
    site.app = denies({"type": START, "status": 503}, *parts, {"type": BODY})
    client = site.connect()
    client.send(handshake())
    assert client.refused(503).body == b"x" * 9999 * 50


def test_a_denial_in_several_parts_with_its_own_length(site: Site) -> None:
    headers = [(b"content-length", b"6"), (b"content-type", b"text/html")]
    parts = [{"type": BODY, "body": b"not", "more_body": True}]
    site.app = denies(
        {"type": START, "status": 403, "headers": headers},
        *parts,
        {"type": BODY, "body": b"you"},
    )
    client = site.connect()
    client.send(handshake())
    answer = client.refused(403)
    assert answer.body == b"notyou"
    assert answer.all(b"content-length") == [b"6"]
    assert answer.all(b"content-type") == [b"text/html"]
    assert answer.all(b"transfer-encoding") == []


@pytest.mark.parametrize("status", [204, 304])
def test_a_denial_that_has_no_body(site: Site, status: int) -> None:
    site.app = denies({"type": START, "status": status}, {"type": BODY})
    client = site.connect()
    client.send(handshake())
    assert client.refused(status).body == b""


@pytest.mark.parametrize("body", [b"four", "text", None])
def test_a_denials_body_that_no_peer_may_be_sent(site: Site, body: object) -> None:
    headers = [(b"content-length", b"3")]
    raised: list[BaseException] = []

    async def app(scope, receive, send):
        await send({"type": START, "status": 403, "headers": headers})
        try:
            await send({"type": BODY, "body": body})
        except (RuntimeError, TypeError) as error:
            raised.append(error)

    site.app = app
    client = site.connect()
    client.send(handshake())
    assert not client.cut_answer().complete
    assert len(raised) == 1
    assert len(site.errors) == 1


def test_a_denial_waits_for_a_peer_that_does_not_read(site: Site) -> None:
    """Its parts are sent as they come, and no faster than they are read."""
    sent = 0

    async def app(scope, receive, send):
        nonlocal sent
        await send({"type": START, "status": 403})
        for _ in range(300):
            part = {"type": BODY, "body": b"x" * 100_000, "more_body": True}
            await send(part)
            sent += 1
        await send({"type": BODY})

    site.app = app
    client = site.connect()
    client.send(handshake())
    client.assert_not_progressing(lambda: sent)
    assert sent < 250
    assert len(client.refused(403).body) == 300 * 100_000


@pytest.mark.parametrize("how", ["finish", "reset"])
def test_a_peer_that_leaves_during_a_denial(site: Site, how: str) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        assert await receive() == CONNECT
        await send({"type": START, "status": 403})
        await send({"type": BODY, "body": b"half", "more_body": True})
        await gate.wait()
        assert await receive() == gone(1006)
        await send({"type": BODY, "body": b"more", "more_body": True})

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(handshake())
    gate.wait_reached()
    getattr(client, how)()
    gate.open()
    eventually(lambda: recorder.ended)
    site.wait_idle()
    assert site.warnings == []


@pytest.mark.parametrize("raises", [False, True])
def test_a_denial_that_is_not_completed_is_cut(site: Site, raises: bool) -> None:
    async def app(scope, receive, send):
        await send({"type": START, "status": 400})
        await send({"type": BODY, "body": b"half", "more_body": True})
        if raises:
            raise ValueError("a fault")

    site.app = app
    client = site.connect()
    client.send(handshake())
    assert client.cut_answer().body in (b"half", b"")
    assert len(site.errors) == 1


@pytest.mark.parametrize(
    "head",
    [
        {"status": 99},
        {"status": 101},
        {"status": 600},
        {"status": None},
        {"status": 403, "headers": [(b"x", b"a\r\nb: c")]},
    ],
)
def test_a_denial_that_no_peer_may_be_sent_is_500(site: Site, head: dict) -> None:
    site.app = denies({"type": START, **head})
    client = site.connect()
    client.send(handshake())
    assert client.refused(500).body == b"Internal Server Error"
    assert len(site.errors) == 1


@pytest.mark.parametrize("how", ["returns", "raises"])
def test_an_app_that_ends_without_an_answer_is_500(site: Site, how: str) -> None:
    async def app(scope, receive, send):
        if how == "raises":
            raise ValueError("a fault")

    site.app = app
    client = site.connect()
    client.send(handshake())
    assert client.refused(500).body == b"Internal Server Error"
    assert len(site.errors) == 1

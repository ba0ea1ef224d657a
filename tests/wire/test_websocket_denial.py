"""A handshake that the application denies: 403, an answer of its own, or a fault."""

from __future__ import annotations

import pytest
from harness.apps import Recorder
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

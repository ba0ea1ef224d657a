"""Applications that break the contract: what they are told, what the client gets, what
the log says. uvicorn's wording throughout."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pytest
from harness.apps import Recorder, Send, body, replies, respond, sends, start
from harness.client import REQUEST, request
from harness.fixtures import Site

RAISED = "Exception in ASGI application\n"
NO_START = "ASGI callable returned without starting response."
NO_END = "ASGI callable returned without completing response."
LENGTH = (b"content-length", b"2")


def raises(exc: BaseException, *messages: dict):
    async def app(scope, receive, send):
        for message in messages:
            await send(message)
        raise exc

    return app


@pytest.mark.parametrize(
    "exc",
    [
        ValueError("broken"),
        BaseException("broken"),
        SystemExit(5),
        SystemExit(),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
        StopAsyncIteration(),
        ExceptionGroup("many", [ValueError("broken")]),
        BaseExceptionGroup("many", [SystemExit(1)]),
        OSError("broken"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("waits", [False, True])
def test_raised_before_the_start_is_500_and_a_traceback(
    site: Site, exc: BaseException, waits: bool
) -> None:
    async def app(scope, receive, send):
        if waits:
            await asyncio.sleep(0.001)
        raise exc

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    answer = client.last_answer()
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    (record,) = [r for r in site.records() if r.levelname == "ERROR"]
    assert site.errors == [RAISED + repr(exc)]
    assert record.exc_info[1] is exc
    assert record.exc_info[2] is not None
    site.app = replies()
    assert site.connect().exchange(REQUEST).status == 200


@pytest.mark.parametrize("exc", [ValueError("broken"), SystemExit(1)], ids=repr)
def test_raised_after_the_start_cuts_the_answer(site: Site, exc: BaseException) -> None:
    site.app = raises(exc, start(), body(b"some", True))
    client = site.connect()
    client.send(REQUEST + REQUEST)
    answer = client.cut_answer()
    assert (answer.status, answer.body) == (200, b"some")
    assert site.errors == [RAISED + repr(exc)]


@pytest.mark.parametrize("fields", [[], [LENGTH], [(b"content-length", b"0")]])
def test_raised_after_a_start_without_a_body(site: Site, fields: list) -> None:
    """No 500: the answer has begun. Not even one of length 0 may look whole."""
    site.app = raises(ValueError("broken"), start(201, fields))
    client = site.connect()
    client.send(REQUEST)
    answer = client.cut_answer()
    assert answer.status in (0, 201)
    assert site.errors == [RAISED + repr(ValueError("broken"))]


@pytest.mark.parametrize("exc", [ValueError("late"), SystemExit(1)], ids=repr)
def test_raised_after_a_complete_answer_closes(site: Site, exc) -> None:
    site.app = raises(exc, start(200, [LENGTH]), body(b"ok"))
    client = site.connect()
    client.send(REQUEST)
    assert client.last_answer().body == b"ok"
    assert site.errors == [RAISED + repr(exc)]


def test_nothing_answered(site: Site) -> None:
    site.app = sends()
    client = site.connect()
    client.send(REQUEST)
    answer = client.last_answer()
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert site.errors == [NO_START]


@pytest.mark.parametrize("fields", [[], [LENGTH], [(b"content-length", b"0")]])
def test_start_alone(site: Site, fields: list) -> None:
    site.app = sends(start(201, fields))
    client = site.connect()
    client.send(REQUEST)
    assert client.cut_answer().status in (0, 201)
    assert site.errors == [NO_END]


@pytest.mark.parametrize("fields", [[], [LENGTH]])
def test_half_an_answer(site: Site, fields: list) -> None:
    site.app = sends(start(200, fields), body(b"o", True))
    client = site.connect()
    client.send(REQUEST + REQUEST)
    assert client.cut_answer().body == b"o"
    assert site.errors == [NO_END]


@pytest.mark.parametrize("value", ["text", 0, False, b"", []])
def test_a_returned_value_closes(site: Site, value: object) -> None:
    async def app(scope, receive, send):
        await respond(send)
        return value

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    assert client.last_answer().body == b"ok"
    assert site.errors == [f"ASGI callable should return None, but returned '{value}'."]


def test_a_returned_value_instead_of_an_answer_closes(site: Site) -> None:
    async def app(scope, receive, send):
        return "text"

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    assert client.read_to_eof() == b""
    assert site.errors == ["ASGI callable should return None, but returned 'text'."]


START_FIRST = "Expected ASGI message 'http.response.start', but got '%s'."
BODY_NEXT = "Expected ASGI message 'http.response.body', but got '%s'."
AFTER_END = "Unexpected ASGI message '%s' sent, after response already completed."


@pytest.mark.parametrize(
    "kind", ["http.response.body", "websocket.accept", "http.response.pathsend", ""]
)
def test_another_message_before_the_start(site: Site, kind: str) -> None:
    site.app = recorder = Recorder(sends({"type": kind, "body": b""}))
    client = site.connect()
    client.send(REQUEST)
    assert client.last_answer().status == 500
    (raised,) = recorder.raised
    assert isinstance(raised, RuntimeError) and str(raised) == START_FIRST % kind
    assert site.errors == [RAISED + repr(raised)]


def test_an_app_may_recover_from_a_message_before_the_start(site: Site) -> None:
    """Nothing was started, so the connection is as good as new."""

    async def app(scope, receive, send):
        with pytest.raises(RuntimeError):
            await send(body(b"early"))
        await respond(send)

    site.app = app
    client = site.connect()
    for _ in range(2):
        assert client.exchange(REQUEST).body == b"ok"


@pytest.mark.parametrize(
    "kind", ["http.response.start", "websocket.send", "http.response.unknown"]
)
@pytest.mark.parametrize("before", [[], [body(b"o", True)]])
def test_another_message_after_the_start(site: Site, kind: str, before: list) -> None:
    message = {"type": kind, "status": 500, "headers": []}
    site.app = recorder = Recorder(sends(start(200, [LENGTH]), *before, message))
    client = site.connect()
    client.send(REQUEST)
    answer = client.cut_answer()
    assert answer.status in (0, 200)
    (raised,) = recorder.raised
    assert isinstance(raised, RuntimeError) and str(raised) == BODY_NEXT % kind
    assert site.errors == [RAISED + repr(raised)]


@pytest.mark.parametrize("kind", ["http.response.start", "http.response.body"])
def test_any_message_after_the_end(site: Site, kind: str) -> None:
    message = {"type": kind, "status": 200, "body": b"more"}
    app = sends(start(200, [LENGTH]), body(b"ok"), message)
    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(REQUEST)
    assert client.last_answer().body == b"ok"
    (raised,) = recorder.raised
    assert isinstance(raised, RuntimeError) and str(raised) == AFTER_END % kind
    assert site.errors == [RAISED + repr(raised)]


def test_errors_of_order_come_at_the_await(site: Site) -> None:
    """send() itself never raises; an application may build the awaitable early."""
    raised = []

    async def app(scope, receive, send):
        awaitable = send(body(b"early"))
        try:
            await awaitable
        except RuntimeError as exc:
            raised.append(str(exc))
        await respond(send)

    site.app = app
    assert site.connect().exchange(REQUEST).body == b"ok"
    assert raised == [START_FIRST % "http.response.body"]


@pytest.mark.parametrize("message", [None, 5, "text", [], {}, {"kind": "x"}])
def test_a_message_that_is_none_is_an_error_to_the_app(site: Site, message) -> None:
    site.app = recorder = Recorder(sends(message))
    client = site.connect()
    client.send(REQUEST)
    assert client.last_answer().status == 500
    assert len(recorder.raised) == len(site.errors) == 1


class Deferred:
    """An awaitable that is no coroutine."""

    def __init__(self, send: Send) -> None:
        self.send = send

    def __await__(self) -> Generator[Any, None, None]:
        return respond(self.send, b"awaited").__await__()


@pytest.mark.parametrize(
    "app",
    [
        lambda scope, receive, send: Deferred(send),
        lambda scope, receive, send: asyncio.ensure_future(respond(send, b"awaited")),
    ],
    ids=["awaitable", "task"],
)
def test_an_app_may_return_any_awaitable(
    start_server: Callable[..., Site], app
) -> None:
    site = start_server(served_as=app, interface="asgi3", lifespan="off")
    client = site.connect()
    for _ in range(3):
        assert client.exchange(REQUEST).body == b"awaited"


def test_one_fault_does_not_touch_another_connection(site: Site) -> None:
    other = site.connect()
    assert other.exchange(REQUEST).status == 200
    site.app = raises(SystemExit(1))
    client = site.connect()
    client.send(REQUEST)
    assert client.last_answer().status == 500
    assert len(site.errors) == 1
    site.app = replies()
    assert other.exchange(request(target="/after")).status == 200

"""middleware/message_logger: passes everything on, and logs it without the bodies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastserve.logging import TRACE_LOG_LEVEL
from fastserve.middleware.message_logger import (
    MessageLoggerMiddleware,
    message_with_placeholders,
)

SCOPE = {"type": "http", "headers": [(b"a", b"b")], "client": ("127.0.0.1", 5000)}


async def receive() -> Any:
    return {"type": "http.request", "body": b"12345", "more_body": False}


async def call(app: Any, *scopes: Any) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    wrapped = MessageLoggerMiddleware(app)
    for scope in scopes:
        await wrapped(scope, receive, send)
    return sent


async def echo(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def test_messages_are_passed_on_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(TRACE_LOG_LEVEL, "uvicorn.asgi")
    sent = asyncio.run(call(echo, SCOPE))
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": "http.response.body", "body": b"12345"},
    ]
    assert {(r.name, r.levelno) for r in caplog.records} == {
        ("uvicorn.asgi", TRACE_LOG_LEVEL)
    }
    before = "127.0.0.1:5000 - ASGI [1]"
    assert [r.getMessage() for r in caplog.records] == [
        f"{before} Started scope={{'type': 'http', 'headers': '<...>', "
        "'client': ('127.0.0.1', 5000)}",
        f"{before} Receive {{'type': 'http.request', 'body': '<5 bytes>', "
        "'more_body': False}",
        f"{before} Send {{'type': 'http.response.start', 'status': 200, "
        "'headers': '<...>'}",
        f"{before} Send {{'type': 'http.response.body', 'body': '<5 bytes>'}}",
        f"{before} Completed",
    ]


def test_scopes_are_numbered_and_may_have_no_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(TRACE_LOG_LEVEL, "uvicorn.asgi")

    async def nothing(scope: Any, receive: Any, send: Any) -> None: ...

    asyncio.run(call(nothing, {"type": "lifespan"}, {"type": "http", "client": None}))
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "ASGI [1] Started scope={'type': 'lifespan'}",
        "ASGI [1] Completed",
        "ASGI [2] Started scope={'type': 'http', 'client': None}",
        "ASGI [2] Completed",
    ]


def test_an_exception_goes_through(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(TRACE_LOG_LEVEL, "uvicorn.asgi")

    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("why")

    with pytest.raises(RuntimeError, match="why"):
        asyncio.run(call(fails, SCOPE))
    expected = "127.0.0.1:5000 - ASGI [1] Raised exception"
    assert caplog.records[-1].getMessage() == expected


def test_placeholders() -> None:
    message = {"bytes": None, "text": "\u6f22\u5b57", "body": bytearray(3), "more": 1}
    shown = message_with_placeholders(message)
    assert shown == {
        "bytes": None,
        "text": "<2 chars>",
        "body": "<3 bytes>",
        "more": 1,
    }
    assert message["text"] == "\u6f22\u5b57"


def test_headers_may_be_an_iterator() -> None:
    headers = iter([(b"a", b"b")])
    shown = message_with_placeholders({"headers": headers})
    assert shown == {"headers": "<...>"}
    assert next(headers) == (b"a", b"b")

"""Small ASGI applications, and what records how the server calls them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from .server import TIMEOUT

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]


def start(status: Any = 200, headers: Any = ()) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: Any = b"", more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def respond(
    send: Send, data: bytes = b"ok", status: int = 200, headers: Headers = ()
) -> None:
    """A whole answer with its Content-Length."""
    length = (b"content-length", b"%d" % len(data))
    await send(start(status, [length, *headers]))
    await send(body(data))


async def read_body(receive: Receive) -> bytes:
    """The request's body; ConnectionError if the client left inside it."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionError(message["type"])
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


def sends(*messages: Message) -> App:
    """An application that sends these messages and reads nothing."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def replies(data: bytes = b"ok", status: int = 200, headers: Headers = ()) -> App:
    """An application that gives this answer to each request, and reads nothing."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, data, status, headers)

    return app


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the request's body; silent when the client left inside it."""
    try:
        data = await read_body(receive)
    except ConnectionError:
        return
    await respond(send, data)


async def echo_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the request's path."""
    await respond(send, scope["path"].encode())


class Recorder:
    """Wraps an application: keeps each scope and each message it received, and what
    it raised. The server's own answers to what the application does are unchanged."""

    def __init__(self, app: App = echo) -> None:
        self.app = app
        self.scopes: list[Scope] = []
        self.received: list[Message] = []
        self.raised: list[BaseException] = []
        self.ended = 0
        self.started = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started += 1
        self.scopes.append(scope)

        async def recording_receive() -> Message:
            message = await receive()
            self.received.append(message)
            return message

        try:
            return await self.app(scope, recording_receive, send)
        except BaseException as exc:
            self.raised.append(exc)
            raise
        finally:
            self.ended += 1

    @property
    def scope(self) -> Scope:
        """The only request's scope."""
        (scope,) = self.scopes
        return scope

    @property
    def paths(self) -> list[str]:
        return [scope["path"] for scope in self.scopes]

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.received if "body" in m)

    @property
    def kinds(self) -> list[str]:
        return [message["type"] for message in self.received]


class Gate:
    """Holds an application back until the test's thread opens it."""

    def __init__(self) -> None:
        self.reached = threading.Event()  # set by the application
        self._open = threading.Event()

    async def wait(self) -> None:
        self.reached.set()
        async with asyncio.timeout(2 * TIMEOUT):
            while not self._open.is_set():
                await asyncio.sleep(0.002)

    def wait_reached(self, timeout: float = TIMEOUT) -> None:
        assert self.reached.wait(timeout), "the application did not come so far"

    def open(self) -> None:
        self._open.set()

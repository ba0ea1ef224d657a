"""The application of a fuzzed WebSocket: what an input says that it does, and what it
has seen of the server meanwhile. Nothing here knows what the peer has sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from _input import Input
from _world import World
from harness.websocket import ACCEPT, CLOSE_IT, messages_of, say

from fastserve.protocols.utils import ClientDisconnected

LARGEST = 70_000  # characters that it sends at once
SIZES = (0, 1, 5, 15, 16, 60, 100, 124, 125, 126, 127, 300, 1000, 5000, 66_000, LARGEST)
CODES = (1000, 1001, 1002, 1003, 1007, 1009, 1011, 3000, 4999)

OPENINGS: tuple[dict[str, Any], ...] = (
    {},
    {"subprotocol": "chat"},
    {"headers": [(b"x-a", b"1")]},
    {"subprotocol": "a b"},
    {"headers": [(b"x-a", b"1\r\nx-b: 2")]},
    {"headers": [(b"Connection", b"close")]},
)
BAD: tuple[dict[str, Any], ...] = (
    {"type": "websocket.send"},
    {"type": "websocket.send", "text": "\ud800"},
    {"type": "websocket.send", "text": b"bytes"},
    {"type": "websocket.send", "bytes": "text"},
    {"type": "http.response.start", "status": 200},
    {"text": "without a type"},
)


class Raised(Exception):
    """The application fails."""


class Player:
    """Runs one program, whose bytes are a step each, or that and another beside it.

    When they are through it reads until the end, with `echo` sending all of it back.
    """

    def __init__(self, programs: list[bytes], echo: bool) -> None:
        self.programs = programs
        self.echo = echo and len(programs) == 1
        self.events: list[dict[str, Any]] = []
        self.sent: list[list[str | bytes]] = [[], []]
        self.codes: list[int] = []  # of the closes that send() has taken
        self.status: int | None = None  # of its denial
        self.called = self.accepted = self.denied = self.over = False
        self.ended_first = False  # before it has heard of an end
        self.fault: BaseException | None = None

    @property
    def disconnect(self) -> dict[str, Any] | None:
        at_end = self.events and self.events[-1]["type"] == "websocket.disconnect"
        return self.events[-1] if at_end else None

    @property
    def messages(self) -> list[str | bytes]:
        return messages_of(self.events)

    @property
    def came_first(self) -> bool:
        """Whether it has ended the WebSocket, or would have if the peer had not."""
        return self.ended_first or bool(self.codes) or self.denied

    async def __call__(self, world: World, scope: Any, receive: Any, send: Any) -> None:
        assert not self.called, "called twice"
        assert scope["type"] == "websocket"
        self.called = True
        try:
            await self._run(0, world, receive, send)
        except BaseException as error:
            self._keep(error)
            raise
        finally:
            self.over = True
            self.ended_first = self.disconnect is None

    async def _run(self, who: int, world: World, receive: Any, send: Any) -> None:
        steps = Input(self.programs[who])
        while steps:
            byte = steps.byte()
            if await self._step(who, byte & 15, byte >> 4, world, receive, send):
                return
        if who == 0:
            await self._rest(receive, send)

    async def _rest(self, receive: Any, send: Any) -> None:
        if not (self.accepted or self.denied):
            await self._open(0, send)
        while self.disconnect is None:
            message = self._take(await receive())
            for data in messages_of([message]) if self.echo else ():
                await self._say(0, data, send)

    async def _step(
        self, who: int, what: int, number: int, world: World, receive: Any, send: Any
    ) -> bool:
        """Whether that was the last one."""
        if what == 0 and who == 0:
            for _ in range(number + 1):
                self._take(await receive())
        elif what == 1 and who == 0:
            self._receive_and_cancel(receive)
        elif what < 4:
            text = f"{who}é"[: 1 + number % 2] + "x" * SIZES[number]
            await self._say(who, text if number & 1 else text.encode(), send)
        elif what < 6:
            await world.gate()
        elif what == 6:
            code = CODES[number % len(CODES)]
            message = {**CLOSE_IT, "code": code, "reason": "r" * (number & 3)}
            if await self._try(message, send) is None and self.accepted:
                self.codes.append(code)
            self.denied |= not self.accepted
        elif what == 7:
            raise Raised
        elif what == 8:
            return True
        elif what == 9:
            await self._open(number, send)
        elif what == 10:
            await self._deny(number, send)
        elif what == 11:
            error = await self._try(BAD[number % len(BAD)], send)
            assert error is not None
        elif what == 12 and who == 0 and len(self.programs) == 2:
            second = self._second(world, receive, send)
            self.task = asyncio.Task(second, loop=world.loop)  # type: ignore[arg-type]
        elif what == 13:
            await self._say(who, memoryview(b"%d" % who + bytes(number)), send)
        return False

    async def _second(self, world: World, receive: Any, send: Any) -> None:
        try:
            await self._run(1, world, receive, send)
        except BaseException as error:
            self._keep(error)

    def _keep(self, error: BaseException) -> None:
        if not isinstance(error, Raised):
            self.fault = error

    def _take(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message of receive()'s; an end is given as often as it is asked for."""
        if self.disconnect is not None:
            assert message == self.disconnect, (message, self.disconnect)
        else:
            self.events.append(message)
        return message

    def _receive_and_cancel(self, receive: Callable[[], Awaitable[Any]]) -> None:
        call = receive().__await__()
        try:
            call.send(None)  # type: ignore[attr-defined]
        except StopIteration as stop:
            self._take(stop.value)
        else:
            try:
                call.throw(asyncio.CancelledError())  # type: ignore[attr-defined]
            except asyncio.CancelledError:
                return
            raise AssertionError("it is not cancelled")

    async def _try(self, message: dict[str, Any], send: Any) -> Exception | None:
        try:
            await send(message)
        except (RuntimeError, OSError, ValueError, TypeError, LookupError) as error:
            if message.get("type") == "websocket.send" and self.accepted:
                known = self.disconnect is not None and not self.codes
                assert not known or isinstance(error, ClientDisconnected)
            return error
        return None

    async def _say(self, who: int, data: Any, send: Any) -> None:
        message = {"type": "websocket.send", "bytes": data}
        if await self._try(say(data) if type(data) is str else message, send) is None:
            self.sent[who].append(bytes(data) if type(data) is memoryview else data)

    async def _open(self, number: int, send: Any) -> None:
        more = OPENINGS[number % len(OPENINGS)]
        if await self._try({**ACCEPT, **more}, send) is None:
            self.accepted = True

    async def _deny(self, number: int, send: Any) -> None:
        status = (200, 404, 204, 600)[number & 3]
        fields = [(b"content-length", b"6")] if number & 4 else []
        start = {"type": "websocket.http.response.start", "status": status}
        if await self._try({**start, "headers": fields}, send) is None:
            self.status, self.denied = status, True
        part = {"type": "websocket.http.response.body", "body": b"abc"}
        await self._try({**part, "more_body": True}, send)
        if not number & 8:
            await self._try(part, send)

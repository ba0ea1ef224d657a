"""The application behind the servers of these tests; `/` answers what it has seen."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("only HTTP")
    answer = {"/": show, "/pid": show_pid, "/echo": echo, "/slowly": slowly}
    await answer[scope["path"]](scope, receive, send)


async def start(send: Any, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def whole(send: Any, body: bytes) -> None:
    await start(send, (b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.body", "body": body})


async def show(scope: Any, receive: Any, send: Any) -> None:
    headers = [[part.decode("latin-1") for part in field] for field in scope["headers"]]
    seen = {key: scope[key] for key in ("client", "scheme", "http_version")}
    await whole(send, json.dumps({**seen, "headers": headers}).encode())


async def show_pid(scope: Any, receive: Any, send: Any) -> None:
    await whole(send, str(os.getpid()).encode())


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """The body, piece by piece, in chunks."""
    await start(send)
    more = True
    while more:
        message = await receive()
        body, more = message.get("body", b""), message.get("more_body", False)
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def slowly(scope: Any, receive: Any, send: Any) -> None:
    """Three pieces, the last half a second after the first."""
    await start(send, (b"x-accel-buffering", b"no"))
    for word in (b"one", b"two", b"three"):
        await send({"type": "http.response.body", "body": word, "more_body": True})
        await asyncio.sleep(0.25)
    await send({"type": "http.response.body"})

"""Applications that the server tests run; each does one thing, none needs a library."""

from __future__ import annotations

import asyncio
import os


async def _answer(send, body: bytes, status: int = 200) -> None:
    headers = [(b"content-type", b"text/plain")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def hello(scope, receive, send):
    """Answers every request; knows no lifespan."""
    if scope["type"] != "http":
        raise RuntimeError("only HTTP")
    await _answer(send, b"hello")


async def slow(scope, receive, send):
    """Answers after `?SECONDS`; the log says when it starts waiting."""
    if scope["type"] != "http":
        raise RuntimeError("only HTTP")
    print("app: request under way", flush=True)
    await asyncio.sleep(float(scope["query_string"] or b"1"))
    await _answer(send, b"slow")


async def pid(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("only HTTP")
    await _answer(send, str(os.getpid()).encode())

"""The application of soak.py: routes of each kind, and what is alive in its process."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from harness.websocket import echo  # noqa: E402

PAGE = os.sysconf("SC_PAGE_SIZE")
Send = Callable[[dict[str, Any]], Awaitable[None]]


def alive() -> dict[str, int]:
    """What must stay flat; the request that asks is in it, each time alike."""
    gc.collect()
    return {
        "rss": int(Path("/proc/self/statm").read_text().split()[1]) * PAGE,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "tasks": len(asyncio.all_tasks()),
        "objects": len(gc.get_objects()),
        "blocks": sys.getallocatedblocks(),
    }


async def answer(send: Send, *parts: bytes, status: int = 200) -> None:
    fields = [] if len(parts) > 1 else [(b"content-length", b"%d" % len(parts[0]))]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    for number, part in enumerate(parts, 1):
        more = number < len(parts)
        await send({"type": "http.response.body", "body": part, "more_body": more})


async def read(receive: Any) -> bytes:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    return body


async def app(scope: Any, receive: Any, send: Any) -> None:
    path = scope["path"]
    if scope["type"] == "websocket":
        await echo(scope, receive, send)
    elif path == "/alive":
        await answer(send, json.dumps(alive()).encode())
    elif path == "/echo":
        await answer(send, await read(receive))
    elif path == "/parts":
        await answer(send, b"one ", b"two ", b"three", b"")
    elif path == "/later":
        await asyncio.sleep(0)
        await answer(send, b"later")
    elif path == "/waits":
        await asyncio.sleep(0.001)
        await answer(send, *[b"x" * 40_000] * 4)
    elif path == "/":
        await answer(send, b"Hello, world!\n")
    else:
        await answer(send, b"Not Found", status=404)

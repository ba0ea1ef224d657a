"""Applications for what goes wrong: a path for each way to hang, or to raise."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

from _apps import answer, say

sys.path.append(str(Path(__file__).parent.parent))

from harness.apps import body, read_body, start  # noqa: E402
from harness.websocket import listen  # noqa: E402

NOTICE = 0.2  # seconds, --timeout-drain-notice
LIMIT = 1  # seconds, --timeout-graceful-shutdown where there is one
PART = b"x" * 1000
STREAM = (b"content-type", b"text/event-stream; charset=utf-8")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket":
        await listen(scope, receive, send)
        return
    await PATHS[scope["path"]](scope, receive, send)


async def events(scope, receive, send):
    """Endless, and ends in order when it hears that nobody listens."""
    await send(start(headers=[STREAM]))
    await send(body(b"data: first\n\n", more=True))
    while (message := await receive())["type"] != "http.disconnect":
        pass
    say(f"events: {message['type']}")
    await send(body(b"data: last\n\n"))


async def events_for_body(scope, receive, send):
    """The same, once the request's body is there."""
    say("body begins")
    await read_body(receive)
    await events(scope, receive, send)


async def deaf_events(scope, receive, send):
    """Endless, and hears nothing."""
    await send(start(headers=[STREAM]))
    while True:
        await send(body(b"data: again\n\n", more=True))
        await asyncio.sleep(0.05)


async def download(scope, receive, send):
    """Parts, until there is a file of the name in the query; then the end."""
    await send(start())
    parts = 0
    while not os.path.exists(scope["query_string"]):
        await send(body(PART, more=True))
        parts += 1
        await asyncio.sleep(0.02)
    await send(body(b"parts: %d" % parts))


async def upload(scope, receive, send):
    say("body begins")
    await answer(send, b"%d" % len(await read_body(receive)))


async def waits(scope, receive, send):
    """No answer; it ends when it hears of a disconnect."""
    say("waits")
    while (await receive())["type"] != "http.disconnect":
        pass
    say("waits no more")


async def stubborn(scope, receive, send):
    """Swallows its cancellation."""
    say("stubborn")
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            say("stubborn: not cancelled")


async def thread(scope, receive, send):
    """Waits for a thread that does not end."""
    say("thread")
    await asyncio.to_thread(threading.Event().wait, 600)


async def blocks(scope, receive, send):
    """Holds the loop up until there is a file of the name in the query."""
    while not os.path.exists(scope["query_string"]):
        time.sleep(0.02)
    await answer(send, b"blocked")


async def plain(scope, receive, send):
    await answer(send, b"plain")


PATHS = {
    "/events": events,
    "/later": events_for_body,
    "/deaf": deaf_events,
    "/download": download,
    "/upload": upload,
    "/waits": waits,
    "/stubborn": stubborn,
    "/thread": thread,
    "/blocks": blocks,
    "/": plain,
}


async def raises(scope, receive, send):
    """Raises wherever an application can."""
    if scope["type"] != "http" or scope["path"] == "/at-once":
        raise RuntimeError("in vain")
    if scope["path"] == "/in-receive":
        await fails(receive())
    if scope["path"] == "/in-send":
        await send(start())
        await fails(send(body(b"part", more=True)))
    await answer(send, b"served")
    if scope["path"] == "/in-background":
        raise RuntimeError("in vain")


async def fails(step):
    await step
    raise RuntimeError("in vain")

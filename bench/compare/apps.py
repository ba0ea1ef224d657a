"""The plain ASGI applications under test, served alike by every server.

They never import a server or a framework, and they keep nothing between
requests: every message is a new dict, as a framework would make it. The servers
run them with the lifespan protocol off, so a scope is always an HTTP one.
"""

import asyncio
import time

PLAINTEXT = b"Hello, World!"
KIB64 = b"k" * (64 * 1024)
MIB1 = b"m" * (1024 * 1024)
FILE = b"f" * (256 * 1024)
CHUNK = b"c" * 128
CHUNKS = 100
EVENT_SECONDS = 0.1  # between two events of a client


def text_headers(length):
    """The two headers of an answer of `length` bytes."""
    return [(b"content-type", b"text/plain"), (b"content-length", b"%d" % length)]


PLAINTEXT_HEADERS = text_headers(len(PLAINTEXT))
KIB64_HEADERS = text_headers(len(KIB64))
MIB1_HEADERS = text_headers(len(MIB1))
STREAM_HEADERS = [(b"content-type", b"text/plain")]
EVENT_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
]


async def plaintext(scope, receive, send):
    """13 bytes, nothing read."""
    await send(
        {"type": "http.response.start", "status": 200, "headers": PLAINTEXT_HEADERS}
    )
    await send({"type": "http.response.body", "body": PLAINTEXT})


async def echo(scope, receive, send):
    """The body of the request, whole."""
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(parts)
    headers = text_headers(len(body))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def drain(scope, receive, send):
    """The number of bytes that receive() gave, in decimal."""
    count = 0
    more = True
    while more:
        message = await receive()
        count += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"%d" % count
    headers = text_headers(len(body))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def kib64(scope, receive, send):
    """64 KiB in one message."""
    await send({"type": "http.response.start", "status": 200, "headers": KIB64_HEADERS})
    await send({"type": "http.response.body", "body": KIB64})


async def mib1(scope, receive, send):
    """1 MiB in one message."""
    await send({"type": "http.response.start", "status": 200, "headers": MIB1_HEADERS})
    await send({"type": "http.response.body", "body": MIB1})


async def stream(scope, receive, send):
    """100 chunks; the loop turns once between any two of them."""
    await send(
        {"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS}
    )
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})


async def named(scope, receive, send):
    """The path and the cookies, so that an answer tells which request it is for."""
    cookie = b""
    for name, value in scope["headers"]:
        if name == b"cookie":
            cookie = value
    body = scope["path"].encode() + b"?" + scope["query_string"] + b" " + cookie
    headers = text_headers(len(body))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def events(scope, receive, send):
    """Server-sent events without end: each is the time on the monotonic clock, in ns.

    It ends when the client has left: a server that does not cancel the application
    says so in receive().
    """
    await receive()
    left = asyncio.ensure_future(receive())
    await send({"type": "http.response.start", "status": 200, "headers": EVENT_HEADERS})
    try:
        while not left.done():
            body = b"data: %d\n\n" % time.monotonic_ns()
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await asyncio.sleep(EVENT_SECONDS)
    finally:
        left.cancel()

"""Refused requests and failing applications: nothing of them stays."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from counting import main, over_many_connections, read_to_eof

GET = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": []}
PART = {"type": "http.response.body", "body": b"x", "more_body": True}


async def app(scope, receive, send):
    path = scope["path"]
    if path == "/raise":
        raise ValueError
    if path == "/raise-later":
        await asyncio.sleep(0)
        raise ValueError
    if path == "/exit":
        raise SystemExit(1)
    if path == "/raise-inside":
        await send(START)
        await send(PART)
        raise ValueError
    if path == "/order":
        await send(PART)
    if path == "/header":
        await send({**START, "headers": [(b"x", b"a\nb")]})
    if path == "/status":
        await send({**START, "status": 99})
    if path == "/half":
        await send(START)
    if path == "/value":
        await send(START)
        await send({"type": "http.response.body"})
        return 5
    if path == "/body":
        while (await receive()).get("more_body"):
            pass


def refused(data: bytes):
    def exchange(sock) -> None:
        sock.sendall(data)
        read_to_eof(sock)

    return over_many_connections(exchange)


if __name__ == "__main__":
    chunked = b"POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    paths = ("raise", "raise-later", "exit", "raise-inside", "order", "header")
    paths += ("status", "half", "value", "nothing")
    main(
        app,
        {
            "garbage": refused(b"garbage\r\n\r\n"),
            "no host": refused(b"GET / HTTP/1.1\r\n\r\n"),
            "long line": refused(b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n"),
            "bad chunk": refused(chunked + b"5\r\nhelloXX"),
            "bad second request": refused(GET % b"/value" + b"garbage\r\n\r\n"),
            **{path: refused(GET % f"/{path}".encode()) for path in paths},
        },
    )

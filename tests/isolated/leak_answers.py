"""Exchanges that end well: nothing of them stays."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from counting import (
    ROUNDS,
    connect,
    main,
    over_many_connections,
    over_one_connection,
    read_to_eof,
    read_until,
)

GET = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b"
CHUNKED = (
    b"POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;a=b\r\nhello\r\n2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n"
)
LENGTH = [(b"content-length", b"2")]


async def app(scope, receive, send):
    path = scope["path"]
    if path == "/read":
        while (await receive())["more_body"]:
            pass
    elif path == "/wait":
        await asyncio.sleep(0)
        await asyncio.shield(asyncio.sleep(0))
    elif path == "/cancel":
        await receive()
        task = asyncio.create_task(receive())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    elif path == "/tasks":
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(asyncio.sleep(0))
    headers = [] if path == "/stream" else LENGTH
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path == "/stream":
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"ok"})
    if path == "/background":
        await asyncio.sleep(0)
        await receive()


def close(data: bytes):
    def exchange(sock) -> None:
        sock.sendall(data)
        assert read_to_eof(sock).endswith(b"ok")

    return over_many_connections(exchange)


def half_close(sock) -> None:
    sock.sendall(GET % b"/wait")
    sock.shutdown(1)
    assert read_to_eof(sock).endswith(b"ok")


def varying(address) -> None:
    """Headers that differ from request to request."""
    with connect(address) as sock:
        for number in range(ROUNDS):
            fields = b"".join(b"X-%d: %d\r\n" % (number % 7, number) for _ in range(5))
            sock.sendall(
                b"GET /%d?%d HTTP/1.1\r\nHost: h\r\n%b\r\n" % (number, number, fields)
            )
            read_until(sock, b"ok")


if __name__ == "__main__":
    main(
        app,
        {
            "get": over_one_connection(GET % b"/"),
            "varying headers": varying,
            "post": over_one_connection(POST % (b"/read", 5, b"hello")),
            "large post": over_one_connection(
                POST % (b"/read", 200_000, b"x" * 200_000)
            ),
            "unread post": over_one_connection(POST % (b"/", 5, b"hello")),
            "chunked": over_one_connection(CHUNKED),
            "stream": over_one_connection(GET % b"/stream", b"0\r\n\r\n"),
            "suspended": over_one_connection(GET % b"/wait"),
            "cancelled receive": over_one_connection(GET % b"/cancel"),
            "task group": over_one_connection(GET % b"/tasks"),
            "background": over_one_connection(GET % b"/background"),
            "expect": over_one_connection(
                b"POST /read HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                b"Content-Length: 2\r\n\r\nhi"
            ),
            "connection a request": over_many_connections(
                lambda sock: (sock.sendall(GET % b"/"), sock.recv(1000))
            ),
            "close": close(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
            "http 1.0": close(b"GET /stream HTTP/1.0\r\n\r\n"),
            "half-close": over_many_connections(half_close),
        },
    )

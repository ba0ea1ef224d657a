"""Clients that leave, in every way and at every point: nothing of them stays.

A connection that ends by RST, as a load balancer ends an idle one, must cancel what it
has set up just like one that ends by FIN.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from counting import main, over_many_connections, read_until, reset

GET = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n"
HALF_BODY = b"POST /listen HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhello"


async def app(scope, receive, send):
    if scope["path"] == "/listen":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/stream":
        part = {"type": "http.response.body", "body": b"x" * 60_000, "more_body": True}
        for _ in range(30):
            await send(part)
            await asyncio.sleep(0)
    await send({"type": "http.response.body"})


def leave(data: bytes, how: str, end: bytes = b"", pause: float = 0.0):
    def exchange(sock) -> None:
        if data:
            sock.sendall(data)
        if end:
            read_until(sock, end)
        if pause:
            time.sleep(pause)
        if how == "reset":
            reset(sock)

    return over_many_connections(exchange)


if __name__ == "__main__":
    points = {
        "before a byte": (b"", b"", 0.0),
        "inside the request line": (b"GET /", b"", 0.0005),
        "inside the head": (b"GET / HTTP/1.1\r\nHost: h\r\nX-", b"", 0.0005),
        "inside the body": (HALF_BODY, b"", 0.0005),
        "while the app listens": (GET % b"/listen", b"", 0.0005),
        "inside the answer": (GET % b"/stream", b"", 0.0005),
        "while idle": (GET % b"/", b"0\r\n\r\n", 0.0),
        "with requests waiting": ((GET % b"/listen") * 3, b"", 0.0005),
    }
    main(
        app,
        {
            f"{how} {name}": leave(data, how, end, pause)
            for how in ("close", "reset")
            for name, (data, end, pause) in points.items()
        },
        rough=True,
    )

"""The application behind a proxy that marks what it forwards; keeps what came.

Answers each request with what it was, as the proxy and as fastserve have it. `/seen`
gives all that came since it was last asked; HAProxy's `/check` is not counted.
"""

from __future__ import annotations

import json
from typing import Any

seen: list[dict[str, Any]] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("only HTTP")
    path = scope["path"]
    if path in ("/pid", "/check"):  # whether it is there at all
        return await answer(send, b"1")
    if path == "/seen":
        found = json.dumps(seen).encode()
        seen.clear()
        return await answer(send, found)
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    came = {
        "marks": fields(scope, b"x-mark"),
        "marked": fields(scope, b"x-method") + fields(scope, b"x-target"),
        "read": [scope["method"], target.decode("latin-1")],
    }
    seen.append(came)
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        more = message["more_body"]
    return await answer(send, json.dumps(came).encode())


def fields(scope: Any, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


async def answer(send: Any, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""A WebSocket upgrade for a ws= class of another's: it gets the transport.

Such a class reads the handshake's bytes itself, as uvicorn's do, so they are written
anew from the parsed request. This is the only place where that happens.
"""

from __future__ import annotations

import asyncio
from typing import Any

Headers = list[tuple[bytes, bytes]]


def is_handshake(method: str, headers: Headers) -> bool:
    """Whether a request that asks for an upgrade is a WebSocket's opening handshake.

    RFC 6455 4.1: a GET. One with a body is HTTP.
    """
    names = {name for name, _ in headers}
    if method != "GET" or names & {b"content-length", b"transfer-encoding"}:
        return False
    return any(
        name == b"upgrade" and value.lower() == b"websocket" for name, value in headers
    )


def hand_over(
    shared: Any,
    app_state: dict[str, Any],
    transport: asyncio.Transport,
    raw_path: bytes,
    query_string: bytes,
    headers: Headers,
    rest: bytes,
) -> None:
    """Have a protocol of shared.websocket_class read the handshake, then `rest`."""
    protocol = shared.websocket_class(
        config=shared.config, server_state=shared.server_state, app_state=app_state
    )
    target = raw_path + b"?" + query_string if query_string else raw_path
    lines = [b"GET %s HTTP/1.1" % target, *(b"%s: %s" % pair for pair in headers)]
    protocol.connection_made(transport)
    protocol.data_received(b"\r\n".join([*lines, b"", b""]))
    transport.set_protocol(protocol)
    if rest:
        protocol.data_received(rest)

"""What a client or the log is told when a request is refused, as plain data and text.

Cold: a good request meets nothing of it. Never: a byte on the wire, a decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastserve._types import ASGIReceiveCallable, ASGISendCallable, Scope

if TYPE_CHECKING:
    from asyncio import Transport

    from fastserve.protocols.http1 import RequestParser
    from fastserve.protocols.shared import Shared

# The answer's body by its status.
_TEXTS: dict[int, bytes] = {
    400: b"Invalid HTTP request received.",
    408: b"Request Timeout",
    413: b"Content Too Large",
    414: b"URI Too Long",
    431: b"Request Header Fields Too Large",
}


def peer_name(name: object) -> str:
    """What the log calls a peer, by its socket's name."""
    return "%s:%d" % name[:2] if isinstance(name, tuple) else "a Unix socket"


def refusal(status: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Header fields and body of the answer that refuses a request."""
    text = _TEXTS[status]
    return [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        (b"connection", b"close"),
    ], text


def report(
    shared: Shared, transport: Transport, parser: RequestParser, data: bytes
) -> None:
    """Log why `parser` has failed on `data`, and count the limit, if it was one."""
    shared.logger.warning("Invalid HTTP request received.")
    option = ""
    if parser.limit is not None:
        shared.count_limit(parser.limit)
        option = f" (--{parser.limit.replace('_', '-')})"
    if shared.may_report():
        shared.logger.warning(
            "Refused with %d, from %s: %s%s, at byte %d of %s.%s",
            parser.status,
            peer_name(transport.get_extra_info("peername")),
            parser.reason,
            option,
            parser.offset,
            ascii(data[:64]),
            _guess(data, parser.reason or ""),
        )


def _guess(data: bytes, reason: str) -> str:
    """What a refused request probably was, as a sentence with a blank before it."""
    if data.startswith(b"\x16\x03"):
        return " This looks like TLS on a plain port."
    if data.startswith(b"PRI * HTTP/2"):
        return " This looks like HTTP/2, which is not offered yet."
    if "Host field is missing" in reason:
        return " HTTP/1.1 requires a Host field."
    if "target" in reason and not data[:1024].isascii():
        return " A client must percent-encode what is not ASCII."
    return ""


async def service_unavailable(
    scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """The application of a request over --limit-concurrency."""
    body = b"Service Unavailable"
    await send(
        {
            "type": "http.response.start",
            "status": 503,
            "headers": [
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", b"%d" % len(body)),
                (b"connection", b"close"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})

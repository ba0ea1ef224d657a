"""What a client or the log is told when a request is refused, as plain data and text.

Cold: a good request meets nothing of it. Never: a byte on the wire, a decision.
"""

from __future__ import annotations

from fastserve._types import ASGIReceiveCallable, ASGISendCallable, Scope

# The answer's body by its status.
REFUSALS: dict[int, bytes] = {
    400: b"Invalid HTTP request received.",
    414: b"URI Too Long",
    431: b"Request Header Fields Too Large",
}


def guess(data: bytes, reason: str) -> str:
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

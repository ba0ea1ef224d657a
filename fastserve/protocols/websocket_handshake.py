"""The opening handshake of a WebSocket, without I/O (RFC 6455 4.2, RFC 7692 5 and 7).

A request's parts in, what was agreed on and the headers of the 101 out. It runs once a
connection, so it is plain Python; frames are websocket's.

Never: a socket, a log, the request's line or Host again, which http1 has checked.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import NamedTuple

Headers = list[tuple[bytes, bytes]]

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# Windows that compress about as well as the largest, in a fifth of their memory.
WINDOW_BITS = 12

_TOKEN = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
# name, name=value or name="value", whose value without the quotes is a token again.
_PARAMETER = re.compile(
    rb"[ \t]*(?P<name>%b)[ \t]*"
    rb"(?:=[ \t]*(?:(?P<value>%b)|\"(?P<quoted>(?:[^\"\\]|\\.)*)\")[ \t]*)?"
    % (_TOKEN.pattern, _TOKEN.pattern)
)
_KEY = re.compile(rb"[+/0-9A-Za-z]{22}==")
_BITS = re.compile(rb"[89]|1[0-5]")

# What the server itself answers with; an application must not.
_OWN = {b"connection", b"upgrade", b"sec-websocket-accept", b"sec-websocket-extensions"}


class HandshakeRefused(Exception):
    """A request that cannot become a WebSocket.

    status, text and headers are the answer; the connection is to be closed after it.
    """

    def __init__(self, status: int, text: str, headers: Headers | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers: Headers = headers or []


class Deflate(NamedTuple):
    """permessage-deflate as agreed on, in the order of WebSocket.enable_deflate()."""

    server_bits: int
    client_bits: int
    server_takeover: bool
    client_takeover: bool


class Handshake:
    """A good request: what the client offers, and what is answered."""

    def __init__(
        self,
        accept: bytes,
        subprotocols: list[str],
        deflate: Deflate | None,
        extensions: bytes | None,
    ) -> None:
        self.subprotocols = subprotocols
        self.deflate = deflate
        self._accept = accept
        self._extensions = extensions

    def response_headers(
        self, subprotocol: object, headers: Iterable[tuple[bytes, bytes]]
    ) -> Headers:
        """The headers of the 101, the application's among them, but Date and Server.

        Their bytes are not checked here: that is done where they are written. Raises
        RuntimeError for a subprotocol that is no token, and for a header that the
        handshake sets itself.
        """
        own = [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", self._accept),
        ]
        if self._extensions is not None:
            own.append((b"sec-websocket-extensions", self._extensions))
        taken = _OWN | {b"sec-websocket-protocol"} if subprotocol else _OWN
        for name, value in headers:
            if isinstance(name, bytes) and name.lower() in taken:
                raise RuntimeError(
                    f"The WebSocket handshake sets {name.decode('latin-1')!r} itself."
                )
            own.append((name, value))
        if subprotocol:
            if not isinstance(subprotocol, str):
                kind = type(subprotocol).__name__
                raise RuntimeError(f"A WebSocket subprotocol must be str, not {kind}.")
            value = subprotocol.encode("utf-8", "replace")
            if not _TOKEN.fullmatch(value):
                raise RuntimeError(f"{subprotocol!r} is no WebSocket subprotocol.")
            own.append((b"sec-websocket-protocol", value))
        return own


def asks_for_websocket(headers: Headers) -> bool:
    """Whether a request with these headers, names in lower case, is a handshake."""
    return b"websocket" in _tokens(headers, b"upgrade")


def read_handshake(
    method: str, http10: bool, headers: Headers, offer_deflate: bool
) -> Handshake:
    """Check a request that asks for a WebSocket; names of headers are in lower case.

    Raises HandshakeRefused, with status 400 or 426.
    """
    if method != "GET":
        raise HandshakeRefused(400, "A WebSocket handshake is a GET request.")
    if http10:
        raise HandshakeRefused(
            400,
            "A WebSocket handshake needs HTTP/1.1; "
            "nginx speaks it with proxy_http_version 1.1.",
        )
    _check_upgrade(headers)
    _check_version(headers)
    key = _read_key(headers)
    subprotocols = _read_subprotocols(headers)
    offers = _read_extensions(headers)
    if any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in headers
    ):
        raise HandshakeRefused(400, "A WebSocket handshake has no body.")
    deflate, extensions = None, None
    if offer_deflate:
        deflate, extensions = _negotiate(offers)
    from hashlib import sha1  # OpenSSL's; not every server has WebSockets

    digest = sha1(key + GUID, usedforsecurity=False).digest()
    return Handshake(base64.b64encode(digest), subprotocols, deflate, extensions)


def without_connection(lines: bytes) -> bytes:
    """Header lines, names in lower case, without those of Connection.

    What is configured for answers does not hold for a 101, whose connection goes on.
    """
    parts = lines.splitlines(keepends=True)
    return b"".join(part for part in parts if not part.startswith(b"connection:"))


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for known, value in headers if known == name]


def _elements(headers: Headers, name: bytes) -> list[bytes]:
    """The elements of a list, over commas and lines; empty ones do not count."""
    parts = b",".join(_values(headers, name)).split(b",")
    return [part for part in (part.strip(b" \t") for part in parts) if part]


def _tokens(headers: Headers, name: bytes) -> set[bytes]:
    return {element.lower() for element in _elements(headers, name)}


def _check_upgrade(headers: Headers) -> None:
    for name, token in ((b"connection", b"upgrade"), (b"upgrade", b"websocket")):
        if token not in _tokens(headers, name):
            field = f"{name.decode().capitalize()}: {token.decode()}"
            raise HandshakeRefused(
                426,
                f"Missing {field} header.",
                [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")],
            )


def _check_version(headers: Headers) -> None:
    """RFC 6455 4.4: the answer names the version that is spoken here."""
    versions = _values(headers, b"sec-websocket-version")
    spoken = (b"sec-websocket-version", b"13")
    if not versions:
        raise HandshakeRefused(400, "Missing Sec-WebSocket-Version header.", [spoken])
    if versions != [b"13"]:
        raise HandshakeRefused(
            426,
            "Unsupported Sec-WebSocket-Version header: version 13 is spoken here.",
            [spoken, (b"upgrade", b"websocket"), (b"connection", b"Upgrade")],
        )


def _read_key(headers: Headers) -> bytes:
    keys = _values(headers, b"sec-websocket-key")
    if not keys:
        raise HandshakeRefused(400, "Missing Sec-WebSocket-Key header.")
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise HandshakeRefused(400, "Invalid Sec-WebSocket-Key header.")
    return keys[0]


def _read_subprotocols(headers: Headers) -> list[str]:
    offered = _elements(headers, b"sec-websocket-protocol")
    if not all(_TOKEN.fullmatch(token) for token in offered):
        raise HandshakeRefused(400, "Invalid Sec-WebSocket-Protocol header.")
    return [token.decode("ascii") for token in offered]


# -- extensions: RFC 6455 9.1 ----------------------------------------------------------

Parameters = list[tuple[bytes, bytes | None]]


def _read_extensions(headers: Headers) -> list[tuple[bytes, Parameters]]:
    """Every extension that is offered, in order. Values are tokens, so that a comma or
    a semicolon inside quotes is as wrong as it is outside."""
    offers = []
    for element in _elements(headers, b"sec-websocket-extensions"):
        parts = [_read_parameter(part) for part in element.split(b";")]
        name, value = parts[0]
        if value is not None:
            raise _bad_extensions()
        offers.append((name, parts[1:]))
    return offers


def _read_parameter(part: bytes) -> tuple[bytes, bytes | None]:
    match = _PARAMETER.fullmatch(part)
    if match is None:
        raise _bad_extensions()
    quoted = match["quoted"]
    if quoted is None:
        return match["name"], match["value"]
    value = re.sub(rb"\\(.)", rb"\1", quoted)
    if not _TOKEN.fullmatch(value):
        raise _bad_extensions()
    return match["name"], value


def _bad_extensions() -> HandshakeRefused:
    return HandshakeRefused(400, "Invalid Sec-WebSocket-Extensions header.")


# -- permessage-deflate: RFC 7692 7.1 --------------------------------------------------


def _negotiate(
    offers: list[tuple[bytes, Parameters]],
) -> tuple[Deflate | None, bytes | None]:
    """The first offer of the client's that can be accepted, and the answer to it."""
    for name, parameters in offers:
        if name == b"permessage-deflate":
            asked = dict(parameters)
            if len(asked) == len(parameters) and _is_acceptable(asked):
                return _accept(asked)
    return None, None


def _is_acceptable(asked: dict[bytes, bytes | None]) -> bool:
    """Known parameters alone, each with a value that it may have in an offer."""
    for name, value in asked.items():
        if name in (b"server_no_context_takeover", b"client_no_context_takeover"):
            good = value is None
        elif name == b"client_max_window_bits":
            good = value is None or _BITS.fullmatch(value) is not None
        elif name == b"server_max_window_bits":
            good = value is not None and _BITS.fullmatch(value) is not None
        else:
            good = False
        if not good:
            return False
    return True


def _accept(asked: dict[bytes, bytes | None]) -> tuple[Deflate, bytes]:
    """Windows as small as ours, or smaller if the client says so. Its own are its own
    choice, up to the largest, unless it says that it can be told."""
    answer = [b"permessage-deflate"]
    for name in (b"server_no_context_takeover", b"client_no_context_takeover"):
        if name in asked:
            answer.append(name)
    server_bits = min(int(asked.get(b"server_max_window_bits") or 15), WINDOW_BITS)
    answer.append(b"server_max_window_bits=%d" % server_bits)
    client_bits = 15
    if b"client_max_window_bits" in asked:
        client_bits = min(int(asked[b"client_max_window_bits"] or 15), WINDOW_BITS)
        answer.append(b"client_max_window_bits=%d" % client_bits)
    deflate = Deflate(
        server_bits,
        client_bits,
        b"server_no_context_takeover" not in asked,
        b"client_no_context_takeover" not in asked,
    )
    return deflate, b"; ".join(answer)

"""What the protocols, and libraries beside them, ask about a peer or a request."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from fastserve._types import WWWScope
from fastserve.logging import escape_controls

# Everything a request target may hold as it stands, and `%`, since the query string
# is already encoded.
_QUERY_SAFE = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


class ClientDisconnected(OSError):
    """Sending failed, because the peer has gone."""


def get_remote_addr(transport: asyncio.BaseTransport) -> tuple[str, int] | None:
    """The peer's host and port; None on a Unix socket, or when it has gone."""
    return _host_and_port(_socket_name(transport, "getpeername", "peername"))


def get_local_addr(
    transport: asyncio.BaseTransport,
) -> tuple[str, int | None] | None:
    """Our host and port; path and None on a Unix socket."""
    name = _socket_name(transport, "getsockname", "sockname")
    return (name, None) if isinstance(name, str) else _host_and_port(name)


def _socket_name(transport: asyncio.BaseTransport, method: str, extra: str) -> Any:
    """Ask the socket, where there is one: the transport's own copy may be stale."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return transport.get_extra_info(extra)
    try:
        return getattr(sock, method)()
    except OSError:  # the connection is lost already
        return None


def _host_and_port(name: Any) -> tuple[str, int] | None:
    # An IPv6 name has two more parts, flow info and scope id.
    if isinstance(name, (tuple, list)) and len(name) >= 2:
        return str(name[0]), int(name[1])
    return None


def is_ssl(transport: asyncio.BaseTransport) -> bool:
    return bool(transport.get_extra_info("sslcontext"))


def get_client_addr(scope: WWWScope) -> str:
    """`host:port` of the client as the log shows it; "" when it is not known.

    Control characters are escaped: a proxy's header may have named the host.
    """
    client = scope.get("client")
    return escape_controls("%s:%d" % client) if client else ""


def get_path_with_query_string(scope: WWWScope) -> str:
    """The path, encoded anew from its decoded form, and the query string.

    The result is printable ASCII, whatever the client sent.
    """
    path = quote(scope["path"], errors="replace")
    if query_string := scope["query_string"]:
        path = f"{path}?{quote(query_string, safe=_QUERY_SAFE)}"
    return path

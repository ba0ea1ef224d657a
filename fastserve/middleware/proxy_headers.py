"""Takes the client and the scheme from what a trusted proxy says of them.

Config puts it outermost unless `proxy_headers` is off. It reads X-Forwarded-For and
X-Forwarded-Proto alone: no Forwarded (RFC 7239), no X-Forwarded-Host, -Port or -Prefix.
It never changes a request of a peer that is not trusted, and never refuses one.
"""

from __future__ import annotations

import functools
import ipaddress
import logging
from collections.abc import Iterable
from typing import Any

from fastserve._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    Scope,
)

_PROTO = b"x-forwarded-proto"
_FIELDS = frozenset((_PROTO, b"x-forwarded-for"))
_SCHEMES = {b"http": "http", b"https": "https", b"ws": "ws", b"wss": "wss"}
# Parsing costs more than all else here, and the same clients come again. Nothing is
# remembered for text longer than a DNS name (RFC 1035 2.3.4): it would hold memory.
_REMEMBERED = 4096
_LONGEST = 253

logger: logging.Logger = logging.getLogger("uvicorn.error")


class ProxyHeadersMiddleware:
    """An ASGI 3 application that passes all on to `app`, scopes put right.

    `trusted_hosts` holds addresses, networks and literals, as a list or separated by
    commas; "*" trusts every peer. With `warn_untrusted`, the first X-Forwarded-Proto
    of a peer that is not trusted is logged: redirects to http are what it leads to.
    """

    def __init__(
        self,
        app: ASGI3Application,
        trusted_hosts: list[str] | str = "127.0.0.1",
        *,
        warn_untrusted: bool = False,
    ) -> None:
        self.app = app
        self.trusted_hosts: _TrustedHosts = _TrustedHosts(trusted_hosts)
        self._warn_untrusted = warn_untrusted

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> Any:
        if scope["type"] != "lifespan":
            peer = scope.get("client")
            host = peer[0] if peer else None
            if host in self.trusted_hosts:
                self._apply(scope)
            elif self._warn_untrusted:
                self._look_for_proto(host, scope["headers"])
        return await self.app(scope, receive, send)

    def _apply(self, scope: Any) -> None:
        proto: bytes | None = None
        forwarded_for = []
        for name, value in scope["headers"]:
            if name in _FIELDS:
                if name == _PROTO:
                    proto = value  # the last one is the nearest proxy's
                else:
                    forwarded_for.append(value)
        if proto is not None:
            scheme = _SCHEMES.get(proto) or _scheme(proto)
            if scheme is not None:
                if scope["type"] == "websocket":
                    scheme = scheme.replace("http", "ws")
                scope["scheme"] = scheme
        if forwarded_for:
            # RFC 9110 5.3: field lines of one name are one list.
            client = self.trusted_hosts.client(b",".join(forwarded_for))
            if client[0]:
                scope["client"] = client

    def _look_for_proto(
        self, host: str | None, headers: Iterable[tuple[bytes, bytes]]
    ) -> None:
        if not any(name == b"x-forwarded-proto" for name, _ in headers):
            return
        self._warn_untrusted = False
        logger.warning(
            "X-Forwarded-Proto from %s is ignored, because that peer is not a "
            "trusted proxy. If it is yours, trust it with --forwarded-allow-ips '%s'.",
            host or "a Unix socket",
            host or "*",
        )


class _TrustedHosts:
    """Addresses, networks and literals; `host in trusted` says whether it is one."""

    def __init__(self, trusted_hosts: list[str] | str) -> None:
        self.always_trust: bool = trusted_hosts in ("*", ["*"])
        self.trusted_literals: set[str] = set()  # as `unix:`, or a name
        self.trusted_hosts: set[ipaddress.IPv4Address | ipaddress.IPv6Address] = set()
        self.trusted_networks: set[ipaddress.IPv4Network | ipaddress.IPv6Network]
        self.trusted_networks = set()
        if not self.always_trust:
            if isinstance(trusted_hosts, str):
                trusted_hosts = _split(trusted_hosts)
            for host in trusted_hosts:
                self._add(host)
        remember = functools.lru_cache(maxsize=_REMEMBERED)
        self._known_trust = remember(self._is_trusted)
        self._known_clients = remember(self._parse)

    def _add(self, host: str) -> None:
        try:
            if "/" in host:
                self.trusted_networks.add(ipaddress.ip_network(host))
            else:
                self.trusted_hosts.add(ipaddress.ip_address(host))
        except ValueError:
            self.trusted_literals.add(host)

    def __contains__(self, host: str | None) -> bool:
        if self.always_trust:
            return True
        if not host:
            return False
        return (self._is_trusted if len(host) > _LONGEST else self._known_trust)(host)

    def _is_trusted(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host in self.trusted_literals
        return address in self.trusted_hosts or any(
            address in network for network in self.trusted_networks
        )

    def client(self, x_forwarded_for: bytes) -> tuple[str, int]:
        """Host and port of the client in the bytes of the field; "" for no host."""
        if len(x_forwarded_for) > _LONGEST:
            return self._parse(x_forwarded_for)
        return self._known_clients(x_forwarded_for)

    def _parse(self, x_forwarded_for: bytes) -> tuple[str, int]:
        return self.get_trusted_client_address(x_forwarded_for.decode("latin-1"))

    def get_trusted_client_address(self, x_forwarded_for: str) -> tuple[str, int]:
        """Host and port (0: not said) of the client in a list that proxies made.

        Each proxy appends who spoke to it, so the client is the first from the right
        that is no proxy of ours; what stands left of it anybody can have written.
        """
        hosts = _split(x_forwarded_for)
        if not self.always_trust:
            for text in reversed(hosts):
                address = _host_and_port(text)
                if address[0] not in self:
                    return address
        return _host_and_port(hosts[0])


def _scheme(proto: bytes) -> str | None:
    """The scheme with its blanks taken off, those of latin-1 too."""
    return _SCHEMES.get(proto.decode("latin-1").strip().encode("latin-1"))


def _split(value: str) -> list[str]:
    return [item.strip() for item in value.split(",")]


def _host_and_port(text: str) -> tuple[str, int]:
    """Split `1.2.3.4:80` and `[::1]:80`; anything else is kept whole, with port 0.

    What is malformed must not be tidied into an address that is trusted.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return text, 0
        return host, _port(rest[1:]) or 0
    host, _, rest = text.partition(":")
    port = None if ":" in rest else _port(rest)  # two colons: a bare IPv6 address
    return (text, 0) if port is None else (host, port)


def _port(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None

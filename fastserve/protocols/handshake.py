"""TLS handshakes: a connection from accept until its protocol takes it over.

A connection is accepted as a plain one and made a TLS one by the loop's start_tls().
So the context is looked up for each connection, and may be replaced while serving; a
handshake that fails is known together with its peer; and one that never ends is cut
at shutdown.

Never: a byte of a request, which the protocol gets through its transport as ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from fastserve.protocols.refusals import peer_name
from fastserve.protocols.tasks import start_eagerly

if TYPE_CHECKING:
    from fastserve.config import Config
    from fastserve.protocols.shared import Shared

# OpenSSL's names for what it met instead of a ClientHello.
_PLAIN_HTTP = {"HTTP_REQUEST", "HTTPS_PROXY_REQUEST"}
_NO_TLS = {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"}

logger: logging.Logger = logging.getLogger("uvicorn.error")


class TlsAcceptor:
    """The protocol factory of a TLS listener: each call makes a Handshake.

    `factory` makes the protocol that a connection gets when its handshake is over.
    `shared` counts those that take too long, and says whether one more line about a
    failed one may be logged now.
    """

    def __init__(
        self,
        config: Config,
        factory: Callable[[], asyncio.Protocol],
        shared: Shared,
    ) -> None:
        self.config = config
        self.factory = factory
        self.handshakes: set[Handshake] = set()
        self._shared = shared

    def __call__(self) -> Handshake:
        return Handshake(self)

    def close(self) -> None:
        """Cut the handshakes that are under way."""
        for handshake in self.handshakes:
            handshake.transport.abort()

    def report(self, peer: object, error: Exception) -> None:
        """Log why a handshake failed; what clients do wrong with TLS at DEBUG."""
        client = peer_name(peer)
        reason = getattr(error, "reason", None)
        if reason not in _PLAIN_HTTP | _NO_TLS:
            logger.debug("TLS handshake with %s failed: %r", client, error)
        elif self._shared.may_report():
            seen = "Plain HTTP" if reason in _PLAIN_HTTP else "No TLS"
            logger.warning(
                "%s on the TLS port, from %s. Its clients must use https.", seen, client
            )

    def report_late(self, peer: object) -> None:
        """Count and log a handshake that was not over in time."""
        self._shared.report_limit(
            "timeout_tls_handshake",
            "did not complete its TLS handshake in %g s",
            self.config.timeout_tls_handshake,
            peer,
        )


class Handshake(asyncio.Protocol):
    """A connection until its TLS handshake is over.

    It is the plain transport's protocol at first, then the TLS transport's: on
    asyncio the first data may come before start_tls() returns, and is kept.
    """

    transport: asyncio.Transport

    def __init__(self, acceptor: TlsAcceptor) -> None:
        self._acceptor = acceptor
        self._early: list[bytes] = []
        self._eof = False
        self._handed_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._peer = transport.get_extra_info("peername")
        self._acceptor.handshakes.add(self)
        # At once: nothing must be read before start_tls() has taken the transport.
        # Kept here, for the loop has but a weak reference to it.
        loop = asyncio.get_running_loop()
        self._task = start_eagerly(loop, self._shake_hands(loop), None)

    def data_received(self, data: bytes) -> None:
        self._early.append(data)

    def eof_received(self) -> None:
        self._eof = True

    async def _shake_hands(self, loop: asyncio.AbstractEventLoop) -> None:
        config = self._acceptor.config
        context = config.ssl  # the present one
        assert context is not None
        latest = loop.time() + config.timeout_tls_handshake
        try:
            secured = await loop.start_tls(
                self.transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=config.timeout_tls_handshake,
            )
        except ConnectionAbortedError as error:  # by start_tls() itself, if late
            if loop.time() < latest:
                self._acceptor.report(self._peer, error)
            else:
                self._acceptor.report_late(self._peer)
        except OSError as error:
            self._acceptor.report(self._peer, error)
        else:
            self._hand_over(cast(asyncio.Transport, secured))
        finally:
            self._acceptor.handshakes.discard(self)
            if not self._handed_over:
                self.transport.abort()

    def _hand_over(self, transport: asyncio.Transport) -> None:
        if transport.is_closing():
            return  # start_tls() does not tell of a connection lost meanwhile
        protocol = self._acceptor.factory()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self._handed_over = True
        for data in self._early:
            protocol.data_received(data)
        if self._eof and not protocol.eof_received():
            transport.close()

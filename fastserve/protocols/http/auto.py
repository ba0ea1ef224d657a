"""fastserve's protocol under uvicorn's contract, for what names or subclasses it.

Server makes a Connection for each connection and needs none of this. `http=` may name
a class, though, and classes of others may derive from uvicorn's: here is the one there
is, under all of its names, made as `cls(config=, server_state=, app_state=, _loop=)`.

Never: anything of a protocol's own. Every call goes to the Connection behind it.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

from fastserve.protocols.connection import Connection
from fastserve.protocols.shared import Shared

if TYPE_CHECKING:
    from fastserve.config import Config


class AutoHTTPProtocol(asyncio.Protocol):
    """One connection, HTTP or WebSocket; a subclass may override what asyncio calls."""

    def __init__(
        self,
        config: Config,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        shared = getattr(server_state, "shared", None)
        if shared is None:
            # A ServerState that no Server of ours has made ready: one for all of its
            # connections, as with a Server.
            shared = server_state.shared = Shared(
                config,
                server_state,
                app_state,
                _loop or asyncio.get_running_loop(),
                contextvars.copy_context(),
            )
        self.config = config
        self.server_state = server_state
        self.app_state = app_state
        self._connection = Connection(shared)

    @property
    def transport(self) -> asyncio.Transport | None:
        return self._connection.transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._connection.data_received(data)

    def eof_received(self) -> bool:
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def shutdown(self) -> None:
        self._connection.shutdown()

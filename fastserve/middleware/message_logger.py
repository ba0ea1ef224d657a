"""Logs every ASGI message at TRACE level, with bodies replaced by their size.

Config puts it round the application only when the level asks for it.
"""

from __future__ import annotations

import logging
from typing import Any, cast

from fastserve._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    Scope,
    WWWScope,
)
from fastserve.logging import TRACE_LOG_LEVEL
from fastserve.protocols.utils import get_client_addr

_PLACEHOLDERS = {
    "body": "<%d bytes>",
    "bytes": "<%d bytes>",
    "text": "<%d chars>",
    "headers": "<...>",
}


def message_with_placeholders(message: Any) -> Any:
    """A copy of a scope or message that is short enough to log."""
    shown = message.copy()
    for key, placeholder in _PLACEHOLDERS.items():
        content = message.get(key)
        if content is not None:
            sized = "%d" in placeholder
            shown[key] = placeholder % len(content) if sized else placeholder
    return shown


class MessageLoggerMiddleware:
    """An ASGI 3 application that passes all on to `app` and logs it."""

    def __init__(self, app: ASGI3Application) -> None:
        self.app = app
        self.task_counter: int = 0
        self.logger: logging.Logger = logging.getLogger("uvicorn.asgi")

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        self.task_counter += 1
        number = self.task_counter
        client = get_client_addr(cast(WWWScope, scope))
        prefix = f"{client} - ASGI" if client else "ASGI"

        def trace(text: str, *args: Any) -> None:
            self.logger.log(TRACE_LOG_LEVEL, f"%s [%d] {text}", prefix, number, *args)

        async def logged_receive() -> Any:
            message = await receive()
            trace("Receive %s", message_with_placeholders(message))
            return message

        async def logged_send(message: Any) -> None:
            trace("Send %s", message_with_placeholders(message))
            await send(message)

        trace("Started scope=%s", message_with_placeholders(scope))
        try:
            await self.app(scope, logged_receive, logged_send)
        except BaseException:
            trace("Raised exception")
            raise
        trace("Completed")

"""ASGI2Middleware: an application of ASGI 2, called twice, as one of ASGI 3."""

from __future__ import annotations

from typing import Any

from fastserve._types import ASGIReceiveCallable, ASGISendCallable, Scope


class ASGI2Middleware:
    """An ASGI 3 application; `app(scope)` gives what is called with the channels."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        instance = self.app(scope)
        await instance(receive, send)

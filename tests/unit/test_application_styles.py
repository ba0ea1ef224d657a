"""middleware/asgi2 and middleware/wsgi: applications that are not ASGI 3."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import a2wsgi
import pytest

from fastserve.middleware.asgi2 import ASGI2Middleware
from fastserve.middleware.wsgi import WSGIMiddleware

SCOPE = {"type": "http", "path": "/"}


def test_asgi2_is_called_twice() -> None:
    calls: list[Any] = []

    class App:
        def __init__(self, scope: Any) -> None:
            calls.append(scope)

        async def __call__(self, receive: Any, send: Any) -> None:
            calls.append(await receive())
            await send("message")

    async def receive() -> str:
        return "received"

    async def send(message: Any) -> None:
        calls.append(message)

    asyncio.run(ASGI2Middleware(App)(SCOPE, receive, send))  # type: ignore[arg-type]
    assert calls == [SCOPE, "received", "message"] and calls[0] is SCOPE


@pytest.mark.parametrize("where", ["call", "await"])
def test_what_an_asgi2_application_raises_goes_through(where: str) -> None:
    async def instance(receive: Any, send: Any) -> None:
        raise LookupError("await")

    def app(scope: Any) -> Any:
        if where == "call":
            raise LookupError("call")
        return instance

    with pytest.raises(LookupError, match=where):
        asyncio.run(ASGI2Middleware(app)(SCOPE, None, None))  # type: ignore[arg-type]


def test_wsgi_is_a2wsgis() -> None:
    assert issubclass(WSGIMiddleware, a2wsgi.WSGIMiddleware)


def test_wsgi_without_a2wsgi_says_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules['a2wsgi'] = None\n"  # as if it were not installed
        "from fastserve.middleware.wsgi import WSGIMiddleware\n"
        "try:\n"
        "    WSGIMiddleware(lambda environ, start_response: [])\n"
        "except ImportError as exc:\n"
        "    print(exc)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout == (
        "WSGI applications need the package a2wsgi; install it, or "
        "fastserve-asgi[wsgi].\n"
    )

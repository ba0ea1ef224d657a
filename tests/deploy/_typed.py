"""A user's program as type checkers see it; it is checked, and never run.

Each comment that ignores an error is a mistake that a checker has to find: one that it
does not find is an unused comment, which is an error too.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, assert_type

import fastserve
from fastserve import Config, Server
from fastserve.config import LOGGING_CONFIG
from fastserve.importer import ImportFromStringError, import_from_string
from fastserve.logging import AccessFormatter, DefaultFormatter
from fastserve.middleware.proxy_headers import ProxyHeadersMiddleware
from fastserve.protocols.utils import ClientDisconnected
from fastserve.supervisors import ChangeReload, Multiprocess

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    try:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"typed"})
    except ClientDisconnected as gone:
        assert_type(gone, ClientDisconnected)


def certificates(config: Config, default: Callable[[], ssl.SSLContext]) -> Any:
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    assert_type(config.port, int)
    return context


class Quiet(Server):
    """As in many test suites."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        assert_type(self.started, bool)


def configuration() -> Config:
    config = Config(
        ProxyHeadersMiddleware(app, trusted_hosts=["127.0.0.1"]),
        host="127.0.0.1",
        port=0,
        log_config=LOGGING_CONFIG,
        log_level=logging.DEBUG,
        ssl_context_factory=certificates,
        headers=[("x-served-by", "fastserve")],
    )
    assert_type(config.host, str)
    assert_type(config.is_ssl, bool)
    assert_type(config.workers, int)
    config.load()
    return config


async def serve() -> None:
    server = Quiet(configuration())
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.1)
    server.should_exit = True
    assert_type(await serving, None)


def supervise() -> None:
    config = Config("main:app", workers=4, reload_dirs=["src"])
    listening = config.bind_socket()
    assert_type(listening, socket.socket)
    if config.should_reload:
        ChangeReload(config, target=Server(config).run, sockets=[listening]).run()
    else:
        Multiprocess(config, sockets=[listening]).run()


def logs() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(AccessFormatter("%(message)s", use_colors=False))
    handler.setFormatter(DefaultFormatter("%(levelprefix)s %(message)s"))


def load(name: str) -> Any:
    try:
        return import_from_string(name)
    except ImportFromStringError:
        return None


def main() -> None:
    fastserve.run("main:app", host="0.0.0.0", port=80, workers=4)
    fastserve.run(app, lifespan="on", interface="asgi3", loop="asyncio")
    fastserve.main(["main:app", "--port", "80"])
    assert_type(fastserve.__version__, str)


def mistakes() -> None:
    Config(app, port="80")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    fastserve.run(app, lifespan="of")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    fastserve.run(app, prot=80)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Server(app)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    print(Server(configuration()).startde)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]

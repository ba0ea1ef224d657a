"""Fixtures of the suites that serve inside the test process.

`site` is what nearly every test uses: one long-lived server a loop, whose application
the test sets. `start_server` starts another one, for settings of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .apps import App, Message, Receive, Scope, Send, replies
from .client import Client
from .server import LOOPS, TIMEOUT, ServerThread, eventually

LOGGERS = ("uvicorn.error", "uvicorn.access", "uvicorn.asgi")


class Router:
    """Hands requests to the test's application; answers the lifespan itself."""

    def __init__(self) -> None:
        self.app: App = replies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] != "lifespan":
            return await self.app(scope, receive, send)
        scope["state"].update(number=1, shared=[])
        for event in ("startup", "shutdown"):
            message: Message = await receive()
            assert message["type"] == f"lifespan.{event}"
            await send({"type": f"lifespan.{event}.complete"})
        return None


class Site:
    """A server and the log it writes, as one test sees them.

    A record at ERROR fails the test at its end unless it asked for `errors`.
    """

    def __init__(
        self, server: ServerThread, router: Router, log: pytest.LogCaptureFixture
    ) -> None:
        self.server = server
        self._router = router
        self._log = log
        self._clients: list[Client] = []
        self._errors_seen = False

    @property
    def app(self) -> App:
        return self._router.app

    @app.setter
    def app(self, app: App) -> None:
        self._router.app = app

    def connect(self, timeout: float = TIMEOUT) -> Client:
        """A client that is closed at the end of the test."""
        client = Client(self.server.address, timeout)
        self._clients.append(client)
        return client

    def records(self, logger: str = "uvicorn.error") -> list[logging.LogRecord]:
        phases = map(self._log.get_records, ("setup", "call", "teardown"))
        return [r for records in phases for r in records if r.name == logger]

    @property
    def messages(self) -> list[str]:
        """What uvicorn.error was told so far."""
        return [record.getMessage() for record in self.records()]

    @property
    def warnings(self) -> list[str]:
        """Those of the messages that are WARNING or worse."""
        records = self.records()
        return [r.getMessage() for r in records if r.levelno >= logging.WARNING]

    @property
    def errors(self) -> list[str]:
        """The messages at ERROR, each with its traceback's last line if it has one."""
        self._errors_seen = True
        return self._errors()

    def allow_errors(self) -> None:
        """For what the server may answer either way."""
        self._errors_seen = True

    def _errors(self) -> list[str]:
        found = []
        for record in self.records():
            if record.levelno >= logging.ERROR:
                cause = record.exc_info[1] if record.exc_info else None
                found.append(record.getMessage() + (repr(cause) if cause else ""))
        return found

    def wait_for_message(self, part: str) -> str:
        """The first message with that part, once it is there."""
        eventually(lambda: any(part in text for text in self.messages))
        return next(text for text in self.messages if part in text)

    def wait_idle(self) -> None:
        """Until the server knows no connection and no task."""
        state = self.server.server.server_state
        eventually(lambda: not state.connections and not state.tasks)

    async def _abort(self) -> None:
        state = self.server.server.server_state
        for connection in list(state.connections):
            connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._router.app = replies()
        try:
            self.wait_idle()
        except AssertionError:
            self.server.run(self._abort())  # or it would fail the next tests too
            raise
        errors, self.server.loop_errors = self.server.loop_errors, []
        assert not errors, f"reached the loop's exception handler: {errors}"
        if not self._errors_seen:
            assert not self._errors()


@pytest.fixture(params=LOOPS, scope="session")
def loop_name(request: pytest.FixtureRequest) -> str:
    """Each event loop that this interpreter has, as a value for Config(loop=)."""
    return str(request.param)


@pytest.fixture(scope="session")
def _long_lived(loop_name: str) -> Iterator[tuple[ServerThread, Router]]:
    router = Router()
    with ServerThread(router, loop=loop_name) as server:
        yield server, router


@pytest.fixture
def site(
    _long_lived: tuple[ServerThread, Router], caplog: pytest.LogCaptureFixture
) -> Iterator[Site]:
    for name in LOGGERS:
        caplog.set_level(logging.INFO, name)
    site = Site(*_long_lived, caplog)
    yield site
    site.close()


@pytest.fixture
def start_server(
    loop_name: str, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[..., Site]]:
    """start_server(app, **settings): a Site of its own, stopped after the test."""
    for name in LOGGERS:
        caplog.set_level(logging.INFO, name)
    sites: list[Site] = []

    def start(app: App = replies(), **settings: Any) -> Site:  # noqa: B008
        router = Router()
        router.app = app
        served = settings.pop("served_as", router)
        server = ServerThread(served, loop=loop_name, **settings)
        server.start()
        sites.append(Site(server, router, caplog))
        return sites[-1]

    yield start
    for site in sites:
        try:
            site.close()
        finally:
            site.server.stop()

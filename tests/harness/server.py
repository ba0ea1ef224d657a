"""A fastserve Server in a thread of the test process, with a loop of its own.

    with ServerThread(app, loop="asyncio", timeout_keep_alive=1) as server:
        client = Client(server.address)

The test looks at the wire from its own thread and at the application from inside.
Whatever reaches the loop's exception handler is kept in `loop_errors`: nothing a
peer sends may end there. Never touches signals or the logging configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib.util
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import fastserve

LOOPS = ["asyncio"]
if importlib.util.find_spec("uvloop"):
    LOOPS.append("uvloop")

# Seconds for whatever is waited for: to start, to stop, a read, a condition. Generous,
# for a busy machine: what does not come is a fault however late that is seen.
TIMEOUT = 30.0


def eventually(condition: Callable[[], object], timeout: float = TIMEOUT) -> None:
    """Poll until the condition holds; AssertionError when it stays false."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition stayed false"
        time.sleep(0.002)


class ServerThread:
    """Serves `app` from construction of the `with` block to its end.

    `settings` go to fastserve.Config; `sockets` to Server.serve(); `setup` is called
    in the loop's thread, inside the context that serve() will run in, before it.
    """

    def __init__(
        self,
        app: Any,
        *,
        loop: str = "asyncio",
        sockets: list[socket.socket] | None = None,
        setup: Callable[[], object] | None = None,
        **settings: Any,
    ) -> None:
        if not settings.keys() & {"uds", "fd"}:
            settings.setdefault("port", 0)
        settings.setdefault("timeout_graceful_shutdown", 2)
        # A test's client may be held up: only what is about this time is ended by it.
        settings.setdefault("timeout_keep_alive", 60)
        self.config = fastserve.Config(app, loop=loop, log_config=None, **settings)
        self.server = fastserve.Server(self.config)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.loop_errors: list[dict[str, Any]] = []
        self._sockets = sockets
        self._setup = setup
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            factory = self.config.get_loop_factory()
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(self._serve(), context=contextvars.Context())
        except BaseException as exc:
            self._failure = exc

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda _, about: self.loop_errors.append(about))
        if self._setup is not None:
            self._setup()
        await self.server.serve(sockets=self._sockets)

    def start(self) -> None:
        """Raises what serve() raised if the server does not come up."""
        self._thread.start()
        deadline = time.monotonic() + TIMEOUT
        while not self.server.started:
            if self._failure is not None:
                raise self._failure
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.001)

    def stop(self) -> None:
        """Shut down as a signal would; AssertionError if the thread stays."""
        self.server.should_exit = True
        self._thread.join(TIMEOUT)
        if self._thread.is_alive():
            self.server.force_exit = True
            self._thread.join(TIMEOUT)
            raise AssertionError("the server did not stop by itself")
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> ServerThread:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def address(self) -> Any:
        """What socket.connect() takes: (host, port), or the path of a Unix socket."""
        return self.server.servers[0].sockets[0].getsockname()

    @property
    def url(self) -> str:
        host, port = self.address[:2]
        return f"http://{host}:{port}"

    def run(self, coro: Coroutine[Any, Any, Any], timeout: float = TIMEOUT) -> Any:
        """Run a coroutine in the server's loop and return its result."""
        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(coro, self.loop).result(timeout)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """The loop stands still: what peers send meanwhile is there when it looks."""
        assert self.loop is not None
        holds, released = threading.Event(), threading.Event()

        def hold() -> None:
            holds.set()
            released.wait(TIMEOUT)

        self.loop.call_soon_threadsafe(hold)
        assert holds.wait(TIMEOUT), "the loop is held by another"
        try:
            yield
        finally:
            released.set()

"""Server: listens, runs the lifespan, and turns a signal into a graceful end.

One Server serves one Config on one event loop. Its steps, their order and their log
lines are uvicorn's, for programs override startup, main_loop, on_tick and shutdown.
Nothing here runs a request: the sockets give their bytes to the protocol class.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from fastserve.accepting import Listener, are_running_out, raise_descriptor_limit
from fastserve.config import STARTUP_FAILURE, Config, log_running
from fastserve.loop_watch import watched
from fastserve.sockets import SocketFile, bind_unix_socket, inherited_socket
from fastserve.tls import read_again

if TYPE_CHECKING:
    from fastserve.lifespan.off import LifespanOff
    from fastserve.lifespan.on import LifespanOn
    from fastserve.protocols.handshake import TlsAcceptor
    from fastserve.protocols.shared import Shared

HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM)
if sys.platform == "win32":
    HANDLED_SIGNALS += (signal.SIGBREAK,)

# Seconds between two looks at the flags that other threads and signals set.
TICK = 0.1
_SETTLE = 0.01
# Seconds in which a worker that ends while others serve on answers late requests.
GRACE = 1.0
# Seconds between an http.disconnect at the end, and the task's cancellation.
_LAST_WORDS = 1.0
# Seconds until event streams are looked for again, which may begin during shutdown.
_NEXT_NOTICE = 1.0

logger: logging.Logger = logging.getLogger("uvicorn.error")


class ServerState:
    """What the connections of one server share with it.

    They add themselves to `connections`, and their requests' tasks to `tasks`.
    """

    def __init__(self) -> None:
        self.connections: set[Any] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        # How often each limit was met, by its setting: "timeout_request_header": 3.
        self.limits_met: Counter[str] = Counter()
        # The configured headers, and whether Date is one of them.
        self.headers: list[tuple[bytes, bytes]] = []
        self.dated = False
        # What our own connections share, while the server runs.
        self.shared: Shared | None = None
        self._counted = 0

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Of every answer; for protocol classes that write them themselves."""
        if not self.dated:
            return self.headers
        from email.utils import formatdate  # 4 ms; our own connections have no need

        date = formatdate(usegmt=True).encode("ascii")
        return [(b"date", date), *self.headers]

    @property
    def total_requests(self) -> int:
        """Requests answered so far; may be set, as protocol classes do to count."""
        return self._counted + (self.shared.total_requests if self.shared else 0)

    @total_requests.setter
    def total_requests(self, value: int) -> None:
        self._counted += value - self.total_requests

    def count_with(self, shared: Shared) -> None:
        """Add from now on what `shared` counts; what was counted before stays."""
        self._counted = self.total_requests
        self.shared = shared


class Server:
    """Serves one Config; `should_exit = True`, from any thread, ends it."""

    # Set by `startup`: the asyncio servers, each with its `sockets`.
    servers: list[asyncio.Server | Listener]
    # Set by `_serve`.
    lifespan: LifespanOn | LifespanOff

    def __init__(self, config: Config) -> None:
        self.config = config
        self.server_state: ServerState = ServerState()

        self.started: bool = False
        self.should_exit: bool = False
        self.force_exit: bool = False
        self.last_notified: float = 0.0
        # Ends while other processes serve on the same sockets: no request may be lost.
        self.retiring = False

        self._captured_signals: list[int] = []
        self._shared: Shared | None = None
        self._shutdown_over: asyncio.Event | None = None
        self._socket_file: SocketFile | None = None
        self._tls: TlsAcceptor | None = None
        self._factory: Callable[[], Any] | None = None
        self._certificates_wanted = False

    @functools.cached_property
    def limit_max_requests(self) -> int | None:
        """After how many requests to end, the jitter added; None: never."""
        limit = self.config.limit_max_requests
        if limit is None:
            return None
        from random import randint

        return limit + randint(0, self.config.limit_max_requests_jitter)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on an event loop made for it, until told to end; not inside a loop."""
        from fastserve.protocols.shared import keep_heap

        keep_heap()
        raise_descriptor_limit()
        loop_factory = self.config.get_loop_factory()
        if loop_factory is None:  # by the name that libraries replace
            asyncio.run(self._serve_alone(sockets))
        else:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(self._serve_alone(sockets))

    async def _serve_alone(self, sockets: list[socket.socket] | None) -> None:
        """serve(), on a loop that ends with it."""
        try:
            await self.serve(sockets=sockets)
        finally:
            self._leave_the_stubborn()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on the running loop, until told to end.

        Signals are handled meanwhile, in the main thread, and raised again after it.
        Raises SystemExit(3) when the server cannot start.
        """
        with self.capture_signals():
            await self._serve(sockets)

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        process_id = os.getpid()
        config = self.config
        if not config.loaded:
            config.load()
        self.lifespan = config.lifespan_class(config)

        _log_process("Started", process_id)
        try:
            await self.startup(sockets=sockets)
            with watched(config.warn_blocked_loop):
                if not self.should_exit:
                    await self.main_loop()
                if self.started:
                    await self.shutdown(sockets=sockets)
                    _log_process("Finished", process_id)
        except BaseException:
            self._abandon(sockets)
            raise

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen on `sockets` or where config says.

        Raises SystemExit(3) when either fails.
        """
        await self._unless_forced(self.lifespan.startup())
        if self.lifespan.should_exit or self.force_exit:
            sys.exit(STARTUP_FAILURE)

        self.servers = []
        self._shutdown_over = None
        try:
            await self._listen(self._make_protocol_factory(), sockets)
        except OSError as exc:
            self.config.log_bind_failure(exc)
            await self.lifespan.shutdown()
            sys.exit(STARTUP_FAILURE)

        if sockets is None:  # else whoever bound them has said where
            listeners = [sock for server in self.servers for sock in server.sockets]
            self._log_started_message(listeners)
        self.started = True

    def _make_protocol_factory(self) -> Callable[[], Any]:
        """What is called for each connection.

        The context is captured here, once: requests run in copies of the context of
        serve(), never in that of the connection or the request before.
        """
        from fastserve.protocols.connection import Connection
        from fastserve.protocols.handshake import TlsAcceptor
        from fastserve.protocols.http.auto import AutoHTTPProtocol
        from fastserve.protocols.shared import Shared

        config, state, app_state = self.config, self.server_state, self.lifespan.state
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        if config.reset_contextvars:
            context = contextvars.Context()
        self._shared = Shared(config, state, app_state, loop, context)
        state.count_with(self._shared)
        factory: Callable[[], Any] = functools.partial(Connection, self._shared)
        if config.http_protocol_class is not AutoHTTPProtocol:  # one of the user's own
            factory = functools.partial(
                config.http_protocol_class,
                config=config,
                server_state=state,
                app_state=app_state,
                _loop=loop,
            )
        if config.ssl is None:
            return factory
        self._tls = TlsAcceptor(config, factory, self._shared)
        return self._tls

    async def _listen(
        self,
        factory: Callable[[], Any],
        sockets: list[socket.socket] | None,
    ) -> None:
        config = self.config
        create_server = functools.partial(
            asyncio.get_running_loop().create_server,
            factory,
            backlog=config.backlog,
        )
        if sockets is not None:
            for sock in sockets:
                self.servers.append(await create_server(sock=sock))
        elif config.fd is not None:
            sock = inherited_socket(config.fd)
            self.servers.append(await create_server(sock=sock))
        elif config.uds is not None:
            sock, self._socket_file = bind_unix_socket(config.uds)
            self.servers.append(await create_server(sock=sock))
        else:
            server = await create_server(host=config.host, port=config.port)
            self.servers.append(server)
        self._factory = factory
        self._watch_descriptors()

    def _watch_descriptors(self) -> None:
        """Accept by hand, from now on, where new connections may have to wait."""
        if self._factory is None:  # startup() is another's
            return
        for place, server in enumerate(self.servers):
            if isinstance(server, Listener) or not server.sockets:
                continue
            if self.config.limit_connections is not None or are_running_out(server):
                self.servers[place] = Listener(
                    server,
                    self._factory,
                    self.server_state,
                    self._count_connections,
                    self.config.limit_connections,
                    self.config.backlog,
                )

    def _count_connections(self) -> int:
        handshakes = 0 if self._tls is None else len(self._tls.handshakes)
        return len(self.server_state.connections) + handshakes

    def _log_started_message(self, listeners: Sequence[socket.socket]) -> None:
        config = self.config
        if config.fd is not None:
            log_running("socket %s", (listeners[0].getsockname(),))
        elif config.uds is not None:
            log_running("unix socket %s", (config.uds,))
        else:
            port = config.port or listeners[0].getsockname()[1]
            log_running(*config.address_line(port))

    async def main_loop(self) -> None:
        """Call on_tick ten times a second until it returns True."""
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + 1) % 864_000
            await asyncio.sleep(TICK)

    async def on_tick(self, counter: int) -> bool:
        """The work of one tick; returns True when it is time to end."""
        if counter % 10 == 0:
            await self._once_a_second()
        if self._certificates_wanted:
            self._certificates_wanted = False
            self.reload_certificates()
        if self.should_exit:
            return True
        self._watch_descriptors()
        limit = self.limit_max_requests
        if limit is not None and self.server_state.total_requests >= limit:
            logger.info(
                "Maximum request limit of %d exceeded. Terminating process.", limit
            )
            return True
        return False

    def reload_certificates(self) -> None:
        """Use the TLS certificates that the files hold now, for new connections.

        Those that cannot be used are logged, and the old ones stay. A context factory
        is called again. To be called in the loop's thread; SIGHUP does it too.
        """
        try:
            read_again(self.config)
        except Exception as exc:  # a factory may raise anything
            logger.error(
                "The new TLS certificates cannot be used, the old ones stay: %s", exc
            )
        else:
            logger.info("The TLS certificates were read again.")

    async def _once_a_second(self) -> None:
        config, now = self.config, time.time()
        self.server_state.headers = config.encoded_headers
        self.server_state.dated = config.date_header
        if config.callback_notify is not None:
            if now - self.last_notified > config.timeout_notify:
                self.last_notified = now
                await config.callback_notify()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let what runs finish, then stop the application.

        Called again, it waits for the first call to be done.
        """
        if self._shutdown_over is not None:
            await self._shutdown_over.wait()
            return
        self._shutdown_over = asyncio.Event()
        try:
            await self._shutdown(sockets)
        finally:
            self._shutdown_over.set()

    async def _shutdown(self, sockets: list[socket.socket] | None) -> None:
        logger.info("Shutting down")
        # No await before this: who sees should_exit can rely on a closed port.
        self._close_listeners(sockets)
        if self._shared is not None:
            self._shared.stop(GRACE if self.retiring else 0.0)
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._settle()
        notice = asyncio.create_task(self._notify_streams())
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                if self.retiring:  # a handshake may be under way, which nobody counts
                    await self._unless_forced(asyncio.sleep(GRACE))
                await self._wait_tasks_to_complete()
        except TimeoutError:
            await self._end_what_runs()
        finally:
            notice.cancel()
        if not self.force_exit:
            await self._unless_forced(self.lifespan.shutdown())
        self._abort_connections()
        if self.force_exit:  # they hear first that their client has gone
            self._cancel_tasks("Task cancelled, forced to exit")
        await self._settle()
        self._close_shared()

    async def _notify_streams(self) -> None:
        """Have the applications end their event streams, which do not by themselves."""
        if not self.config.timeout_drain_notice:
            return
        await asyncio.sleep(self.config.timeout_drain_notice)
        while True:
            self._say_disconnect(only_streams=True)
            await asyncio.sleep(_NEXT_NOTICE)

    def _say_disconnect(self, only_streams: bool) -> None:
        for connection in list(self.server_state.connections):
            say = getattr(connection, "say_disconnect", None)
            if say is not None:  # not one of another's class, nor a WebSocket
                say(only_streams)

    async def _end_what_runs(self) -> None:
        state = self.server_state
        self._say_disconnect(only_streams=False)
        await self._settle(_LAST_WORDS)
        if state.connections or state.tasks:
            logger.error(
                "Cancel %s running task(s), timeout graceful shutdown exceeded",
                len(state.tasks),
            )
            self._cancel_tasks("Task cancelled, timeout graceful shutdown exceeded")
            await self._settle()

    async def _settle(self, seconds: float = TICK) -> None:
        """Give what has just been told to end so many seconds to do so."""
        state, deadline = self.server_state, time.monotonic() + seconds
        await asyncio.sleep(0)
        while (state.connections or state.tasks) and time.monotonic() < deadline:
            await asyncio.sleep(_SETTLE)

    async def _wait_tasks_to_complete(self) -> None:
        state = self.server_state
        self._cut_handshakes()
        if state.connections and not self.force_exit:
            logger.info("Waiting for connections to close. (CTRL+C to force quit)")
            while state.connections and not self.force_exit:
                await asyncio.sleep(_SETTLE)
        if state.tasks and not self.force_exit:
            logger.info(
                "Waiting for background tasks to complete. (CTRL+C to force quit)"
            )
            while state.tasks and not self.force_exit:
                await asyncio.sleep(_SETTLE)
        for server in self.servers:
            await self._unless_forced(server.wait_closed())

    async def _unless_forced(self, step: Coroutine[Any, Any, None]) -> None:
        """Await `step`, but no longer than until a second SIGINT."""
        task = asyncio.create_task(step)
        try:
            while not task.done() and not self.force_exit:
                await asyncio.wait([task], timeout=TICK)
        finally:
            task.cancel()
        if task.done():
            task.result()

    def _cancel_tasks(self, message: str) -> None:
        for task in list(self.server_state.tasks):
            task.cancel(msg=message)

    def _leave_the_stubborn(self) -> None:
        """The loop ends now, and does not wait for tasks that swallow a cancel."""
        for task in self.server_state.tasks:
            if task.cancelling() and not task.done():
                asyncio._unregister_task(task)

    def _close_listeners(self, sockets: list[socket.socket] | None) -> None:
        for server in getattr(self, "servers", ()):
            server.close()
        for sock in sockets or ():
            sock.close()
        self.remove_socket_file()

    def _cut_handshakes(self) -> None:
        if self._tls is not None:
            self._tls.close()

    def _abort_connections(self) -> None:
        self._cut_handshakes()
        for connection in list(self.server_state.connections):
            if (transport := getattr(connection, "transport", None)) is not None:
                transport.abort()

    def _close_shared(self) -> None:
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    def _abandon(self, sockets: list[socket.socket] | None) -> None:
        """Close everything at once: serving ends by an exception, or a cancel."""
        self._close_listeners(sockets)
        self._abort_connections()
        self._close_shared()

    def remove_socket_file(self) -> None:
        """Remove the file of --uds, if this server made it and it is there still."""
        if self._socket_file is not None:
            self._socket_file.remove()
            self._socket_file = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let handle_exit have the signals; raise them again, last first, at the end.

        signal.signal and not the loop's own way: the handlers that were there can be
        put back, and others find this server by signal.getsignal. Outside the main
        thread signals are left alone.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {sig: signal.signal(sig, self.handle_exit) for sig in HANDLED_SIGNALS}
        if self._reloads_on_hangup():
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._handle_hangup)
        try:
            yield
        finally:
            for sig, handler in before.items():
                if handler is not None:  # None: set by C code, nothing to put back
                    signal.signal(sig, handler)
        for captured in reversed(self._captured_signals):
            signal.raise_signal(captured)

    def _reloads_on_hangup(self) -> bool:
        """Whether SIGHUP means the certificates: it is no terminal that hangs up.

        Where there are workers their parent has it, and replaces them.
        """
        config = self.config
        if not config.is_ssl or config.use_subprocess or not hasattr(signal, "SIGHUP"):
            return False
        return not has_controlling_terminal()

    def _handle_hangup(self, sig: int, frame: FrameType | None) -> None:
        self._certificates_wanted = True  # for on_tick

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The signal handler: the first asks to end, a second SIGINT forces it."""
        self._captured_signals.append(sig)
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        else:
            self.should_exit = True


def _log_process(event: str, process_id: int) -> None:
    text = f"{event} server process [%d]"
    colored = text.replace("%d", click.style("%d", fg="cyan"))
    logger.info(text, process_id, extra={"color_message": colored})


def has_controlling_terminal() -> bool:
    """Whether a terminal may hang up on this process."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True

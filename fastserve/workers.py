"""The gunicorn worker: `gunicorn -k fastserve.workers.FastserveWorker main:app`.

gunicorn binds the sockets, starts, watches and replaces the workers; each of them
serves with fastserve's own Server, on its own event loop. This is the one module that
imports gunicorn. It never logs through handlers of its own: what the server and the
access log say goes to gunicorn's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from ssl import SSLContext
from types import FrameType
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from fastserve.accepting import raise_descriptor_limit
from fastserve.config import Config
from fastserve.protocols.shared import keep_heap
from fastserve.server import Server


class FastserveWorker(Worker):
    """A worker of gunicorn that serves an ASGI application.

    Subclasses set `CONFIG_KWARGS`, parameters of Config that go before gunicorn's own
    settings; they are read when the worker is made.
    """

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {"loop": "auto", "http": "auto"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _log_through("uvicorn.error", self.log.error_log)
        _log_through("uvicorn.access", self.log.access_log)
        self.config: Config = Config(**{**self._settings(), **self.CONFIG_KWARGS})

    def _settings(self) -> dict[str, Any]:
        """Parameters of Config, from gunicorn's configuration."""
        settings = {
            "app": None,  # known once the process is there, see _serve
            "log_config": None,
            "timeout_keep_alive": self.cfg.keepalive,
            "timeout_notify": self.timeout,
            "callback_notify": self.callback_notify,
            "limit_max_requests": self.max_requests,  # its jitter is in it
            "forwarded_allow_ips": self.cfg.forwarded_allow_ips,
        }
        if self.cfg.is_ssl:
            options = self.cfg.ssl_options
            settings |= {
                "ssl_keyfile": options.get("keyfile"),
                "ssl_certfile": options.get("certfile"),
                "ssl_keyfile_password": options.get("password"),
                "ssl_version": options.get("ssl_version"),
                "ssl_context_factory": self._make_ssl_context,
                "ssl_cert_reqs": options.get("cert_reqs"),
                "ssl_ca_certs": options.get("ca_certs"),
                "ssl_ciphers": options.get("ciphers"),
            }
        if self.cfg.settings["backlog"].value:
            settings["backlog"] = self.cfg.settings["backlog"].value
        return settings

    def _make_ssl_context(
        self, config: Config, default_factory: Callable[[], SSLContext]
    ) -> SSLContext:
        """Ask gunicorn's hook; unless the user has set one, it takes the default."""
        context: SSLContext = self.cfg.ssl_context(self.cfg, default_factory)
        return context

    def init_signals(self) -> None:
        """Leave the signals to Server, but for the two that only gunicorn knows.

        SIGINT and SIGTERM end a worker as they end a server, so that gunicorn sees
        which it was. SIGABRT, the answer to a missing heartbeat, ends it at once.
        """
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, self.handle_usr1)
        signal.siginterrupt(signal.SIGUSR1, False)  # no running read fails of it

    def _install_sigquit_handler(self) -> None:
        """SIGQUIT, which gunicorn passes on for its own SIGINT, ends gracefully."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGQUIT, self.handle_exit, signal.SIGQUIT, None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.alive = False

    def run(self) -> None:
        keep_heap()
        raise_descriptor_limit()
        with asyncio.Runner(loop_factory=self.config.get_loop_factory()) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        """Serve until told to end; what keeps the server from starting ends gunicorn.

        Raises SystemExit(3) then, which the arbiter knows as a worker's boot error.
        """
        self.config.app = self.wsgi
        server = _WorkerServer(self)
        self._install_sigquit_handler()
        # gunicorn wraps its sockets. The event loop is given what is inside, for of
        # that it knows how not to close a descriptor that has been closed already.
        await server.serve(sockets=[getattr(s, "sock", s) for s in self.sockets])
        if not server.started and self.alive:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    async def callback_notify(self) -> None:
        """The heartbeat; Server calls it at half of gunicorn's `timeout`."""
        self.notify()


class UvicornWorker(FastserveWorker):
    """The same under the name that deploy scripts know."""


class UvicornH11Worker(UvicornWorker):
    """The same on asyncio's own loop; fastserve has one HTTP implementation."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {"loop": "asyncio", "http": "h11"}


class _WorkerServer(Server):
    """Ends when gunicorn has told the worker to, or is no longer there.

    Whether the others go on is not said to a worker that is to end: unless it has to
    be quick, it ends as one whose place is taken by another, and loses no request.
    """

    def __init__(self, worker: FastserveWorker) -> None:
        super().__init__(worker.config)
        self._worker = worker
        self.retiring = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.retiring = sig == signal.SIGTERM
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if await super().on_tick(counter):
            return True
        if self._is_dismissed():
            self.retiring = False
            return True
        return False

    def _is_dismissed(self) -> bool:
        worker = self._worker
        if worker.alive and worker.ppid != os.getppid():
            # Its socket would keep the address from the next gunicorn.
            worker.log.info("Parent changed, shutting down: %s", worker)
            worker.alive = False
        return not worker.alive


def _log_through(name: str, target: logging.Logger) -> None:
    """Give logger `name` the handlers, the very list, and the level of `target`."""
    logger = logging.getLogger(name)
    logger.handlers = target.handlers
    logger.setLevel(target.level)
    logger.propagate = False

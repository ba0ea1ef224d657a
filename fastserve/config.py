"""Config: every setting of a server, and what follows from the settings.

Names, defaults and the order of the parameters are uvicorn's. Making a Config sets
logging up at once; `load` imports the application and, only then, the protocols,
which are compiled: nothing at this module's top needs them to have been built.
"""

from __future__ import annotations

import asyncio
import logging
import logging.config
import os
import re
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from configparser import RawConfigParser
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NoReturn, get_args

import click

from fastserve._types import ASGIApplication
from fastserve.environment import load_env_file, web_concurrency
from fastserve.extensions import check_names
from fastserve.importer import ImportFromStringError, import_from_string
from fastserve.interfaces import is_asgi3, takes_one_argument
from fastserve.log_config import apply_log_file, set_use_colors
from fastserve.logging import ACCESS_FORMAT, TRACE_LOG_LEVEL, uvicorn_classes
from fastserve.middleware.message_logger import MessageLoggerMiddleware
from fastserve.reload_paths import resolve_reload_patterns, without_excluded
from fastserve.sockets import bind_unix_socket, inherited_socket
from fastserve.tls import create_ssl_context, make_context

if TYPE_CHECKING:
    from fastserve.lifespan.off import LifespanOff
    from fastserve.lifespan.on import LifespanOn
    from fastserve.loops import LoopFactory

__all__ = ["Config", "create_ssl_context"]

HTTPProtocolType = Literal["auto", "h11", "httptools", "zttp"]
WSProtocolType = Literal["auto", "none", "websockets", "websockets-sansio", "wsproto"]
LifespanType = Literal["auto", "on", "off"]
LoopFactoryType = Literal["none", "auto", "asyncio", "uvloop", "zuvloop"]
InterfaceType = Literal["auto", "asgi3", "asgi2", "wsgi"]

LogConfig = dict[str, Any] | str | os.PathLike[str] | RawConfigParser | IO[Any]
# Given the Config and what makes the context that the ssl_* settings describe.
SSLContextFactory = Callable[
    ["Config", Callable[[], ssl.SSLContext]],
    ssl.SSLContext,
]

LOG_LEVELS: dict[str, int] = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE_LOG_LEVEL,
}
# uvicorn's own implementations by name: here they are all the same one.
_HTTP = "fastserve.protocols.http.auto:AutoHTTPProtocol"
HTTP_PROTOCOLS: dict[str, str] = dict.fromkeys(get_args(HTTPProtocolType), _HTTP)
_WS = "fastserve.protocols.websockets.auto:AutoWebSocketsProtocol"
WS_PROTOCOLS: dict[str, str | None] = dict.fromkeys(get_args(WSProtocolType), _WS)
# A request for a WebSocket is answered as the plain one that it is too.
WS_PROTOCOLS["none"] = None
LIFESPAN: dict[str, str] = {
    "auto": "fastserve.lifespan.on:LifespanOn",
    "on": "fastserve.lifespan.on:LifespanOn",
    "off": "fastserve.lifespan.off:LifespanOff",
}
LOOP_FACTORIES: dict[str, str | None] = {
    "none": None,
    "auto": "fastserve.loops.auto:auto_loop_factory",
    "asyncio": "fastserve.loops.asyncio:asyncio_loop_factory",
    "uvloop": "fastserve.loops.uvloop:uvloop_loop_factory",
    "zuvloop": "fastserve.loops.zuvloop:zuvloop_loop_factory",
}
INTERFACES: list[InterfaceType] = ["auto", "asgi3", "asgi2", "wsgi"]

SSL_PROTOCOL_VERSION: int = ssl.PROTOCOL_TLS_SERVER

# What the Server header and the line of log_running say; fastserve.compat, and nothing
# else, puts uvicorn there.
SERVER_NAME = "fastserve"

# The exit code of whatever keeps a server from starting.
STARTUP_FAILURE = 3

# The loggers keep uvicorn's names: the filters and handlers of others name them.
LOGGING_CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "default": {
            "()": "fastserve.logging.DefaultFormatter",
            "fmt": "%(levelprefix)s %(message)s",
            "use_colors": None,
        },
        "access": {
            "()": "fastserve.logging.AccessFormatter",
            "fmt": ACCESS_FORMAT,
        },
    },
    "handlers": {
        "default": {
            "formatter": "default",
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr",
        },
        "access": {
            "formatter": "access",
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
        },
    },
    "loggers": {
        "uvicorn": {"handlers": ["default"], "level": "INFO", "propagate": False},
        "uvicorn.error": {"level": "INFO"},
        "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
    },
}

# RFC 9110 5.6.2 and 5.5: a token, and text without CR, LF, NUL or other controls.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

logger: logging.Logger = logging.getLogger("uvicorn.error")


class UvicornDeprecationWarning(UserWarning):
    """For programs that filter warnings by uvicorn's class; nothing here warns."""


def encode_header(name: str, value: str) -> tuple[bytes, bytes]:
    """One header as it goes out: the name in lower case, the value as it is.

    Raises ValueError when it could not be sent: it must not split a response.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError(f"Invalid HTTP header name {name!r}.")
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"Invalid value {value!r} of HTTP header {name!r}.")
    return name.lower().encode("latin-1"), value.encode("latin-1")


def _exit(message: str, *args: object) -> NoReturn:
    logger.error(message, *args)
    sys.exit(STARTUP_FAILURE)


def _as_list(values: list[str] | str | None) -> list[str]:
    return [values] if isinstance(values, str) else list(values or [])


class Config:
    """The settings of one server; each parameter is an attribute of its name."""

    def __init__(
        self,
        app: ASGIApplication | Callable[..., Any] | str,
        host: str = "127.0.0.1",
        port: int = 8000,
        uds: str | None = None,
        fd: int | None = None,
        loop: LoopFactoryType | str = "auto",
        http: type[asyncio.Protocol] | HTTPProtocolType | str = "auto",
        http2: bool = False,
        ws: type[asyncio.Protocol] | WSProtocolType | str = "auto",
        ws_max_size: int = 16 * 1024 * 1024,
        ws_max_queue: int = 32,
        ws_ping_interval: float | None = 20.0,
        ws_ping_timeout: float | None = 20.0,
        ws_per_message_deflate: bool = True,
        lifespan: LifespanType = "auto",
        env_file: str | os.PathLike[str] | None = None,
        log_config: LogConfig | None = LOGGING_CONFIG,
        log_level: str | int | None = None,
        access_log: bool = True,
        use_colors: bool | None = None,
        interface: InterfaceType = "auto",
        reload: bool = False,
        reload_dirs: list[str] | str | None = None,
        reload_delay: float = 0.25,
        reload_includes: list[str] | str | None = None,
        reload_excludes: list[str] | str | None = None,
        workers: int | None = None,
        proxy_headers: bool = True,
        server_header: bool = True,
        date_header: bool = True,
        forwarded_allow_ips: list[str] | str | None = None,
        root_path: str = "",
        limit_concurrency: int | None = None,
        limit_max_requests: int | None = None,
        limit_max_requests_jitter: int = 0,
        backlog: int = 2048,
        timeout_keep_alive: int = 5,
        timeout_notify: int = 30,
        timeout_graceful_shutdown: int | None = None,
        timeout_worker_healthcheck: int = 5,
        callback_notify: Callable[..., Awaitable[None]] | None = None,
        ssl_keyfile: str | os.PathLike[str] | None = None,
        ssl_certfile: str | os.PathLike[str] | None = None,
        ssl_keyfile_password: str | None = None,
        ssl_version: int = SSL_PROTOCOL_VERSION,
        ssl_cert_reqs: int = ssl.CERT_NONE,
        ssl_ca_certs: str | os.PathLike[str] | None = None,
        ssl_ciphers: str | None = None,
        ssl_context_factory: SSLContextFactory | None = None,
        headers: list[tuple[str, str]] | None = None,
        factory: bool = False,
        h11_max_incomplete_event_size: int | None = None,
        reset_contextvars: bool = False,
        timeout_worker_stuck: float | None = None,
        timeout_request_header: float = 30,
        timeout_request_body: float = 60,
        timeout_write: float = 60,
        timeout_tls_handshake: float = 10,
        limit_request_line: int = 32 * 1024,
        limit_header_size: int = 128 * 1024,
        limit_header_count: int = 256,
        limit_request_body: int | None = None,
        limit_chunk_extensions: int = 16 * 1024,
        limit_pipelined_requests: int = 1024,
        limit_connections: int | None = None,
        disable_extensions: list[str] | str | None = None,
        timeout_drain_notice: float = 1,
        warn_blocked_loop: float | None = None,
    ) -> None:
        self.app = app
        self.host = host
        self.port = port
        self.uds = uds
        self.fd = fd
        self.loop = loop
        self.http = http
        self.http2 = http2
        self.ws = ws
        self.ws_max_size = ws_max_size
        self.ws_max_queue = ws_max_queue
        self.ws_ping_interval = ws_ping_interval
        self.ws_ping_timeout = ws_ping_timeout
        self.ws_per_message_deflate = ws_per_message_deflate
        self.lifespan = lifespan
        self.env_file = env_file
        self.log_config = log_config
        self.log_level = log_level
        self.access_log = access_log
        self.use_colors = use_colors
        self.interface = interface
        self.reload = reload
        self.reload_delay = reload_delay
        self.proxy_headers = proxy_headers
        self.server_header = server_header
        self.date_header = date_header
        self.root_path = root_path
        self.limit_concurrency = limit_concurrency
        self.limit_max_requests = limit_max_requests
        self.limit_max_requests_jitter = limit_max_requests_jitter
        self.backlog = backlog
        self.timeout_keep_alive = timeout_keep_alive
        self.timeout_notify = timeout_notify
        self.timeout_graceful_shutdown = timeout_graceful_shutdown
        self.timeout_worker_healthcheck = timeout_worker_healthcheck
        self.callback_notify = callback_notify
        self.ssl_keyfile = ssl_keyfile
        self.ssl_certfile = ssl_certfile
        self.ssl_keyfile_password = ssl_keyfile_password
        self.ssl_version = ssl_version
        self.ssl_cert_reqs = ssl_cert_reqs
        self.ssl_ca_certs = ssl_ca_certs
        self.ssl_ciphers = ssl_ciphers
        self.ssl_context_factory = ssl_context_factory
        self.headers: list[tuple[str, str]] = headers or []
        self.factory = factory
        self.h11_max_incomplete_event_size = h11_max_incomplete_event_size
        self.reset_contextvars = reset_contextvars
        self.timeout_worker_stuck = timeout_worker_stuck
        self.timeout_request_header = timeout_request_header
        self.timeout_request_body = timeout_request_body
        self.timeout_write = timeout_write
        self.timeout_tls_handshake = timeout_tls_handshake
        self.limit_request_line = limit_request_line
        self.limit_header_size = limit_header_size
        self.limit_header_count = limit_header_count
        self.limit_request_body = limit_request_body
        self.limit_chunk_extensions = limit_chunk_extensions
        self.limit_pipelined_requests = limit_pipelined_requests
        self.limit_connections = limit_connections
        self.disable_extensions: list[str] = check_names(_as_list(disable_extensions))
        self.timeout_drain_notice = timeout_drain_notice
        self.warn_blocked_loop = warn_blocked_loop

        # What `load` finds out.
        self.loaded: bool = False
        self.loaded_app: Any
        self.encoded_headers: list[tuple[bytes, bytes]] = []
        # Made as cls(config=, server_state=, app_state=, _loop=).
        self.http_protocol_class: Callable[..., Any]
        self.ws_protocol_class: Callable[..., Any] | None
        self.lifespan_class: type[LifespanOn | LifespanOff]
        self.ssl: ssl.SSLContext | None = None

        self.configure_logging()
        self._tell_what_has_no_effect()
        self._find_reload_paths(reload_dirs, reload_includes, reload_excludes)
        if env_file is not None:
            load_env_file(env_file)
        # From the environment only now: the file may have set them.
        self.workers: int = (web_concurrency() if workers is None else workers) or 1
        self.forwarded_allow_ips: list[str] | str = (
            os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
            if forwarded_allow_ips is None
            else forwarded_allow_ips
        )
        if self.reload and self.workers > 1:
            logger.warning('"workers" flag is ignored when reloading is enabled.')

    def _tell_what_has_no_effect(self) -> None:
        foreign = [
            f"{name}={value!r}"
            for name, value in (("http", self.http), ("ws", self.ws))
            if _is_uvicorns(value)
        ]
        if self.h11_max_incomplete_event_size is not None:
            limit = self.h11_max_incomplete_event_size
            foreign.append(f"h11_max_incomplete_event_size={limit}")
        if foreign:
            logger.info(
                "Without effect, for it is about uvicorn's own implementations: %s",
                ", ".join(foreign),
            )
        if self.http2:
            logger.warning("HTTP/2 is not offered yet: http2 has no effect.")

    def _find_reload_paths(
        self,
        dirs: list[str] | str | None,
        includes: list[str] | str | None,
        excludes: list[str] | str | None,
    ) -> None:
        """Set what --reload watches: folders, and patterns of file names."""
        self.reload_dirs: list[Path] = []
        self.reload_dirs_excludes: list[Path] = []
        self.reload_includes: list[str] = []
        self.reload_excludes: list[str] = []
        if not self.should_reload:
            if dirs or includes or excludes:
                logger.warning(
                    "Current configuration will not reload as not all conditions are "
                    "met, please refer to documentation."
                )
            return

        given = _as_list(dirs)
        self.reload_includes, watched = resolve_reload_patterns(
            _as_list(includes), given
        )
        self.reload_excludes, self.reload_dirs_excludes = resolve_reload_patterns(
            _as_list(excludes), []
        )
        self.reload_includes = [
            each for each in self.reload_includes if each not in self.reload_excludes
        ]
        self.reload_dirs = without_excluded(watched, self.reload_dirs_excludes)
        if not self.reload_dirs:
            if given:
                logger.warning(
                    "Provided reload directories %s did not contain valid "
                    "directories, watching current working directory.",
                    given,
                )
            self.reload_dirs = [Path.cwd()]
        logger.info(
            "Will watch for changes in these directories: %s",
            sorted(map(str, self.reload_dirs)),
        )

    @property
    def asgi_version(self) -> Literal["2.0", "3.0"]:
        """Raises KeyError before `load` when the interface is to be found out."""
        versions: dict[str, Literal["2.0", "3.0"]]
        versions = {"asgi2": "2.0", "asgi3": "3.0", "wsgi": "3.0"}
        return versions[self.interface]

    @property
    def is_ssl(self) -> bool:
        """Whether TLS was asked for; true before `load` as well."""
        return bool(self.ssl_keyfile or self.ssl_certfile or self.ssl_context_factory)

    @property
    def other_ws_class(self) -> Callable[..., Any] | None:
        """The ws class that upgrades are handed to: one that is not our own."""
        from fastserve.protocols.http.auto import AutoHTTPProtocol

        ws = self.ws_protocol_class
        return None if ws is AutoHTTPProtocol else ws

    @property
    def should_reload(self) -> bool:
        """Whether to watch files: only an application told by name can be reloaded."""
        return isinstance(self.app, str) and self.reload

    @property
    def use_subprocess(self) -> bool:
        """Whether the server runs in a child of this process."""
        return bool(self.reload or self.workers > 1)

    def configure_logging(self) -> None:
        """Apply log_config, then the settings that change single loggers.

        Raises ValueError for a file that is no good, ImportError when PyYAML is needed
        and not there, and for a dict what the logging module raises.
        """
        logging.addLevelName(TRACE_LOG_LEVEL, "TRACE")
        if isinstance(self.log_config, os.PathLike):
            self.log_config = os.fspath(self.log_config)
        if self.log_config is not None:
            with uvicorn_classes():
                self._apply_log_config(self.log_config)
        if self.log_level is not None:
            level = self.log_level
            if isinstance(level, str):
                level = LOG_LEVELS[level.lower()]
            for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
                logging.getLogger(name).setLevel(level)
        if not self.access_log:
            access_logger = logging.getLogger("uvicorn.access")
            access_logger.handlers = []
            access_logger.propagate = False

    def _apply_log_config(self, given: LogConfig) -> None:
        if isinstance(given, dict):
            logging.config.dictConfig(given)
            if self.use_colors is not None:
                set_use_colors(given, self.use_colors)
        elif isinstance(given, str):
            apply_log_file(given)
        else:  # an INI file that is open, or read
            logging.config.fileConfig(given, disable_existing_loggers=False)

    def load_app(self) -> Any:
        """Import the application; exits with 3 when there is none of that name."""
        try:
            return import_from_string(self.app)
        except ImportFromStringError as exc:
            _exit("Error loading ASGI app. %s", exc)

    def load(self) -> None:
        """Import and prepare what serving needs; to be called once.

        Raises ValueError for a header that cannot be sent, ImportError for a package
        that is missing. What the application's module raises goes through; an
        application or a protocol class that is not there exits with 3.
        """
        assert not self.loaded

        self.http_protocol_class = _find_protocol("http", self.http, HTTP_PROTOCOLS)
        self.ws_protocol_class = _find_protocol("ws", self.ws, WS_PROTOCOLS)
        self.ssl = self.load_ssl()
        self.encoded_headers = self._encode_headers()
        self.lifespan_class = import_from_string(LIFESPAN[self.lifespan])
        self.loaded_app = self._wrap(self._call_factory(self.load_app()))
        self.loaded = True

    def _wrap(self, app: Any) -> Any:
        """`app` behind the middleware that its interface and the settings ask for."""
        if self.interface == "auto":
            self.interface = self._find_interface(app)
        if self.interface == "wsgi":
            from fastserve.middleware.wsgi import WSGIMiddleware

            try:
                app = WSGIMiddleware(app)
            except ImportError as exc:
                _exit("Error loading ASGI app. %s", exc)
            self.ws_protocol_class = None
        elif self.interface == "asgi2":
            from fastserve.middleware.asgi2 import ASGI2Middleware

            app = ASGI2Middleware(app)
        if logger.getEffectiveLevel() <= TRACE_LOG_LEVEL:
            app = MessageLoggerMiddleware(app)
        if self.proxy_headers:
            from fastserve.middleware.proxy_headers import ProxyHeadersMiddleware

            app = ProxyHeadersMiddleware(
                app, trusted_hosts=self.forwarded_allow_ips, warn_untrusted=True
            )
        return app

    def _find_interface(self, app: Any) -> InterfaceType:
        if not callable(app):
            _exit("Error loading ASGI app. %r is not callable.", self.app)
        if is_asgi3(app):
            return "asgi3"
        if not takes_one_argument(app):
            logger.warning(
                "%r is no coroutine function, and is taken for an ASGI 2 application, "
                "but cannot be called with a scope alone. A WSGI application needs "
                "--interface wsgi, an ASGI 3 one that returns an awaitable "
                "--interface asgi3.",
                self.app,
            )
        return "asgi2"

    def load_ssl(self) -> ssl.SSLContext | None:
        """The TLS context; files that cannot be used end the process with 3."""
        if self.ssl_context_factory is not None:
            return make_context(self)  # what that raises is the program's own
        try:
            return make_context(self)
        except (OSError, ValueError, RuntimeError) as exc:
            _exit(
                "TLS cannot be set up with the certificate file %r and the key file "
                "%r: %s",
                self.ssl_certfile,
                self.ssl_keyfile,
                exc,
            )

    def _encode_headers(self) -> list[tuple[bytes, bytes]]:
        encoded = [encode_header(name, value) for name, value in self.headers]
        if self.server_header and b"server" not in dict(encoded):
            return [(b"server", SERVER_NAME.encode()), *encoded]
        return encoded

    def _call_factory(self, app: Any) -> Any:
        """What `app` makes if it is a factory, told so or not; else `app` itself."""
        try:
            made = app()
        except TypeError as exc:
            if self.factory:
                _exit("Error loading ASGI app factory: %s", exc)
            return app
        if not self.factory:
            logger.warning(
                "ASGI app factory detected. Using it, but please consider setting "
                "the --factory flag explicitly."
            )
        return made

    def setup_event_loop(self) -> NoReturn:
        raise AttributeError(
            "`setup_event_loop` is gone, as it is from uvicorn: `get_loop_factory` "
            "returns what makes the event loop."
        )

    def get_loop_factory(self) -> LoopFactory | None:
        """What makes the event loop; None leaves it to asyncio's policy.

        A custom `module:attribute` is the factory itself and is not called here.
        Exits with 3 when it is not there.
        """
        if self.loop not in LOOP_FACTORIES:
            try:
                custom: LoopFactory = import_from_string(self.loop)
            except ImportFromStringError as exc:
                _exit("Error loading custom loop setup function. %s", exc)
            return custom
        by_name: Callable[..., LoopFactory] | None
        by_name = import_from_string(LOOP_FACTORIES[self.loop])
        if by_name is None:
            return None
        try:
            return by_name(use_subprocess=self.use_subprocess)
        except ImportError as exc:
            _exit("Error loading the event loop %s. %s", self.loop, exc)

    def bind_socket(self) -> socket.socket:
        """A bound socket, inheritable and not yet listening, for `Server.serve`.

        Logs the line that says where it is; exits with 3 when it cannot be bound.
        """
        try:
            sock, form, values = self._bind()
        except OSError as exc:
            self.log_bind_failure(exc)
            sys.exit(STARTUP_FAILURE)
        log_running(form, values)
        sock.set_inheritable(True)
        return sock

    def _bind(self) -> tuple[socket.socket, str, tuple[object, ...]]:
        if self.uds is not None:
            sock, _ = bind_unix_socket(self.uds)
            return sock, "unix socket %s", (self.uds,)
        if self.fd is not None:
            sock = inherited_socket(self.fd)
            return sock, "socket %s", (sock.getsockname(),)
        ipv6 = bool(self.host) and ":" in self.host
        sock = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self.host or "", self.port))
        except OSError:
            sock.close()
            raise
        return sock, *self.address_line(sock.getsockname()[1])

    def log_bind_failure(self, error: OSError) -> None:
        """Log why nothing can listen there, and whose the port is, if known."""
        logger.error(error)
        if self.uds is None and self.fd is None:
            from fastserve import port_holder  # for this failure only

            holder = port_holder.explain(error, self.host, self.port)
            if holder is not None:
                logger.error(holder)

    def address_line(self, port: int) -> tuple[str, tuple[object, ...]]:
        """Format and arguments that name host and port as a URL."""
        host = "0.0.0.0" if self.host is None else self.host
        form = "%s://[%s]:%d" if ":" in host else "%s://%s:%d"
        return form, ("https" if self.ssl or self.is_ssl else "http", host, port)


def log_running(form: str, values: Iterable[object]) -> None:
    """Log the one line that says where the server listens."""
    text = f"{SERVER_NAME.capitalize()} running on {{}} (Press CTRL+C to quit)"
    colored = text.format(click.style(form, bold=True))
    logger.info(text.format(form), *values, extra={"color_message": colored})


def _is_uvicorns(protocol: object) -> bool:
    """Whether a setting of http or ws names one of uvicorn's own implementations."""
    if not isinstance(protocol, str) or protocol in ("auto", "none"):
        return False
    named = protocol in HTTP_PROTOCOLS or protocol in WS_PROTOCOLS
    return named or protocol.startswith("uvicorn.protocols.")


def _find_protocol(option: str, given: object, known: Mapping[str, str | None]) -> Any:
    """The class of `http` or `ws`: as given, by import string, or by its name."""
    if not isinstance(given, str):
        return given
    name = "auto" if _is_uvicorns(given) else given
    try:
        return import_from_string(known.get(name, name))
    except ImportFromStringError as exc:
        names = ", ".join(known)
        _exit("Error loading the %s class. %s Names: %s.", option, exc, names)

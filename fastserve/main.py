"""The command line, and run(), which it calls.

The command's options are run()'s parameters, which are Config's, and every option may
come from an environment variable FASTSERVE_<PARAMETER> as well. Nothing imports this
module but the package itself; nothing here imports a compiled module.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import signal
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, get_args

import click

import fastserve
from fastserve._types import ASGIApplication
from fastserve.config import (
    INTERFACES,
    LIFESPAN,
    LOG_LEVELS,
    LOGGING_CONFIG,
    SSL_PROTOCOL_VERSION,
    STARTUP_FAILURE,
    Config,
    HTTPProtocolType,
    InterfaceType,
    LifespanType,
    LogConfig,
    LoopFactoryType,
    SSLContextFactory,
    WSProtocolType,
    encode_header,
)
from fastserve.server import Server

_LOOPS = f"[{'|'.join(name for name in get_args(LoopFactoryType) if name != 'none')}]"


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    click.echo(
        f"Running fastserve {fastserve.__version__} with "
        f"{platform.python_implementation()} {platform.python_version()} "
        f"on {platform.system()}"
    )
    ctx.exit()


def _check_port(ctx: click.Context, param: click.Parameter, port: int) -> int:
    if not 0 <= port <= 65535:
        raise click.BadParameter(f"{port} is not in the range 0 to 65535.")
    return port


def _split_headers(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> list[tuple[str, str]]:
    """`Name:Value` at its first colon; the value is kept to the blank."""
    headers = []
    for text in values:
        name, colon, value = text.partition(":")
        if not colon:
            raise click.BadParameter(f"{text!r} is not of the form Name:Value.")
        try:
            encode_header(name, value)
        except ValueError as exc:
            raise click.BadParameter(str(exc)) from exc
        headers.append((name, value))
    return headers


@click.command(context_settings={"auto_envvar_prefix": "FASTSERVE"})
@click.argument("app", envvar="FASTSERVE_APP")
@click.option(
    "--host",
    type=str,
    default="127.0.0.1",
    show_default=True,
    help="Address or host name to listen on.",
)
@click.option(
    "--port",
    type=int,
    default=8000,
    show_default=True,
    callback=_check_port,
    help="Port to listen on; 0 takes a free one, which the log names.",
)
@click.option("--uds", type=str, default=None, help="Listen on this Unix socket.")
@click.option(
    "--fd",
    type=int,
    default=None,
    help="Listen on the socket that this inherited file descriptor is.",
)
@click.option(
    "--loop",
    type=str,
    metavar=_LOOPS,
    default="auto",
    show_default=True,
    help="Event loop: a name, or MODULE:ATTRIBUTE of what makes one. "
    "auto takes uvloop where it is installed.",
)
@click.option(
    "--lifespan",
    type=click.Choice(list(LIFESPAN)),
    default="auto",
    show_default=True,
    help="Tell the application of startup and shutdown; auto goes on without "
    "when it does not understand.",
)
@click.option(
    "--interface",
    type=click.Choice(INTERFACES),
    default="auto",
    show_default=True,
    help="The interface that the application has.",
)
@click.option(
    "--log-level",
    type=click.Choice(list(LOG_LEVELS)),
    default=None,
    help="The lowest level to log. [default: info]",
)
@click.option(
    "--access-log/--no-access-log",
    is_flag=True,
    default=True,
    help="Log a line for each request.",
)
@click.option(
    "--use-colors/--no-use-colors",
    is_flag=True,
    default=None,
    help="Colour the log. [default: on a terminal]",
)
@click.option(
    "--server-header/--no-server-header",
    is_flag=True,
    default=True,
    help="Send a Server header.",
)
@click.option(
    "--date-header/--no-date-header",
    is_flag=True,
    default=True,
    help="Send a Date header.",
)
@click.option(
    "--root-path",
    type=str,
    default="",
    help="The path below which the application is mounted, for ASGI's root_path.",
)
@click.option(
    "--limit-concurrency",
    type=int,
    default=None,
    help="Answer 503 while there are this many connections or tasks.",
)
@click.option(
    "--backlog",
    type=int,
    default=2048,
    show_default=True,
    help="How many connections may wait to be accepted.",
)
@click.option(
    "--limit-max-requests",
    type=int,
    default=None,
    help="Stop after this many requests.",
)
@click.option(
    "--limit-max-requests-jitter",
    type=int,
    default=0,
    show_default=True,
    help="Raise --limit-max-requests by a random number up to this one.",
)
@click.option(
    "--timeout-keep-alive",
    type=int,
    default=5,
    show_default=True,
    help="Close a connection that was idle for this many seconds.",
)
@click.option(
    "--timeout-graceful-shutdown",
    type=int,
    default=None,
    help="Cancel the requests that still run this many seconds after the signal "
    "to stop. [default: wait for them]",
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    callback=_split_headers,
    metavar="NAME:VALUE",
    help="Add this header to every response; may be given several times.",
)
@click.option(
    "--version",
    is_flag=True,
    callback=_print_version,
    expose_value=False,
    is_eager=True,
    help="Show the versions of fastserve and Python, and exit.",
)
@click.option(
    "--app-dir",
    default="",
    help="Look for the application in this folder. [default: the working directory]",
)
@click.option(
    "--factory",
    is_flag=True,
    default=False,
    help="APP is a function without arguments that returns the application.",
)
def main(app: str, **options: Any) -> None:
    """Serve the ASGI application APP, given as MODULE:ATTRIBUTE."""
    run(app, **options)


def run(
    app: ASGIApplication | Callable[..., Any] | str,
    *,
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
    timeout_graceful_shutdown: int | None = None,
    timeout_worker_healthcheck: int = 5,
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
    app_dir: str | None = None,
) -> None:
    """Serve `app` until a signal ends the server; the parameters are Config's.

    `app_dir` is put in front of sys.path. The application is imported before there is
    an event loop, so that its module may run one of its own.
    Raises SystemExit(3) when the server could not start.
    """
    settings = {name: value for name, value in locals().items() if name != "app_dir"}
    if app_dir is not None:
        sys.path.insert(0, app_dir)

    config = Config(**settings)
    config.load_app()

    server = Server(config=config)
    try:
        with _socket_file_removed(server):
            server.run()
    except KeyboardInterrupt:
        pass  # the signal that ended it, raised again after the shutdown
    if not server.started:
        sys.exit(STARTUP_FAILURE)


@contextlib.contextmanager
def _socket_file_removed(server: Server) -> Iterator[None]:
    """Have the file of --uds removed by the signals that end a process outright too.

    The server removes it when it stops listening, after SIGINT and SIGTERM as well;
    what is left are the signals that nobody handles.
    """

    def remove_and_end(sig: int, frame: FrameType | None) -> None:
        server.remove_socket_file()
        signal.signal(sig, signal.SIG_DFL)
        signal.raise_signal(sig)

    replaced = []
    in_main_thread = threading.current_thread() is threading.main_thread()
    if server.config.uds is not None and in_main_thread:
        for name in ("SIGHUP", "SIGQUIT"):
            sig = getattr(signal, name, None)  # Windows has neither
            if sig is not None and signal.getsignal(sig) is signal.SIG_DFL:
                signal.signal(sig, remove_and_end)
                replaced.append(sig)
    try:
        yield
    finally:
        server.remove_socket_file()
        for sig in replaced:
            signal.signal(sig, signal.SIG_DFL)

"""The command line, and run(), which it calls.

The command's options are run()'s parameters, which are Config's. Each may come from a
variable or a configuration file as well, for the command alone: `run` reads neither.
Nothing imports this module but the package itself; nothing here imports a compiled
module.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import ssl
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import click
from click.core import ParameterSource

from fastserve._types import ASGIApplication
from fastserve.config import (
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
)
from fastserve.notices import Notice, notices, sources
from fastserve.options import APP, GROUPS, VERSION
from fastserve.server import Server
from fastserve.server import ServerState as _ServerState
from fastserve.settings import (
    Keys,
    Settings,
    SettingsError,
    find_settings,
    read_settings,
)
from fastserve.sockets import SocketFile

logger: logging.Logger = logging.getLogger("uvicorn.error")

# Where a command's context keeps what `run` is to log; no context, nothing to log.
_NOTICES = "fastserve.notices"
# And what it has read of configuration files.
_FILE = "fastserve.file"


# Options that may be given several times; None where they are not.
_LISTS = ("reload_dirs", "reload_includes", "reload_excludes", "disable_extensions")


class _CheckError(click.UsageError):
    """A usage error under --check-config, which has one code for all that is wrong."""

    exit_code = STARTUP_FAILURE


def _reasons(exc: BaseException | None) -> Iterator[str]:
    """What an exception says, and what its causes say."""
    while exc is not None:
        yield f"no {exc} in it" if isinstance(exc, KeyError) else str(exc)
        exc = exc.__cause__


def _usage_error(
    exc: Exception, ctx: click.Context, checking: bool
) -> click.UsageError:
    kind = _CheckError if checking else click.UsageError
    return kind(": ".join(_reasons(exc)), ctx)


class _ConfigOption(click.Option):
    """--config: reads the file, before the other options are looked at."""

    def handle_parse_result(
        self, ctx: click.Context, opts: Any, args: list[str]
    ) -> tuple[Any, list[str]]:
        path, args = super().handle_parse_result(ctx, opts, args)
        if ctx.resilient_parsing:
            return path, args
        told = ctx.get_parameter_source("config") is ParameterSource.COMMANDLINE
        wanted = opts.get("no_config") is not True
        if told and not wanted:
            raise click.UsageError(
                "--config and --no-config contradict each other: give one of them.", ctx
            )
        if wanted:
            try:
                _read_settings(ctx, path if isinstance(path, str) else None)
            except SettingsError as exc:
                raise _usage_error(exc, ctx, opts.get("check_config") is True) from exc
        return path, args


_SETTABLE = [APP, *itertools.chain.from_iterable(GROUPS.values())]


def _read_settings(ctx: click.Context, path: str | None) -> None:
    """Let a file's settings stand in for the options that are not given."""
    keys = Keys(_SETTABLE)
    settings: Settings | None
    passed_over: list[SettingsError] = []
    if path is None:
        settings, passed_over = find_settings(ctx, keys)
    else:
        settings = read_settings(Path(path), ctx, keys)
    ctx.meta[_FILE] = settings, passed_over
    if settings is not None:
        ctx.default_map = settings.values


_CONFIGURATION = [
    _ConfigOption(
        ["--config"],
        type=click.Path(exists=True, dir_okay=False),
        envvar="FASTSERVE_CONFIG",
        is_eager=True,
        expose_value=False,
        help="Take settings that are not given here, nor by variables, from this file: "
        "TOML, or the key = value lines of a .conf. [default: fastserve.toml, "
        "pyproject.toml's table tool.fastserve, fastserve.conf or uvicorn.conf]",
    ),
    click.Option(
        ["--no-config"],
        is_flag=True,
        expose_value=False,
        help="Look for no configuration file.",
    ),
    click.Option(
        ["--check-config"],
        is_flag=True,
        help="Show the settings that are not the defaults, with their sources, import "
        "APP, and exit: 0 if all is well, else 3.",
    ),
    VERSION,
]


class _Command(click.Command):
    """A command whose --help shows its options in groups."""

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        rest = [*_CONFIGURATION, self.get_help_option(ctx)]
        groups: dict[str, Sequence[click.Option | None]] = {**GROUPS, "Other": rest}
        for title, options in groups.items():
            records = (option.get_help_record(ctx) for option in options if option)
            with formatter.section(title):
                formatter.write_dl([record for record in records if record])


@click.command(cls=_Command, params=[*_SETTABLE, *_CONFIGURATION])
@click.pass_context
def main(ctx: click.Context, /, app: str, check_config: bool, **options: Any) -> None:
    """Serve the application APP, given as MODULE:ATTRIBUTE.

    Each option may come from a variable FASTSERVE_<NAME>, or else UVICORN_<NAME>, too.
    """
    _open_standard_streams()
    settings, passed_over = ctx.meta.get(_FILE, (None, ()))
    given = sources(ctx, settings)
    ctx.meta[_NOTICES] = list(notices(ctx, given, settings, passed_over))
    for name in _LISTS:
        options[name] = list(options[name]) or None
    options["headers"] = list(options["headers"])
    if check_config:
        from fastserve.check_config import check_config as check

        # Whoever only checks does not open the log files either.
        options["log_config"] = LOGGING_CONFIG
        sys.path.insert(0, options.pop("app_dir"))
        check(_make_config(app=app, **options), _SETTABLE, ctx.params, given)
    if options["log_config"] is None:
        options["log_config"] = LOGGING_CONFIG
    run(app, **options)


def _open_standard_streams() -> None:
    """Put the null device where stdin, stdout or stderr is closed.

    Else a client's connection got its number, and what a library prints.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free: this one. Children have it too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, closefd=False))


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
    app_dir: str | None = None,
) -> None:
    """Serve `app` until a signal ends the server; the parameters are Config's.

    `app_dir` is put in front of sys.path. The application is imported before there is
    an event loop, so that its module may run one of its own.
    With `reload` or several `workers`, `app` is an import string, and only the children
    import it. Raises SystemExit(3) when the server could not start.
    """
    settings = {name: value for name, value in locals().items() if name != "app_dir"}
    if app_dir is not None:
        sys.path.insert(0, app_dir)

    config = _make_config(**settings)
    if not config.use_subprocess:
        config.load_app()
    elif not isinstance(app, str):
        logger.warning(
            "You must pass the application as an import string to enable 'reload' or "
            "'workers'."
        )
        sys.exit(STARTUP_FAILURE)

    server = Server(config=config)
    with contextlib.suppress(KeyboardInterrupt):  # SIGINT, raised again at the end
        if config.use_subprocess:
            _supervise(config, server)
        else:
            with _removed_at_end(server.remove_socket_file if config.uds else None):
                server.run()
    if not server.started and not config.use_subprocess:
        sys.exit(STARTUP_FAILURE)


def _make_config(**settings: Any) -> Config:
    """Config(...); for the command its errors are usage errors, and notices follow."""
    ctx = click.get_current_context(silent=True)
    of_command: list[Notice] | None = ctx.meta.pop(_NOTICES, None) if ctx else None
    try:
        config = Config(**settings)
    except (ImportError, OSError, ValueError) as exc:
        if ctx is None or of_command is None:
            raise
        raise _usage_error(exc, ctx, ctx.params["check_config"]) from exc
    for level, text in of_command or ():
        logger.log(level, text)
    return config


def _supervise(config: Config, server: Server) -> None:
    """Serve in children, on a socket that this process binds and keeps."""
    # Imported here and not above: --help needs no multiprocessing and no watchfiles.
    from fastserve.supervisors import ChangeReload, Multiprocess

    sock = config.bind_socket()
    with _removed_at_end(SocketFile.at(config.uds).remove if config.uds else None):
        if config.should_reload:
            ChangeReload(config, target=server.run, sockets=[sock]).run()
        else:
            Multiprocess(config, sockets=[sock]).run()


@contextlib.contextmanager
def _removed_at_end(remove: Callable[[], None] | None) -> Iterator[None]:
    """Call `remove`, which is for the file of --uds, however a signal ends the block.

    Whoever serves or supervises handles SIGINT, SIGTERM and some others; what is left
    are the signals that nobody handles. None: there is no file.
    """
    if remove is None:
        yield
        return

    def remove_and_end(sig: int, frame: FrameType | None) -> None:
        remove()
        signal.signal(sig, signal.SIG_DFL)
        signal.raise_signal(sig)

    replaced = []
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGHUP", "SIGQUIT"):
            sig = getattr(signal, name, None)  # Windows has neither
            if sig is not None and signal.getsignal(sig) is signal.SIG_DFL:
                signal.signal(sig, remove_and_end)
                replaced.append(sig)
    try:
        yield
    finally:
        remove()
        for sig in replaced:
            signal.signal(sig, signal.SIG_DFL)


def __getattr__(name: str) -> Any:
    if name != "ServerState":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "ServerState has moved to fastserve.server.", DeprecationWarning, stacklevel=2
    )
    return _ServerState


if __name__ == "__main__":
    main()

"""The options of the command line, one row each, in the groups that --help shows.

A row's parameter is Config's of the same name, and its default Config's own; each may
come from a variable FASTSERVE_<PARAMETER> or UVICORN_<PARAMETER>. Values are checked by
their click types alone, so that one from a file is checked as one from the command.
"""

from __future__ import annotations

import inspect
from typing import Any, get_args

import click

from fastserve.config import (
    INTERFACES,
    LIFESPAN,
    LOG_LEVELS,
    Config,
    HTTPProtocolType,
    LoopFactoryType,
    WSProtocolType,
    encode_header,
)
from fastserve.extensions import EXTENSIONS

UVICORN = "UVICORN_"
_PREFIXES = ("FASTSERVE_", UVICORN)

_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(Config).parameters.items()
}


def variables(name: str) -> list[str]:
    """The variables that may set a parameter, the one that goes first at first."""
    return [prefix + name.upper() for prefix in _PREFIXES]


class _Header(click.ParamType):  # type: ignore[type-arg]
    """`Name:Value` at its first colon; the value is kept to the blank."""

    name = "name:value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        name, colon, text = value.partition(":")
        if not colon:
            self.fail(f"{value!r} is not of the form Name:Value.", param, ctx)
        try:
            encode_header(name, text)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)
        return name, text


class _RootPath(click.ParamType):  # type: ignore[type-arg]
    name = "path"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        path = str(value)
        if not path.isascii():
            self.fail(f"{path!r} must be percent-encoded to ASCII.", param, ctx)
        return path


def _one_of(names: object) -> str:
    """A metavar for a name that may be an import string as well."""
    return f"[{'|'.join(name for name in get_args(names) if name != 'none')}]"


def _option(
    flag: str, text: str, *, name: str | None = None, **attributes: Any
) -> click.Option:
    """An option, with what follows from its parameter's name and default filled in."""
    name = name or flag.split("/")[0].lstrip("-").replace("-", "_")
    if attributes.get("multiple"):
        default = None
    else:
        default = attributes.setdefault("default", _DEFAULTS.get(name))
    if isinstance(default, bool) and "type" not in attributes:
        attributes["is_flag"] = True
    attributes.setdefault("show_default", default not in (None, "", True, False))
    attributes.setdefault("envvar", variables(name))
    return click.Option([flag, name], help=text, **attributes)


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    import platform

    from fastserve import __version__

    click.echo(
        f"Running fastserve {__version__} with "
        f"{platform.python_implementation()} {platform.python_version()} "
        f"on {platform.system()}"
    )
    ctx.exit()


_COUNT = click.IntRange(min=0)
_SECONDS = click.FloatRange(min=0)
_SIZE = click.IntRange(1, 1 << 30)
_EXISTING = click.Path(exists=True)

APP = click.Argument(["app"], envvar=variables("app"))

GROUPS: dict[str, list[click.Option]] = {
    "Listening": [
        _option("--host", "Address or host name to listen on."),
        _option(
            "--port",
            "Port to listen on; 0 takes a free one, which the log names.",
            type=click.IntRange(0, 65535),
        ),
        _option("--uds", "Listen on the Unix socket of this path."),
        _option(
            "--fd",
            "Listen on the socket that this inherited file descriptor is.",
            type=int,
        ),
        _option(
            "--backlog",
            "How many connections may wait to be accepted.",
            type=_COUNT,
        ),
    ],
    "Application": [
        _option(
            "--app-dir",
            "Look for APP in this folder. [default: the working directory]",
            default="",
        ),
        _option(
            "--factory",
            "APP is a function without arguments that returns the application.",
        ),
        _option(
            "--interface",
            "The interface that the application has.",
            type=click.Choice(INTERFACES),
        ),
        _option(
            "--lifespan",
            "Tell the application of startup and shutdown; auto goes on without "
            "when it does not understand.",
            type=click.Choice(list(LIFESPAN)),
        ),
        _option(
            "--root-path",
            "The path below which the application is mounted, for ASGI's root_path.",
            type=_RootPath(),
        ),
        _option(
            "--reset-contextvars",
            "Run each request in an empty context, without what was set before "
            "serving began.",
        ),
        _option(
            "--env-file",
            "Add the variables of this .env file to the application's environment. "
            "Needs python-dotenv.",
            type=_EXISTING,
        ),
    ],
    "Processes": [
        _option(
            "--workers",
            "How many processes serve. [default: $WEB_CONCURRENCY, or 1]",
            type=_COUNT,
        ),
        _option(
            "--timeout-worker-healthcheck",
            "Replace a worker that does not answer its parent for this many seconds.",
            type=_COUNT,
        ),
        _option(
            "--timeout-worker-stuck",
            "Replace a worker whose event loop has not run for this many seconds. "
            "[default: only log where it is held up]",
            type=click.FloatRange(min=0, min_open=True),
        ),
        _option(
            "--warn-blocked-loop",
            "Log where the event loop is held up when it has not run for this many "
            "seconds. [default: only of workers, after --timeout-worker-healthcheck]",
            type=click.FloatRange(min=0, min_open=True),
        ),
        _option("--reload", "Start again when a file of the application changes."),
        _option(
            "--reload-dir",
            "Watch this folder; may be given several times. "
            "[default: the working directory]",
            name="reload_dirs",
            multiple=True,
            type=_EXISTING,
        ),
        _option(
            "--reload-include",
            "Watch files that match this pattern, or the folder of this name, beside "
            "*.py; may be given several times. Needs watchfiles.",
            name="reload_includes",
            multiple=True,
        ),
        _option(
            "--reload-exclude",
            "Do not watch files that match this pattern, or the folder of this name, "
            "beside .*, .py[cod], .sw.* and ~*; may be given several times. Needs "
            "watchfiles.",
            name="reload_excludes",
            multiple=True,
        ),
        _option("--reload-delay", "Seconds between two looks at the files."),
    ],
    "Protocols": [
        _option(
            "--loop",
            "Event loop: a name, or MODULE:ATTRIBUTE of what makes one. auto takes "
            "uvloop where it is installed.",
            metavar=_one_of(LoopFactoryType),
        ),
        _option(
            "--http",
            "HTTP/1.1 implementation: MODULE:CLASS of one of your own. The names are "
            "uvicorn's, and all mean fastserve's own.",
            metavar=_one_of(HTTPProtocolType),
        ),
        _option("--http2", "Taken, but has no effect: HTTP/2 is not offered yet."),
        _option(
            "--ws",
            "WebSocket implementation: none, or MODULE:CLASS of one of your own. The "
            "other names are uvicorn's, and all mean fastserve's own.",
            metavar=_one_of(WSProtocolType),
        ),
        _option("--ws-max-size", "Longest WebSocket message, in bytes."),
        _option("--ws-max-queue", "Longest queue of WebSocket messages."),
        _option(
            "--ws-ping-interval", "Seconds between pings on a WebSocket.", type=float
        ),
        _option(
            "--ws-ping-timeout",
            "Seconds that a WebSocket's peer has to answer a ping.",
            type=float,
        ),
        _option(
            "--ws-per-message-deflate",
            "Offer compression on WebSockets.",
            type=bool,
            show_default=True,
        ),
        _option(
            "--h11-max-incomplete-event-size",
            "Taken for uvicorn's sake, but has no effect.",
            type=int,
        ),
    ],
    "HTTP": [
        _option(
            "--header",
            "Add this header to every response; may be given several times.",
            name="headers",
            multiple=True,
            type=_Header(),
        ),
        _option("--server-header/--no-server-header", "Send a Server header, or not."),
        _option("--date-header/--no-date-header", "Send a Date header, or not."),
        _option(
            "--proxy-headers/--no-proxy-headers",
            "Take client and scheme from X-Forwarded-For and X-Forwarded-Proto of "
            "trusted peers, or not.",
        ),
        _option(
            "--disable-extension",
            "Do not offer this ASGI extension to the application; may be given "
            "several times.",
            name="disable_extensions",
            multiple=True,
            type=click.Choice(EXTENSIONS),
        ),
        _option(
            "--forwarded-allow-ips",
            "Peers whose X-Forwarded-* headers are trusted: addresses, networks and "
            "names, separated by commas; * is everyone. "
            "[default: $FORWARDED_ALLOW_IPS, or 127.0.0.1,::1]",
        ),
    ],
    "Logging": [
        _option(
            "--log-config",
            "Logging configuration: a .json, .yaml or .ini file.",
            type=_EXISTING,
            default=None,
        ),
        _option(
            "--log-level",
            "The lowest level to log. [default: info]",
            type=click.Choice(list(LOG_LEVELS)),
        ),
        _option(
            "--access-log/--no-access-log", "Log a line for each request, or do not."
        ),
        _option(
            "--use-colors/--no-use-colors",
            "Colour the log, or do not. [default: on a terminal]",
            is_flag=True,
        ),
    ],
    "Limits": [
        _option(
            "--limit-concurrency",
            "Answer 503 while there are this many connections or tasks.",
            type=_COUNT,
        ),
        _option("--limit-max-requests", "Stop after this many requests.", type=_COUNT),
        _option(
            "--limit-max-requests-jitter",
            "Raise --limit-max-requests by a random number up to this one.",
            type=_COUNT,
        ),
        _option(
            "--timeout-keep-alive",
            "Close a connection that was idle for this many seconds.",
            type=_COUNT,
        ),
        _option(
            "--timeout-request-header",
            "Answer 408 when a request's head is not complete after this many "
            "seconds; 0: never.",
            type=_SECONDS,
        ),
        _option(
            "--timeout-request-body",
            "Answer 408 when nothing of a request's body has come for this many "
            "seconds; 0: never.",
            type=_SECONDS,
        ),
        _option(
            "--timeout-write",
            "Cut a connection whose peer has taken nothing for this many seconds; "
            "0: never.",
            type=_SECONDS,
        ),
        _option(
            "--timeout-tls-handshake",
            "Cut a connection whose TLS handshake takes longer than this many seconds.",
            type=click.FloatRange(min=0, min_open=True),
        ),
        _option(
            "--limit-request-line",
            "Answer 414 to a request line of more bytes.",
            type=_SIZE,
        ),
        _option(
            "--limit-header-size",
            "Answer 431 to a request whose header fields are more bytes.",
            type=_SIZE,
        ),
        _option(
            "--limit-header-count",
            "Answer 431 to a request with more header fields.",
            type=_SIZE,
        ),
        _option(
            "--limit-request-body",
            "Answer 413 to a request whose body is more bytes. [default: any size]",
            type=_COUNT,
        ),
        _option(
            "--limit-chunk-extensions",
            "Answer 400 to a chunked body with more bytes of chunk extensions.",
            type=_SIZE,
        ),
        _option(
            "--limit-pipelined-requests",
            "Answer this many of the requests that a client has sent ahead, and close.",
            type=_SIZE,
        ),
        _option(
            "--limit-connections",
            "Let new connections wait while there are this many. [default: as many "
            "as there are file descriptors]",
            type=_SIZE,
        ),
        _option(
            "--timeout-graceful-shutdown",
            "Cancel the requests that still run this many seconds after the signal "
            "to stop. [default: wait for them]",
            type=_COUNT,
        ),
        _option(
            "--timeout-drain-notice",
            "Tell answers of type text/event-stream this many seconds after the "
            "signal to stop that their client has left; 0: never.",
            type=_SECONDS,
        ),
    ],
    "TLS": [
        _option("--ssl-certfile", "Certificate, with its chain. Turns TLS on."),
        _option(
            "--ssl-keyfile", "The certificate's private key, if in a file of its own."
        ),
        _option("--ssl-keyfile-password", "The password of the private key."),
        _option(
            "--ssl-version",
            "Protocol, by its number in Python's ssl module.",
            default=int(_DEFAULTS["ssl_version"]),
        ),
        _option(
            "--ssl-cert-reqs",
            "Client certificates: 0 does not ask for one, 1 checks one that is sent, "
            "2 requires one.",
            default=int(_DEFAULTS["ssl_cert_reqs"]),
            show_default=True,
        ),
        _option(
            "--ssl-ca-certs", "Certificates of the authorities that clients' are from."
        ),
        _option(
            "--ssl-ciphers",
            "Ciphers to offer, in OpenSSL's notation. [default: OpenSSL's]",
        ),
    ],
}

VERSION = click.Option(
    ["--version"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of fastserve and Python, and exit.",
)

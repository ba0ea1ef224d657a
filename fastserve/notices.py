"""What the command line has to say about its settings, once logging is set up.

Which file and which of uvicorn's variables they are from, and which have no effect.
A start with nothing to tell gives no notices. Nothing here logs: `run` does.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from fastserve.options import UVICORN, variables
from fastserve.settings import Settings, SettingsError

COMMAND_LINE = "command line"


class Notice(NamedTuple):
    """One record: its level, and its text."""

    level: int
    text: str


def sources(ctx: click.Context, settings: Settings | None) -> dict[str, str]:
    """Where the parameters are from that were not left to their defaults."""
    found = {}
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if source is ParameterSource.COMMANDLINE:
            found[name] = COMMAND_LINE
        elif source is ParameterSource.ENVIRONMENT:
            found[name] = next(each for each in variables(name) if os.environ.get(each))
        elif source is ParameterSource.DEFAULT_MAP and settings is not None:
            found[name] = settings.source
    return found


def notices(
    ctx: click.Context,
    given: Mapping[str, str],
    settings: Settings | None,
    passed_over: Iterable[SettingsError],
) -> Iterator[Notice]:
    """All that there is to tell; `given` is what `sources` has found."""
    for error in passed_over:
        yield Notice(logging.WARNING, f"Ignoring what is no file of settings. {error}")
    if settings is not None:
        yield Notice(logging.INFO, f"Loading settings from '{settings.source}'")
    theirs = [source for source in given.values() if source.startswith(UVICORN)]
    if theirs:
        names = ", ".join(sorted(theirs))
        yield Notice(logging.INFO, f"Settings from variables of uvicorn's: {names}")
    flags = {each.name: each.opts[0] for each in ctx.command.params}
    for name, reason in _without_effect(given, ctx.params):
        yield Notice(logging.WARNING, f"{flags[name]} has no effect {reason}.")
    if {"uds", "fd"} <= given.keys():
        text = "--uds and --fd are both given, but only one of them is listened on."
        yield Notice(logging.WARNING, text)


def _without_effect(
    given: Mapping[str, str], values: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    for names, reason, applies in _RULES:
        for name in names.split():
            if name in given and applies(values):
                yield name, reason


_RULES: tuple[tuple[str, str, Callable[[Mapping[str, Any]], bool]], ...] = (
    ("host port", "with --uds", lambda v: v["uds"] is not None),
    (
        "host port",
        "with --fd",
        lambda v: v["uds"] is None and v["fd"] is not None,
    ),
    (
        "ssl_keyfile_password ssl_version ssl_cert_reqs ssl_ca_certs ssl_ciphers",
        "without --ssl-certfile: nothing is encrypted",
        lambda v: v["ssl_certfile"] is None,
    ),
    (
        "limit_max_requests_jitter",
        "without --limit-max-requests",
        lambda v: v["limit_max_requests"] is None,
    ),
    (
        "forwarded_allow_ips",
        "with --no-proxy-headers",
        lambda v: not v["proxy_headers"],
    ),
    ("reload_delay", "without --reload", lambda v: not v["reload"]),
    (
        "ws_max_size ws_max_queue ws_ping_interval ws_ping_timeout "
        "ws_per_message_deflate",
        "with --ws none",
        lambda v: v["ws"] == "none",
    ),
)

"""--check-config: shows the settings, imports the application, and ends.

Opens no socket and writes no log file, starts no event loop, calls no factory, and
needs no compiled module. What it prints is TOML, ready for a configuration file.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

import click

from fastserve.config import STARTUP_FAILURE, Config
from fastserve.log_config import read_log_file

logger: logging.Logger = logging.getLogger("uvicorn.error")


def check_config(
    config: Config,
    parameters: Iterable[click.Parameter],
    values: Mapping[str, Any],
    given: Mapping[str, str],
) -> NoReturn:
    """Print the settings that are not the defaults, then try to import the app.

    `values` are those of the command; `given` says where each is from. Raises
    SystemExit: 0 if the files of log and TLS, the event loop and the application are
    there and can be read and imported, else 3.
    """
    for name, value, source in _settings(config, parameters, values, given):
        click.echo(f"{name} = {_toml(value)}  # {source}")
    try:
        _check_log_file(values["log_config"])
        config.load_ssl()
        config.get_loop_factory()
        if not callable(config.load_app()):
            logger.error("Error loading ASGI app. %r is not callable.", config.app)
            sys.exit(STARTUP_FAILURE)
    except SystemExit:  # said above, or by the module, which ends the server too
        sys.exit(STARTUP_FAILURE)
    except Exception:  # the module's
        traceback.print_exc()
        sys.exit(STARTUP_FAILURE)
    sys.exit(0)


def _check_log_file(path: str | None) -> None:
    try:
        if path is not None:
            read_log_file(path)
    except (ImportError, OSError, ValueError) as exc:
        logger.error(exc)
        sys.exit(STARTUP_FAILURE)


def _settings(
    config: Config,
    parameters: Iterable[click.Parameter],
    values: Mapping[str, Any],
    given: Mapping[str, str],
) -> Iterator[tuple[str, Any, str]]:
    """Name, value and source of what is not the default."""
    for parameter in parameters:
        name = str(parameter.name)
        shown, value = parameter.opts[0].lstrip("-"), values[name]
        if name in given and value != parameter.default:
            secret = name == "ssl_keyfile_password"
            yield shown, "***" if secret else value, given[name]
        # Config's own variables, which it reads after the environment file.
        elif name == "workers" and config.workers != 1:
            yield shown, config.workers, "WEB_CONCURRENCY"
        elif name == "forwarded_allow_ips" and value is None:
            if config.forwarded_allow_ips != "127.0.0.1,::1":
                yield shown, config.forwarded_allow_ips, "FORWARDED_ALLOW_IPS"


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        value = [":".join(each) if isinstance(each, tuple) else each for each in value]
    return json.dumps(value, ensure_ascii=False)

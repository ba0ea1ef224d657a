"""Applies logging configurations: files, by their names, and colours on top.

What is given is never changed, and an INI is never opened here: logging reads it.
"""

from __future__ import annotations

import configparser
import logging
import logging.config
from collections.abc import Callable
from typing import IO, Any


def apply_log_file(path: str) -> None:
    """Set logging up from a .json, a .yaml, or else an INI.

    Raises OSError if it cannot be read, ImportError when PyYAML is needed and not
    there, ValueError for what is wrong in the file.
    """
    load = _log_file_loader(path)
    try:
        if load is None:
            logging.config.fileConfig(path, disable_existing_loggers=False)
        else:
            with open(path) as file:
                logging.config.dictConfig(load(file))
    except OSError:
        raise
    except Exception as exc:  # whatever YAML, INI and the classes named there raise
        raise ValueError(f"The log configuration {path} cannot be used") from exc


def read_log_file(path: str) -> None:
    """Read a file as `apply_log_file` does, and set nothing up; raises what it does."""
    load = _log_file_loader(path) or _read_ini
    try:
        with open(path) as file:
            load(file)["version"]
    except OSError:
        raise
    except Exception as exc:
        raise ValueError(
            f"The log configuration {path} cannot be used: {exc!r}"
        ) from exc


def _read_ini(file: IO[str]) -> dict[str, Any]:
    parser = configparser.ConfigParser()
    parser.read_file(file)
    wanted = ("loggers", "handlers", "formatters")
    return {"version": 1, **{name: parser[name]["keys"] for name in wanted}}


def _log_file_loader(path: str) -> Callable[[IO[str]], Any] | None:
    """What reads a file of this name; None for an INI, which is not ours to read."""
    if path.endswith(".json"):
        import json

        return json.load
    if not path.endswith((".yaml", ".yml")):
        return None
    try:
        import yaml
    except ImportError:
        raise ImportError(
            f"The log configuration {path} is YAML, which needs PyYAML: "
            "pip install PyYAML, or fastserve-asgi[standard]"
        ) from None
    load: Callable[[IO[str]], Any] = yaml.safe_load
    return load


def set_use_colors(config: dict[str, Any], use_colors: bool) -> None:
    """As if the formatters "default" and "access" of `config` said so.

    They are told, and not `config`, which is the caller's.
    """
    named = {
        name
        for name, handler in config.get("handlers", {}).items()
        if handler.get("formatter") in ("default", "access")
    }
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):
            if handler.name in named and hasattr(handler.formatter, "use_colors"):
                handler.formatter.use_colors = use_colors

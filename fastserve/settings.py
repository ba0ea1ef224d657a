"""Configuration files: found or named, read, and checked key by key.

Two forms: TOML, and the lines `key = value` of a .conf. A key is an option's name as
on the command line, or its parameter's, with - or _ between the words. Nothing here
logs or exits: what is wrong is a SettingsError, whose text is one sentence.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

# In the working directory; the first that has settings is taken.
FOUND = ("fastserve.toml", "pyproject.toml", "fastserve.conf", "uvicorn.conf")
# Broken or with strange keys, these may be another program's, and are passed over.
_OF_OTHERS = ("pyproject.toml", "uvicorn.conf")

# Whose relative values start at the file's folder, not at the working directory.
_PATHS = frozenset(
    "uds app_dir env_file log_config reload_dirs ssl_keyfile ssl_certfile "
    "ssl_ca_certs".split()
)
# Likewise, where they name a folder that is there, and no pattern.
_PATTERNS = frozenset(("reload_includes", "reload_excludes"))

_LINE = re.compile(r"(?P<key>[A-Za-z][\w-]*)\s*=\s*(?P<value>.*)")
_QUOTED = re.compile(r"""(["'])(?P<text>.*)\1\s*(#.*)?""")
_COMMENT = re.compile(r"(^|\s+)#.*")


class SettingsError(Exception):
    """A file that cannot be read, or says what no option understands."""


class Settings(NamedTuple):
    """What one file says, by parameter, and how the file is to be called."""

    source: str
    values: dict[str, Any]


class Keys:
    """The keys that may stand in a file, and the parameters that they mean."""

    def __init__(self, parameters: Iterable[click.Parameter]) -> None:
        self._flags: list[str] = []
        self._meant: dict[str, click.Parameter] = {}
        for parameter in parameters:
            flag = parameter.opts[0].lstrip("-")
            self._flags.append(flag)
            for spelling in (flag.replace("-", "_"), str(parameter.name)):
                self._meant[spelling] = parameter

    def __getitem__(self, key: str) -> click.Parameter:
        """Raises SettingsError, which offers the nearest key, for an unknown one."""
        found = self._meant.get(key.replace("-", "_"))
        if found is None:
            import difflib  # for mistakes only, and some ms of every start

            near = difflib.get_close_matches(key.replace("_", "-"), self._flags, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            raise SettingsError(f'There is no setting "{key}".{hint}')
        return found


def read_settings(path: Path, ctx: click.Context, keys: Keys) -> Settings:
    """What the file at `path` says; its form follows from its name.

    Raises SettingsError, which names the file.
    """
    pairs = _read_pairs(path)
    if pairs is None:
        raise SettingsError(f"{path}: There is no table [tool.fastserve].")
    return _check(path, pairs, ctx, keys)


def find_settings(
    ctx: click.Context, keys: Keys
) -> tuple[Settings | None, list[SettingsError]]:
    """What the working directory's file says, and why others were passed over.

    Raises SettingsError for a file that can only be ours.
    """
    passed_over: list[SettingsError] = []
    for name in FOUND:
        path = Path(name)
        if not path.is_file():
            continue
        try:
            pairs = _read_pairs(path)
            if name == "uvicorn.conf":
                with _naming(path):
                    for key, _ in pairs or ():
                        keys[key]
        except SettingsError as exc:
            if name not in _OF_OTHERS:
                raise
            passed_over.append(exc)
            continue
        if pairs is not None:
            return _check(path, pairs, ctx, keys), passed_over
    return None, passed_over


@contextlib.contextmanager
def _naming(source: object) -> Iterator[None]:
    """Turn what reading a file raises into a SettingsError that names it."""
    try:
        yield
    except SettingsError as exc:
        raise SettingsError(f"{source}: {exc}") from None
    except UnicodeDecodeError as exc:
        raise SettingsError(f"{source}: It is not UTF-8 text: {exc}") from None
    except OSError as exc:
        raise SettingsError(f"{source}: {exc.strerror}") from None


def _read_pairs(path: Path) -> list[tuple[str, Any]] | None:
    """Keys and values as they stand; None for a pyproject.toml without ours."""
    with _naming(path):
        if path.suffix == ".conf":
            return list(_lines(path.read_text(encoding="utf-8-sig")))
        if path.suffix != ".toml":
            raise SettingsError("A configuration file is a .toml or a .conf.")
        table: Any = _read_toml(path)
        if path.name == "pyproject.toml":
            for name in ("tool", "fastserve"):
                table = table.get(name) if isinstance(table, dict) else None
        return list(table.items()) if isinstance(table, dict) else None


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib  # some ms that a start without a file is spared

    with path.open("rb") as file:
        try:
            return tomllib.load(file)
        except tomllib.TOMLDecodeError as exc:
            raise SettingsError(str(exc)) from None


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise SettingsError(f"Line {number} is not of the form key = value.")
        value = match["value"]
        quoted = _QUOTED.fullmatch(value)
        yield match["key"], quoted["text"] if quoted else _COMMENT.sub("", value)


def _check(
    path: Path, pairs: list[tuple[str, Any]], ctx: click.Context, keys: Keys
) -> Settings:
    values: dict[str, Any] = {}
    with _naming(path):
        for key, value in pairs:
            parameter = keys[key]
            name = str(parameter.name)
            given = value if isinstance(value, list) else [value]
            texts = [_value(parameter, key, each, path.parent) for each in given]
            if getattr(parameter, "multiple", False):
                values[name] = [*values.get(name, ()), *texts]
            elif isinstance(value, list):
                raise SettingsError(f'"{key}" takes one value, and no list.')
            elif name in values:
                raise SettingsError(f'"{key}" is given twice.')
            else:
                values[name] = texts[0]
            try:
                parameter.type_cast_value(ctx, values[name])
            except click.BadParameter as exc:
                raise SettingsError(f'"{key}": {exc.message}') from None
    table = path.name == "pyproject.toml"
    return Settings(f"[tool.fastserve] in {path}" if table else str(path), values)


def _value(parameter: click.Parameter, key: str, value: Any, folder: Path) -> Any:
    """One value, of a kind that the option takes; a path begins at the folder."""
    if isinstance(value, str):
        name = str(parameter.name)
        path = folder / value
        if name in _PATHS or (name in _PATTERNS and value and path.is_dir()):
            return os.fspath(path)
        return value
    kind = parameter.type
    wanted, good = "a text", False
    if isinstance(kind, click.types.BoolParamType):
        wanted, good = "true or false", isinstance(value, bool)
    elif isinstance(kind, click.types.IntParamType):
        wanted, good = "a whole number", type(value) is int
    elif isinstance(kind, click.types.FloatParamType):
        wanted, good = "a number", type(value) in (int, float)
    if not good:
        raise SettingsError(f'"{key}" must be {wanted}, and not {value!r}.')
    return value

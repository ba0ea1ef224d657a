"""config: how it sets logging up, from a dict or a file, and single settings."""

from __future__ import annotations

import configparser
import copy
import importlib.util
import io
import json
import logging
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import uvicorn.logging
from _configs import LOGGERS, asgi_app

from fastserve import Config
from fastserve.config import LOG_LEVELS, LOGGING_CONFIG
from fastserve.logging import AccessFormatter, DefaultFormatter

pytestmark = pytest.mark.usefixtures("loggers_put_back")


def test_config_sets_logging_up_at_once() -> None:
    Config(asgi_app)
    server, access = map(logging.getLogger, ("uvicorn", "uvicorn.access"))
    [to_stderr], [to_stdout] = server.handlers, access.handlers
    assert isinstance(to_stderr, logging.StreamHandler)
    assert isinstance(to_stdout, logging.StreamHandler)
    assert to_stderr.stream is sys.stderr
    assert to_stdout.stream is sys.stdout
    assert isinstance(to_stderr.formatter, DefaultFormatter)
    assert isinstance(to_stdout.formatter, AccessFormatter)
    assert not server.propagate
    assert not access.propagate
    assert logging.getLogger("uvicorn.error").getEffectiveLevel() == logging.INFO
    assert logging.getLevelName(5) == "TRACE"


def test_no_log_config_leaves_logging_alone() -> None:
    Config(asgi_app, log_config=None)
    for name in LOGGERS:
        assert logging.getLogger(name).handlers == []
        assert logging.getLogger(name).level == logging.NOTSET


def test_dict_config_gets_the_object_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(logging.config, "dictConfig", calls.append)
    given = {"version": 1}
    Config(asgi_app, log_config=given)
    assert len(calls) == 1
    assert calls[0] is given


@pytest.mark.parametrize("use_colors", [True, False])
def test_use_colors(use_colors: bool) -> None:
    before = copy.deepcopy(LOGGING_CONFIG)
    Config(asgi_app, use_colors=use_colors)
    for name in ("uvicorn", "uvicorn.access"):
        formatter: Any = logging.getLogger(name).handlers[0].formatter
        assert formatter.use_colors is use_colors
    assert LOGGING_CONFIG == before  # the next Config is to decide for itself


@pytest.mark.parametrize("level", [*LOG_LEVELS, 17])
def test_log_level(level: str | int) -> None:
    Config(asgi_app, log_level=level)
    expected = LOG_LEVELS[level] if isinstance(level, str) else level
    for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        assert logging.getLogger(name).level == expected
    assert logging.getLogger("uvicorn").level == logging.INFO


def test_access_log_off() -> None:
    Config(asgi_app, access_log=False)
    access = logging.getLogger("uvicorn.access")
    assert access.handlers == []
    assert not access.propagate
    assert not access.hasHandlers()


# -- files ----------------------------------------------------------------------------

GIVEN = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "short": {"()": "uvicorn.logging.AccessFormatter", "fmt": "%(request_line)s"},
        "plain": {"class": "uvicorn.logging.DefaultFormatter", "format": "%(message)s"},
    },
    "handlers": {
        "out": {"class": "logging.StreamHandler", "formatter": "short"},
        "err": {"class": "logging.StreamHandler", "formatter": "plain"},
    },
    "loggers": {
        "uvicorn": {"handlers": ["err"], "level": "INFO"},
        "uvicorn.access": {"handlers": ["out"], "level": "INFO", "propagate": False},
    },
}

INI = """
    [loggers]
    keys=root,uvicorn,access
    [handlers]
    keys=err,out
    [formatters]
    keys=plain,short
    [logger_root]
    handlers=
    [logger_uvicorn]
    qualname=uvicorn
    level=INFO
    handlers=err
    [logger_access]
    qualname=uvicorn.access
    level=INFO
    propagate=0
    handlers=out
    [handler_err]
    class=StreamHandler
    formatter=plain
    args=()
    [handler_out]
    class=StreamHandler
    formatter=short
    args=()
    [formatter_plain]
    class=uvicorn.logging.DefaultFormatter
    format=%(message)s
    [formatter_short]
    class=uvicorn.logging.AccessFormatter
    format=%(request_line)s
"""

YAML = """
    version: 1
    disable_existing_loggers: false
    formatters:
      short: {"()": uvicorn.logging.AccessFormatter, fmt: "%(request_line)s"}
      plain: {class: uvicorn.logging.DefaultFormatter, format: "%(message)s"}
    handlers:
      out: {class: logging.StreamHandler, formatter: short}
      err: {class: logging.StreamHandler, formatter: plain}
    loggers:
      uvicorn: {handlers: [err], level: INFO}
      uvicorn.access: {handlers: [out], level: INFO, propagate: false}
"""

TEXTS = {
    "log.json": json.dumps(GIVEN),
    "log.yaml": textwrap.dedent(YAML),
    "log.yml": textwrap.dedent(YAML),
    "log.ini": textwrap.dedent(INI),
    "log.conf": textwrap.dedent(INI),
}


@pytest.fixture
def no_uvicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if uvicorn were not installed."""
    find_spec = importlib.util.find_spec
    for name in [*sys.modules]:
        if name.split(".")[0] == "uvicorn":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "uvicorn" else find_spec(name, *rest),
    )


def formatters() -> list[type]:
    names = ("uvicorn", "uvicorn.access")
    return [type(logging.getLogger(name).handlers[0].formatter) for name in names]


@pytest.mark.usefixtures("no_uvicorn")
@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("as_path", [True, False])
def test_a_file(name: str, as_path: bool, tmp_path: Path) -> None:
    """Its classes of uvicorn's are ours while there is no uvicorn, and not after."""
    (tmp_path / name).write_text(TEXTS[name])
    path = tmp_path / name if as_path else str(tmp_path / name)
    config = Config(asgi_app, log_config=path)
    assert formatters() == [DefaultFormatter, AccessFormatter]
    access = logging.getLogger("uvicorn.access")
    assert access.level == logging.INFO and not access.propagate
    assert config.log_config == str(path)
    assert not [name for name in sys.modules if name.split(".")[0] == "uvicorn"]


@pytest.mark.usefixtures("no_uvicorn")
def test_uvicorn_s_classes_in_a_dict() -> None:
    before = copy.deepcopy(GIVEN)
    Config(asgi_app, log_config=GIVEN)
    assert formatters() == [DefaultFormatter, AccessFormatter]
    assert before == GIVEN


@pytest.mark.usefixtures("no_uvicorn")
def test_a_module_of_ones_own_may_derive_from_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_formatters.py").write_text(
        "from uvicorn.logging import AccessFormatter\n"
        "class Own(AccessFormatter):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    given: Any = copy.deepcopy(GIVEN)
    given["formatters"]["short"]["()"] = "own_formatters.Own"
    Config(asgi_app, log_config=given)
    assert formatters()[1].__mro__[1] is AccessFormatter


def test_an_installed_uvicorn_has_its_own_classes() -> None:
    Config(asgi_app, log_config=GIVEN)
    own = uvicorn.logging
    assert formatters() == [own.DefaultFormatter, own.AccessFormatter]


@pytest.mark.parametrize(
    "given", ["no such file.ini", configparser.ConfigParser(), io.StringIO()]
)
def test_an_ini_is_left_to_file_config(
    given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def file_config(*args: object, **options: object) -> None:
        calls.append((args, options))

    monkeypatch.setattr(logging.config, "fileConfig", file_config)
    Config(asgi_app, log_config=given)
    assert calls == [((given,), {"disable_existing_loggers": False})]


@pytest.mark.parametrize("name", ["log.json", "log.yaml"])
def test_a_mapping_is_given_to_dict_config_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(logging.config, "dictConfig", calls.append)
    (tmp_path / name).write_text(TEXTS[name])
    Config(asgi_app, log_config=str(tmp_path / name))
    assert calls == [GIVEN]


def test_yaml_needs_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match=r"log\.yml is YAML, which needs PyYAML"):
        Config(asgi_app, log_config="log.yml")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("log.json", "{"),
        ("log.json", "[]"),
        ("log.yaml", ""),
        ("log.yaml", "a: b: c"),
        ("log.ini", "keys"),
        ("log.ini", "[loggers]"),
        ("log.json", json.dumps({"version": 1, "handlers": {"h": {"class": "no.X"}}})),
    ],
)
def test_a_file_that_is_no_good(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    path = str(tmp_path / name)
    with pytest.raises(ValueError, match="cannot be used") as caught:
        Config(asgi_app, log_config=path)
    assert path in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        Config(asgi_app, log_config="no such file.json")


def test_colors_are_for_the_formatters_that_uvicorn_tells() -> None:
    """Those called default and access, on whichever logger; others stay as they are."""
    ours = {"()": "fastserve.logging.DefaultFormatter", "use_colors": None}
    names = ("default", "access", "third")
    given: Any = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": dict.fromkeys(names, ours),
        "handlers": {
            name: {"class": "logging.NullHandler", "formatter": name} for name in names
        },
        "loggers": {f"uvicorn.test.{name}": {"handlers": [name]} for name in names},
    }
    Config(asgi_app, log_config=given, use_colors=True)
    used: dict[str, Any] = {
        name: logging.getLogger(f"uvicorn.test.{name}").handlers[0] for name in names
    }
    colored = {name: handler.formatter.use_colors for name, handler in used.items()}
    assert colored == {"default": True, "access": True, "third": sys.stdout.isatty()}

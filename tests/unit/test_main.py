"""main: options and variables become run()'s parameters; help and version."""

from __future__ import annotations

import importlib
import inspect
import platform
from typing import Any

import pytest
from click.testing import CliRunner, Result

import fastserve

main_module = importlib.import_module("fastserve.main")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the command passes to run(), which is not run."""
    made: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(
        main_module, "run", lambda app, **options: made.append((app, options))
    )
    return made


def invoke(*args: str, **env: str) -> Result:
    return CliRunner().invoke(fastserve.main, args, env=env)


def test_the_command_hides_the_module() -> None:
    assert fastserve.main is main_module.main
    assert main_module.run is fastserve.run
    assert main_module.Server is fastserve.Server
    assert main_module.STARTUP_FAILURE == 3
    assert fastserve.__all__ == ["main", "run", "Config", "Server"]


def test_defaults_are_those_of_run(calls: list[Any]) -> None:
    assert invoke("module:app").exit_code == 0
    [(app, options)] = calls
    assert app == "module:app"
    parameters = inspect.signature(fastserve.run).parameters
    expected = {name: p.default for name, p in parameters.items() if name != "app"}
    del expected["ssl_context_factory"]  # no option
    expected["headers"] = []
    expected["app_dir"] = ""  # the command looks in the working directory
    assert options == expected


@pytest.mark.parametrize(
    ("args", "name", "value"),
    [
        (["--host", "::1"], "host", "::1"),
        (["--port", "0"], "port", 0),
        (["--uds", "/run/x"], "uds", "/run/x"),
        (["--fd", "0"], "fd", 0),
        (["--loop", "mod:factory"], "loop", "mod:factory"),
        (["--lifespan", "off"], "lifespan", "off"),
        (["--interface", "asgi3"], "interface", "asgi3"),
        (["--log-level", "trace"], "log_level", "trace"),
        (["--no-access-log"], "access_log", False),
        (["--use-colors"], "use_colors", True),
        (["--no-use-colors"], "use_colors", False),
        (["--no-server-header"], "server_header", False),
        (["--no-date-header"], "date_header", False),
        (["--root-path", "/api"], "root_path", "/api"),
        (["--limit-concurrency", "5"], "limit_concurrency", 5),
        (["--limit-max-requests", "5"], "limit_max_requests", 5),
        (["--limit-max-requests-jitter", "5"], "limit_max_requests_jitter", 5),
        (["--backlog", "5"], "backlog", 5),
        (["--timeout-keep-alive", "75"], "timeout_keep_alive", 75),
        (["--timeout-graceful-shutdown", "9"], "timeout_graceful_shutdown", 9),
        (["--app-dir", "src"], "app_dir", "src"),
        (["--factory"], "factory", True),
        (
            ["--header", "X-A: b:c ", "--header", "X-B:"],
            "headers",
            [("X-A", " b:c "), ("X-B", "")],
        ),
    ],
)
def test_option(args: list[str], name: str, value: object, calls: list[Any]) -> None:
    assert invoke("module:app", *args).exit_code == 0
    [(_, options)] = calls
    assert options[name] == value


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("FASTSERVE_HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("FASTSERVE_PORT", "80", "port", 80),
        ("FASTSERVE_ACCESS_LOG", "0", "access_log", False),
        ("FASTSERVE_ACCESS_LOG", "false", "access_log", False),
        ("FASTSERVE_USE_COLORS", "true", "use_colors", True),
        ("FASTSERVE_SERVER_HEADER", "no", "server_header", False),
        ("FASTSERVE_FACTORY", "1", "factory", True),
        ("FASTSERVE_LIMIT_MAX_REQUESTS", "7", "limit_max_requests", 7),
        ("FASTSERVE_HEADERS", "X-A:b X-C:d", "headers", [("X-A", "b"), ("X-C", "d")]),
    ],
)
def test_variable(
    variable: str, text: str, name: str, value: object, calls: list[Any]
) -> None:
    assert invoke("module:app", **{variable: text}).exit_code == 0
    [(_, options)] = calls
    assert options[name] == value


def test_app_from_a_variable(calls: list[Any]) -> None:
    assert invoke(FASTSERVE_APP="module:app").exit_code == 0
    assert calls[0][0] == "module:app"


def test_an_option_goes_before_a_variable(calls: list[Any]) -> None:
    invoke("module:app", "--port", "1", FASTSERVE_PORT="2")
    assert calls[0][1]["port"] == 1


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["module:app", "--nonsense"],
        ["module:app", "--port", "many"],
        ["module:app", "--port", "65536"],
        ["module:app", "--port", "-1"],
        ["module:app", "--lifespan", "maybe"],
        ["module:app", "--interface", "cgi"],
        ["module:app", "--log-level", "loud"],
        ["module:app", "--header", "no colon"],
        ["module:app", "--header", "X A: b"],
        ["module:app", "--header", "X-A: b\r\nX-B: c"],
    ],
)
def test_usage_error(args: list[str], calls: list[Any]) -> None:
    result = invoke(*args)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
    assert "Error: " in result.stderr
    assert calls == []


def test_version() -> None:
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout == (
        f"Running fastserve {fastserve.__version__} with "
        f"{platform.python_implementation()} {platform.python_version()} "
        f"on {platform.system()}\n"
    )


def test_help_names_every_option() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    for parameter in fastserve.main.params:
        for name in parameter.opts:
            if name.startswith("--"):
                assert name in result.stdout

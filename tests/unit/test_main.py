"""main: options and variables become run()'s parameters; help and version."""

from __future__ import annotations

import inspect
import platform
from typing import Any

import pytest
import uvicorn
from _command import invoke, main_module

import fastserve
from fastserve.server import ServerState

pytestmark = pytest.mark.usefixtures("empty_folder")


def test_the_command_hides_the_module() -> None:
    assert fastserve.main is main_module.main
    assert main_module.run is fastserve.run
    assert main_module.Server is fastserve.Server
    assert main_module.STARTUP_FAILURE == 3
    assert fastserve.__all__ == ["main", "run", "Config", "Server"]


def test_server_state_has_moved() -> None:
    with pytest.warns(DeprecationWarning, match="fastserve.server"):
        assert main_module.ServerState is ServerState
    with pytest.raises(AttributeError, match="nothing"):
        main_module.nothing  # noqa: B018


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
        (["--interface", "wsgi"], "interface", "wsgi"),
        (["--http", "mod:Class"], "http", "mod:Class"),
        (["--http2"], "http2", True),
        (["--ws", "none"], "ws", "none"),
        (["--ws-max-size", "5"], "ws_max_size", 5),
        (["--ws-max-queue", "5"], "ws_max_queue", 5),
        (["--ws-ping-interval", "0.5"], "ws_ping_interval", 0.5),
        (["--ws-ping-timeout", "0.5"], "ws_ping_timeout", 0.5),
        (["--ws-per-message-deflate", "false"], "ws_per_message_deflate", False),
        (["--reload"], "reload", True),
        (["--reload-dir", ".", "--reload-dir", ".."], "reload_dirs", [".", ".."]),
        (["--reload-include", "*.a"], "reload_includes", ["*.a"]),
        (["--reload-exclude", "*.a"], "reload_excludes", ["*.a"]),
        (["--reload-delay", "2"], "reload_delay", 2.0),
        (["--workers", "4"], "workers", 4),
        (["--timeout-worker-healthcheck", "9"], "timeout_worker_healthcheck", 9),
        (["--timeout-worker-stuck", "1.5"], "timeout_worker_stuck", 1.5),
        (["--timeout-drain-notice", "0.5"], "timeout_drain_notice", 0.5),
        (["--warn-blocked-loop", "0.5"], "warn_blocked_loop", 0.5),
        (["--env-file", "/"], "env_file", "/"),
        (["--log-config", "/"], "log_config", "/"),
        (["--no-proxy-headers"], "proxy_headers", False),
        (["--forwarded-allow-ips", "*"], "forwarded_allow_ips", "*"),
        (["--ssl-keyfile", "k"], "ssl_keyfile", "k"),
        (["--ssl-certfile", "c"], "ssl_certfile", "c"),
        (["--ssl-keyfile-password", "p"], "ssl_keyfile_password", "p"),
        (["--ssl-version", "2"], "ssl_version", 2),
        (["--ssl-cert-reqs", "2"], "ssl_cert_reqs", 2),
        (["--ssl-ca-certs", "a"], "ssl_ca_certs", "a"),
        (["--ssl-ciphers", "HIGH"], "ssl_ciphers", "HIGH"),
        (["--h11-max-incomplete-event-size", "5"], "h11_max_incomplete_event_size", 5),
        (["--reset-contextvars"], "reset_contextvars", True),
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
            ["--disable-extension", "http.response.trailers"],
            "disable_extensions",
            ["http.response.trailers"],
        ),
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
        ("FASTSERVE_RELOAD", "true", "reload", True),
        ("FASTSERVE_RELOAD_DIRS", ".:..", "reload_dirs", [".", ".."]),
        ("FASTSERVE_RELOAD_INCLUDES", "*.a *.b", "reload_includes", ["*.a", "*.b"]),
        ("FASTSERVE_WS_PER_MESSAGE_DEFLATE", "0", "ws_per_message_deflate", False),
        ("UVICORN_PORT", "80", "port", 80),
        ("UVICORN_PROXY_HEADERS", "0", "proxy_headers", False),
        ("UVICORN_FORWARDED_ALLOW_IPS", "*", "forwarded_allow_ips", "*"),
        ("UVICORN_SSL_CERT_REQS", "1", "ssl_cert_reqs", 1),
    ],
)
def test_variable(
    variable: str, text: str, name: str, value: object, calls: list[Any]
) -> None:
    assert invoke("module:app", **{variable: text}).exit_code == 0
    [(_, options)] = calls
    assert options[name] == value


@pytest.mark.parametrize("variable", ["FASTSERVE_APP", "UVICORN_APP"])
def test_app_from_a_variable(variable: str, calls: list[Any]) -> None:
    assert invoke(**{variable: "module:app"}).exit_code == 0
    assert calls[0][0] == "module:app"


def test_every_option_of_uvicorns_has_its_name_and_variable() -> None:
    theirs = {
        each.name: set(each.opts + each.secondary_opts) for each in uvicorn.main.params
    }
    ours = {each.name: each for each in fastserve.main.params}
    assert theirs.keys() <= ours.keys()
    for name, flags in theirs.items():
        assert flags <= {*ours[name].opts, *ours[name].secondary_opts}, name
        if name != "version":
            upper = str(name).upper()
            assert ours[name].envvar == [f"FASTSERVE_{upper}", f"UVICORN_{upper}"]


def test_our_variable_goes_before_uvicorns(calls: list[Any]) -> None:
    invoke("module:app", FASTSERVE_PORT="1", UVICORN_PORT="2")
    invoke("module:app", FASTSERVE_PORT="", UVICORN_PORT="2")  # empty is not set
    assert [options["port"] for _, options in calls] == [1, 2]


def test_an_option_goes_before_a_variable(calls: list[Any]) -> None:
    invoke("module:app", "--port", "1", FASTSERVE_PORT="2")
    assert calls[0][1]["port"] == 1


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["module:app", "--nonsense"],
        ["module:app", "--workers", "-1"],
        ["module:app", "--reload-dir", "/no/such/folder"],
        ["module:app", "--log-config", "/no/such/file"],
        ["module:app", "--env-file", "/no/such/file"],
        ["module:app", "--root-path", "/caf\xe9"],
        ["module:app", "--config", "/no/such/file"],
        ["module:app", "--timeout-worker-stuck", "0"],
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


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("--worker", "--workers"),
        ("--prot", "--port"),
        ("--no-acces-log", "--no-access-log"),
        ("--reloads", "--reload"),
        ("--ssl-cert", "--ssl-certfile"),
    ],
)
def test_an_unknown_option_names_the_nearest(wrong: str, right: str) -> None:
    result = invoke("module:app", wrong)
    assert result.exit_code == 2
    assert wrong in result.stderr
    assert right in result.stderr.partition(wrong)[2]


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

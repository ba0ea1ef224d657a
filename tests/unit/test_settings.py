"""settings: configuration files, found and named, as the command takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from _command import invoke

pytestmark = pytest.mark.usefixtures("empty_folder")

Calls = list[tuple[str, dict[str, Any]]]

TOML = """
app = "main:app"
host = "0.0.0.0"
port = 8080
reload-delay = 1
access-log = false
header = ["X-A: b", "X-C:d"]
ws_max_size = 5
reload-include = "*.html"
"""
CONF = """
# A comment, and a blank line.

app = main:app
host=0.0.0.0
port   =  8080   # as the load balancer expects
reload-delay = 1
access-log = false
header = X-A: b
header = "X-C:d"  # with quotes
ws_max_size = 5
reload_includes = *.html
"""
EXPECTED = {
    "host": "0.0.0.0",
    "port": 8080,
    "reload_delay": 1.0,
    "access_log": False,
    "headers": [("X-A", " b"), ("X-C", "d")],
    "ws_max_size": 5,
    "reload_includes": ["*.html"],
}


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def options_of(calls: Calls, *args: str, **env: str) -> dict[str, Any]:
    result = invoke(*args, **env)
    assert result.exit_code == 0, result.stderr
    return calls[-1][1]


def error_of(*args: str, **env: str) -> str:
    """The one sentence of a usage error, joined where it was broken."""
    result = invoke(*args, **env)
    assert result.exit_code == 2
    return " ".join(result.stderr.partition("Error: ")[2].split())


# -- the two forms --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fastserve.toml", TOML),
        ("pyproject.toml", f"[project]\nname = 'x'\n[tool.fastserve]{TOML}"),
        ("fastserve.conf", CONF),
        ("uvicorn.conf", CONF),
        ("fastserve.conf", "\ufeff" + CONF),
        ("fastserve.conf", CONF.replace("\n", "\r\n")),
    ],
)
def test_a_found_file(name: str, text: str, calls: Calls) -> None:
    write(name, text)
    options = options_of(calls)
    assert calls[0][0] == "main:app"
    assert {key: options[key] for key in EXPECTED} == EXPECTED


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("of/mine.toml", TOML),
        ("of/pyproject.toml", f"[tool.fastserve]{TOML}"),
        ("of/mine.conf", CONF),
    ],
)
@pytest.mark.parametrize("by_variable", [True, False])
def test_a_named_file(name: str, text: str, by_variable: bool, calls: Calls) -> None:
    write(name, text)
    write("fastserve.toml", "port = 1")  # not looked at
    if by_variable:
        options = options_of(calls, FASTSERVE_CONFIG=name)
    else:
        options = options_of(calls, "--config", name, FASTSERVE_CONFIG="/none")
    assert {key: options[key] for key in EXPECTED} == EXPECTED


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("root-path = '/a # b'", "/a # b"),
        ('root-path = "/a"  # b', "/a"),
        ("root-path = /a#b", "/a#b"),
        ("root-path = /a #b", "/a"),
        ("root-path = # nothing", ""),
        ("root-path =", ""),
        ("root-path = a = b", "a = b"),
    ],
)
def test_values_in_lines(line: str, value: str, calls: Calls) -> None:
    write("fastserve.conf", line)
    assert options_of(calls, "m:app")["root_path"] == value


def test_the_example_of_the_readme(calls: Calls) -> None:
    readme = Path(__file__).parents[2] / "README.md"
    example = readme.read_text().partition("```toml\n")[2].partition("```")[0]
    write("fastserve.toml", example)
    options = options_of(calls)
    assert calls[0][0] == "main:app"
    assert (options["port"], options["workers"]) == (80, 4)
    assert options["headers"] == [("X-Frame-Options", "DENY")]


# -- precedence -----------------------------------------------------------------------


def test_command_then_variables_then_file_then_defaults(calls: Calls) -> None:
    write("fastserve.toml", "port = 1\nbacklog = 1\nfd = 1\nheader = ['X:1']")
    env = {"UVICORN_PORT": "2", "FASTSERVE_BACKLOG": "2"}
    options = options_of(calls, "m:app", "--port", "3", "--header", "Y:2", **env)
    assert (options["port"], options["backlog"], options["fd"]) == (3, 2, 1)
    assert options["headers"] == [("Y", "2")]  # instead of, and not beside
    assert options["workers"] is None


def test_the_application_of_the_command_goes_first(calls: Calls) -> None:
    write("fastserve.toml", "app = 'main:app'")
    invoke("other:app")
    invoke(UVICORN_APP="variable:app")
    assert [app for app, _ in calls] == ["other:app", "variable:app"]


def test_the_first_file_that_is_found(calls: Calls) -> None:
    for port, name in enumerate(("uvicorn.conf", "fastserve.conf"), 1):
        write(name, f"port = {port}")
        assert options_of(calls, "m:app")["port"] == port
    write("pyproject.toml", "[tool.fastserve]\nport = 3")
    assert options_of(calls, "m:app")["port"] == 3
    write("fastserve.toml", "port = 4")
    assert options_of(calls, "m:app")["port"] == 4


def test_pyproject_without_our_table_is_passed_over(calls: Calls) -> None:
    write("pyproject.toml", "[tool.other]\nport = 3")
    write("fastserve.conf", "port = 4")
    assert options_of(calls, "m:app")["port"] == 4


def test_no_config(calls: Calls) -> None:
    write("fastserve.toml", "port = 1")
    path = str(write("named.toml", "port = 2"))
    assert options_of(calls, "m:app", "--no-config")["port"] == 8000
    options = options_of(calls, "m:app", "--no-config", FASTSERVE_CONFIG=path)
    assert options["port"] == 8000


def test_config_and_no_config_contradict_each_other(calls: Calls) -> None:
    path = str(write("named.toml", "port = 2"))
    for args in (["--no-config", "--config", path], ["--config", path, "--no-config"]):
        assert "contradict each other" in error_of("m:app", *args)
    assert calls == []


def test_help_does_not_mind_a_bad_file() -> None:
    write("fastserve.toml", "port = many")
    for option in ("--help", "--version"):
        assert invoke(option).exit_code == 0


# -- paths ----------------------------------------------------------------------------


def test_paths_begin_at_the_files_folder(calls: Calls) -> None:
    for name in ("of/.env", "of/log.ini", "of/templates/x", "of/src/x"):
        write(name, "")
    write(
        "of/mine.toml",
        """
        uds = "run/socket"
        app-dir = "src"
        env-file = ".env"
        log-config = "log.ini"
        reload-dir = ["src", "/"]
        reload-include = ["*.html", "templates"]
        ssl-certfile = "cert.pem"
        ssl-keyfile = "/etc/key.pem"
        ssl-ca-certs = "ca.pem"
        root-path = "api"
        """,
    )
    options = options_of(calls, "m:app", "--config", "of/mine.toml")
    assert {name: options[name] for name in options if "of/" in str(options[name])} == {
        "uds": "of/run/socket",
        "app_dir": "of/src",
        "env_file": "of/.env",
        "log_config": "of/log.ini",
        "reload_dirs": ["of/src", "/"],
        "reload_includes": ["*.html", "of/templates"],
        "ssl_certfile": "of/cert.pem",
        "ssl_ca_certs": "of/ca.pem",
    }
    assert options["ssl_keyfile"] == "/etc/key.pem"
    assert options["root_path"] == "api"


def test_paths_of_a_found_file_stay_as_they_are(calls: Calls) -> None:
    write("fastserve.toml", "uds = 'run/socket'")
    assert options_of(calls, "m:app")["uds"] == "run/socket"


# -- what is wrong --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot = 80", 'There is no setting "prot". Did you mean "port"?'),
        ("worker = 2", 'There is no setting "worker". Did you mean "workers"?'),
        ("reload_drs = []", 'Did you mean "reload-dir"?'),
        ("zzz = 1", 'There is no setting "zzz".'),
        ("config = 'x'", 'There is no setting "config".'),
        ("version = true", 'There is no setting "version".'),
        ("[server]\nport = 1", 'There is no setting "server".'),
        ("port = true", '"port" must be a whole number, and not True.'),
        ("port = 80.5", '"port" must be a whole number, and not 80.5.'),
        ("port = [80]", '"port" takes one value, and no list.'),
        ("port = 'many'", "\"port\": 'many' is not a valid integer"),
        ("port = 65536", '"port": 65536 is not in the range'),
        ("host = 5", '"host" must be a text, and not 5.'),
        ("reload = 1", '"reload" must be true or false, and not 1.'),
        ("reload-delay = true", '"reload-delay" must be a number, and not True.'),
        ("lifespan = 'maybe'", "\"lifespan\": 'maybe' is not one of"),
        ("header = ['no colon']", "\"header\": 'no colon' is not of the form"),
        ("header = [5]", '"header" must be a text, and not 5.'),
        ("env-file = 'missing'", "\"env-file\": Path 'missing' does not exist."),
        ("reload-dir = ['a']\nreload_dirs = 5", '"reload_dirs" must be a text'),
        ("ws-max-size = 1\nws_max_size = 2", '"ws_max_size" is given twice.'),
        ("port = ", "Invalid value (at "),
    ],
)
def test_a_bad_toml(text: str, words: str, calls: Calls) -> None:
    write("a", "")
    write("fastserve.toml", text)
    message = error_of("m:app")
    assert message.startswith("fastserve.toml: ")
    assert words in message
    assert calls == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port 80", "Line 1 is not of the form key = value."),
        ("\n[section]", "Line 2 is not of the form key = value."),
        ("port = 1\nport = 2", '"port" is given twice.'),
        ("prot = 80", 'There is no setting "prot". Did you mean "port"?'),
        ("access-log = maybe", "\"access-log\": 'maybe' is not a valid boolean"),
    ],
)
def test_a_bad_conf(text: str, words: str, calls: Calls) -> None:
    write("fastserve.conf", text)
    message = error_of("m:app")
    assert message.startswith("fastserve.conf: ")
    assert words in message
    assert calls == []


def test_text_that_is_not_utf_8() -> None:
    Path("fastserve.conf").write_bytes(b"host = \xff")
    Path("named.toml").write_bytes(b"host = '\xff'")
    assert "not UTF-8" in error_of("m:app")
    assert "not UTF-8" in error_of("m:app", "--config", "named.toml")


def test_a_named_file_that_is_no_configuration() -> None:
    write("settings.ini", "")
    assert "is a .toml or a .conf." in error_of("m:app", "--config", "settings.ini")
    assert "does not exist" in error_of("m:app", "--config", "none.toml")
    assert "is a directory" in error_of("m:app", "--config", ".")
    for text in ("", "tool = 5", "[tool]\nfastserve = 5"):
        write("pyproject.toml", text)
        message = error_of("m:app", "--config", "pyproject.toml")
        assert message == "pyproject.toml: There is no table [tool.fastserve]."


def test_pyproject_is_named_by_its_table() -> None:
    write("pyproject.toml", "[tool.fastserve]\nprot = 1")
    assert error_of("m:app").startswith('pyproject.toml: There is no setting "prot".')


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uvicorn.conf", "[program:uvicorn]\ncommand = uvicorn"),
        ("uvicorn.conf", "port = 1\ncommand = uvicorn"),
        ("uvicorn.conf", "server { listen 80; }"),
        ("pyproject.toml", "[tool"),
    ],
)
def test_files_of_other_programs_are_passed_over(
    name: str, text: str, calls: Calls
) -> None:
    write(name, text)
    assert options_of(calls, "m:app")["port"] == 8000

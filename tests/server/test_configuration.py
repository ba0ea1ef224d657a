"""Variables, files and contradictions, as the log tells of them; --check-config."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tomllib
from pathlib import Path

import pytest
from _lines import STARTED_WITHOUT, STOPPED_WITHOUT
from _process import HERE, ServerProcess, run_to_end, serve

STARTED = "INFO:     Started server process [PID]"


def told_before_start(server: ServerProcess) -> list[str]:
    """The lines that are not there when there is nothing to tell."""
    lines = server.log_lines()
    return lines[: lines.index(STARTED)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text("from _apps import hello as app, echo_scope\n")
    return tmp_path


def at(folder: Path, **env: str) -> dict[str, object]:
    return {"cwd": folder, "env": {"PYTHONPATH": str(HERE), **env}}


# -- variables ------------------------------------------------------------------------


def test_nothing_to_tell() -> None:
    env = {"FASTSERVE_HEADERS": "X-A:b"}
    with serve("_apps:hello", "--loop", "asyncio", env=env) as server:
        assert server.get().headers["x-a"] == "b"
        server.stop(signal.SIGINT)
        assert server.log_lines() == STARTED_WITHOUT + STOPPED_WITHOUT


def test_uvicorns_variables_are_told_of_once() -> None:
    env = {
        "UVICORN_HEADERS": "X-A:theirs X-B:b",
        "FASTSERVE_ROOT_PATH": "/ours",
        "UVICORN_ROOT_PATH": "/theirs",
        "UVICORN_APP": "no:where",
        "UVICORN_DATE_HEADER": "0",
    }
    with serve("_apps:echo_scope", env=env) as server:
        answer = server.get()
        assert answer.headers["x-b"] == "b"
        assert "date" not in answer.headers
        assert "'root_path': '/ours'" in answer.text
        assert told_before_start(server) == [
            "INFO:     Settings from variables of uvicorn's: "
            "UVICORN_DATE_HEADER, UVICORN_HEADERS"
        ]


def test_the_record_follows_the_log_level() -> None:
    env = {"UVICORN_HEADERS": "X-A:b", "UVICORN_LOG_LEVEL": "warning"}
    ended = run_to_end("_apps:hello", "--fd", "999", env=env)
    assert ended.process.returncode == 3
    assert [line.split(":")[0] for line in ended.log_lines()] == ["ERROR"]


def test_env_file_is_read_before_other_variables(folder: Path) -> None:
    (folder / ".env").write_text(
        "FORWARDED_ALLOW_IPS=127.0.0.9\nOF_THE_APP=yes\nFASTSERVE_ROOT_PATH=/no\n"
        "ALREADY=no\n"
    )
    (folder / "main.py").write_text(
        "import os\n"
        "from _apps import echo_scope as app\n"
        "assert (os.environ['OF_THE_APP'], os.environ['ALREADY']) == ('yes', 'set')\n"
    )
    with serve("main:app", "--env-file", ".env", **at(folder, ALREADY="set")) as server:
        scope = server.get("/", **{"X-Forwarded-For": "1.2.3.4"}).text
        assert "'root_path': ''" in scope  # the file is not for the command's options
        assert "'client': ('127.0.0.1'" in scope  # no longer trusted
        assert told_before_start(server) == [
            "INFO:     Loading environment from '.env'"
        ]


def test_web_concurrency_from_the_env_file(folder: Path) -> None:
    (folder / ".env").write_text("WEB_CONCURRENCY=2\n")
    program = (
        "import fastserve\n"
        "assert fastserve.Config('m:app', env_file='.env').workers == 2\n"
        "assert fastserve.Config('m:app', env_file='.env', workers=1).workers == 1\n"
    )
    ended = run_to_end(command=["-c", program], **at(folder))
    assert ended.process.returncode == 0, ended.stderr.text


@pytest.mark.parametrize(
    ("args", "env", "words"),
    [
        ([], {"WEB_CONCURRENCY": "auto"}, "WEB_CONCURRENCY is 'auto', which is no"),
        (["--env-file", "x"], {"NO_DOTENV": "1"}, "need the package python-dotenv;"),
        (["--log-config", "x.yaml"], {"NO_YAML": "1"}, "PyYAML"),
        (["--log-config", "x.json"], {}, "x.json cannot be used: Expecting value"),
    ],
)
def test_a_setting_that_fails_is_a_usage_error(
    args: list[str], env: dict[str, str], words: str, folder: Path
) -> None:
    for name in ("x", "x.yaml", "x.json"):
        (folder / name).touch()
    (folder / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'NO_DOTENV' in os.environ: sys.modules['dotenv'] = None\n"
        "if 'NO_YAML' in os.environ: sys.modules['yaml'] = None\n"
    )
    path = os.pathsep.join([str(folder), str(HERE)])
    options = {"cwd": folder, "env": {**env, "PYTHONPATH": path}}
    ended = run_to_end("main:app", *args, **options)
    assert ended.process.returncode == 2
    text = " ".join(ended.stderr.text.split())
    assert "Usage: " in text
    assert words in text.partition("Error: ")[2]
    assert "Traceback" not in text


# -- files ----------------------------------------------------------------------------


def test_a_found_file_is_named(folder: Path) -> None:
    (folder / "fastserve.toml").write_text('app = "main:app"\nheader = ["X-A:b"]')
    with serve("main:app", **at(folder)) as server:
        assert server.get().headers["x-a"] == "b"
        assert told_before_start(server) == [
            "INFO:     Loading settings from 'fastserve.toml'"
        ]


def test_a_file_may_name_the_application(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.fastserve]\napp = 'none:app'")
    ended = run_to_end("--port", "0", **at(folder))
    assert ended.process.returncode == 3
    assert ended.log_lines() == [
        "INFO:     Loading settings from '[tool.fastserve] in pyproject.toml'",
        'ERROR:    Error loading ASGI app. Could not import module "none".',
    ]


def test_a_file_of_another_program_is_warned_of(folder: Path) -> None:
    (folder / "uvicorn.conf").write_text(
        "[program:uvicorn]\ncommand=uvicorn main:app\n"
    )
    with serve("main:app", **at(folder)) as server:
        assert told_before_start(server) == [
            "WARNING:  Ignoring what is no file of settings. "
            "uvicorn.conf: Line 1 is not of the form key = value."
        ]


def test_files_do_not_act_on_run_or_config(folder: Path) -> None:
    (folder / "fastserve.toml").write_text("port = 'many'")
    program = (
        "import fastserve\n"
        "assert fastserve.Config('main:app').port == 8000\n"
        "fastserve.run('none:app', port=0)\n"
    )
    ended = run_to_end(command=["-c", program], **at(folder))
    assert ended.process.returncode == 3
    assert len(ended.log_lines()) == 1


def test_a_bad_file_ends_with_a_usage_error(folder: Path) -> None:
    (folder / "fastserve.toml").write_text("prot = 80")
    ended = run_to_end("main:app", **at(folder))
    assert ended.process.returncode == 2
    assert ended.stderr.lines[-1] == (
        'Error: fastserve.toml: There is no setting "prot". Did you mean "port"?'
    )


# -- contradictions -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--uds", "socket", "--port", "80"], "--port has no effect with --uds."),
        (
            ["--ssl-ca-certs", "x"],
            "--ssl-ca-certs has no effect without --ssl-certfile",
        ),
        (
            ["--limit-max-requests-jitter", "5"],
            "--limit-max-requests-jitter has no effect without --limit-max-requests.",
        ),
        (
            ["--no-proxy-headers", "--forwarded-allow-ips", "*"],
            "--forwarded-allow-ips has no effect with --no-proxy-headers.",
        ),
        (["--reload-delay", "1"], "--reload-delay has no effect without --reload."),
        (["--reload-dir", "."], "Current configuration will not reload as not all"),
        (
            ["--ws", "none", "--ws-max-size", "1"],
            "--ws-max-size has no effect with --ws",
        ),
        (["--http2"], "HTTP/2 is not offered yet: http2 has no effect."),
    ],
)
def test_an_option_without_effect(args: list[str], told: str, folder: Path) -> None:
    with serve("main:app", *args, **at(folder)) as server:
        [line] = told_before_start(server)
        assert line.startswith(f"WARNING:  {told}")


def test_two_listeners() -> None:
    ended = run_to_end("_apps:hello", "--uds", "x", "--fd", "999")
    assert ended.process.returncode == 3
    assert ended.log_lines()[0] == (
        "WARNING:  --uds and --fd are both given, but only one of them is listened on."
    )


def test_a_port_in_use_names_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for args in ([], ["--workers", "2"]):
            ended = run_to_end("_apps:hello", "--port", str(port), *args)
            assert ended.process.returncode == 3
            holder = f"ERROR:    Port {port} is held by process {os.getpid()} ("
            assert any(line.startswith(holder) for line in ended.log_lines())


# -- --check-config -------------------------------------------------------------------


def test_check_config(folder: Path) -> None:
    (folder / "fastserve.toml").write_text(
        'app = "main:app"\nbacklog = 7\nheader = ["X-A: b"]\nport = 8000\n'
    )
    with socket.create_server(("127.0.0.1", 0)) as other:  # not to be opened
        ended = run_to_end(
            *("--port", str(other.getsockname()[1]), "--check-config"),
            *("--ssl-keyfile-password", "secret", "--no-access-log"),
            **at(folder, UVICORN_ROOT_PATH="/x", WEB_CONCURRENCY="4"),
        )
        port = other.getsockname()[1]
    assert ended.process.returncode == 0, ended.stderr.text
    assert sorted(ended.stdout.lines) == sorted(
        [
            'app = "main:app"  # fastserve.toml',
            f"port = {port}  # command line",
            "backlog = 7  # fastserve.toml",
            'header = ["X-A: b"]  # fastserve.toml',
            "workers = 4  # WEB_CONCURRENCY",
            'root-path = "/x"  # UVICORN_ROOT_PATH',
            "access-log = false  # command line",
            'ssl-keyfile-password = "***"  # command line',
        ]
    )
    assert tomllib.loads(ended.stdout.text)["port"] == port
    assert "INFO:     Loading settings from 'fastserve.toml'" in ended.log_lines()


def test_limits_from_everywhere(folder: Path) -> None:
    (folder / "fastserve.toml").write_text(
        'app = "main:app"\ntimeout-write = 7.5\nlimit-request-body = 1000\n'
    )
    given = ["--limit-header-count", "5", "--timeout-request-header", "0"]
    variables = {"FASTSERVE_LIMIT_REQUEST_LINE": "500", "UVICORN_TIMEOUT_WRITE": "8"}
    ended = run_to_end("--check-config", *given, **at(folder, **variables))
    assert ended.process.returncode == 0, ended.stderr.text
    assert sorted(ended.stdout.lines) == [
        'app = "main:app"  # fastserve.toml',
        "limit-header-count = 5  # command line",
        "limit-request-body = 1000  # fastserve.toml",
        "limit-request-line = 500  # FASTSERVE_LIMIT_REQUEST_LINE",
        "timeout-request-header = 0.0  # command line",
        "timeout-write = 8.0  # UVICORN_TIMEOUT_WRITE",
    ]
    with serve("main:app", *given, **at(folder, **variables)) as server:
        assert server.get("/").status == 200
        assert server.get("/", **{f"X-{n}": "y" for n in range(5)}).status == 431
        assert server.get("/" + "x" * 500).status == 414
        assert server.request("POST", body=b"x" * 1001).status == 413


@pytest.mark.parametrize(
    ("app", "text", "words"),
    [
        ("none:app", "", 'Error loading ASGI app. Could not import module "none".'),
        ("main:none", "", 'Attribute "none" not found in module "main".'),
        ("bad:app", "1 / 0", "ZeroDivisionError: division by zero"),
        ("bad:app", "raise SystemExit(0)", ""),
        ("bad:app", "app = 5", "Error loading ASGI app. 'bad:app' is not callable."),
    ],
)
def test_check_config_of_a_bad_application(
    app: str, text: str, words: str, folder: Path
) -> None:
    (folder / "bad.py").write_text(text)
    ended = run_to_end(app, "--check-config", **at(folder))
    assert ended.process.returncode == 3
    assert words in ended.stderr.text
    assert ended.stdout.lines == [f'app = "{app}"  # command line']


def test_check_config_opens_no_log_file(folder: Path) -> None:
    (folder / "log.json").write_text(
        '{"version": 1, "handlers": {"file": {"class": "logging.FileHandler", '
        '"filename": "written.log"}}, "root": {"handlers": ["file"]}}'
    )
    args = ["main:app", "--log-config", "log.json", "--check-config"]
    ended = run_to_end(*args, **at(folder))
    assert ended.process.returncode == 0
    assert 'log-config = "log.json"  # command line' in ended.stdout.lines
    assert not (folder / "written.log").exists()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("log.json", "{", "The log configuration log.json cannot be used: "),
        ("log.yaml", "handlers: {}", "The log configuration log.yaml cannot be used: "),
        ("log.ini", "[loggers]\nkeys=root", "log.ini cannot be used: "),
        ("fastserve.toml", "prot = 1", 'There is no setting "prot"'),
        ("cert.pem", "no certificate", "TLS cannot be set up with the certificate"),
    ],
)
def test_check_config_of_a_bad_file(
    name: str, text: str, words: str, folder: Path
) -> None:
    (folder / name).write_text(text)
    args = ["main:app", "--check-config"]
    if name.startswith("log"):
        args += ["--log-config", name]
    if name == "cert.pem":
        args += ["--ssl-certfile", name]
    ended = run_to_end(*args, **at(folder))
    assert ended.process.returncode == 3
    assert words in ended.stderr.text
    assert "Traceback" not in ended.stderr.text


def test_check_config_of_a_good_ini(folder: Path) -> None:
    (folder / "log.ini").write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=\n[formatters]\nkeys=\n"
        "[logger_root]\nhandlers=\n"
    )
    args = ["main:app", "--log-config", "log.ini", "--check-config"]
    ended = run_to_end(*args, **at(folder))
    assert ended.process.returncode == 0, ended.stderr.text


def test_check_config_without_web_concurrency(folder: Path) -> None:
    env = {"WEB_CONCURRENCY": "auto"}
    ended = run_to_end("main:app", "--check-config", **at(folder, **env))
    assert ended.process.returncode == 3
    assert "WEB_CONCURRENCY is 'auto'" in ended.stderr.text


def test_check_config_works_when_the_build_is_broken(folder: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['fastserve.protocols.connection'] = None\n"
        "sys.modules['fastserve.protocols.shared'] = None\n"
        "import fastserve\n"
        "fastserve.main(['main:app', '--check-config'])\n"
    )
    (folder / "main.py").write_text("async def app(scope, receive, send): ...\n")
    ended = run_to_end(command=["-c", program], **at(folder))
    assert ended.process.returncode == 0, ended.stderr.text


# -- ways to start --------------------------------------------------------------------


@pytest.mark.parametrize("module", ["fastserve", "fastserve.main"])
def test_python_m(module: str) -> None:
    ended = run_to_end("--version", command=["-W", "ignore", "-m", module])
    assert ended.process.returncode == 0
    assert ended.stdout.text.startswith("Running fastserve ")


def test_the_command() -> None:
    command = Path(sys.executable).with_name("fastserve")
    code = f"import os, sys; os.execv({str(command)!r}, ['fastserve', '--version'])"
    ended = run_to_end(command=["-c", code])
    assert ended.process.returncode == 0
    assert ended.stdout.text.startswith("Running fastserve ")


@pytest.mark.parametrize("settings", ["reload=True", "workers=2"])
def test_an_application_object_cannot_be_supervised(settings: str) -> None:
    program = f"import fastserve, _apps; fastserve.run(_apps.hello, {settings})"
    ended = run_to_end(command=["-c", program])
    assert ended.process.returncode == 3
    assert ended.log_lines()[-1] == (
        "WARNING:  You must pass the application as an import string to enable "
        "'reload' or 'workers'."
    )

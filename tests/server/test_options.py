"""What the options do to answers and logs, told on the command line or by variable."""

from __future__ import annotations

import re
import signal
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from _lines import STARTED_WITHOUT, STOPPED_WITHOUT
from _process import ServerProcess, run_to_end, serve, wait_until

ADDRESS = re.compile(r"127\.0\.0\.1:\d+")


def access_lines(lines: list[str]) -> list[str]:
    return [ADDRESS.sub("CLIENT", line) for line in lines]


def answers(server: ServerProcess) -> bool:
    try:
        return server.get().status == 200
    except ConnectionRefusedError:
        return False  # bound, and not yet listening


# -- headers --------------------------------------------------------------------------


def test_default_headers() -> None:
    with serve("_apps:hello") as server:
        headers = server.get().headers
        assert headers.keys()[:2] == ["date", "server"]
        assert headers["server"] == "fastserve"
        assert parsedate_to_datetime(headers["date"])


def test_headers_off() -> None:
    with serve("_apps:hello", "--no-server-header", "--no-date-header") as server:
        headers = server.get().headers
        assert "server" not in headers
        assert "date" not in headers


def test_headers_of_ones_own() -> None:
    args = ["--header", "X-One: 1", "--header", "Server:mine"]
    with serve("_apps:hello", *args) as server:
        headers = server.get().headers
        assert headers.get_all("server") == ["mine"]
        assert headers["x-one"].strip() == "1"


# -- what the application sees --------------------------------------------------------


def test_root_path() -> None:
    with serve("_apps:echo_scope", "--root-path", "/api") as server:
        scope = server.get("/items").text
        assert "'root_path': '/api', 'path': '/api/items'" in scope


def test_app_dir(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("from _apps import hello as app\n")
    args = ["--app-dir", str(tmp_path)]
    env = {"PYTHONPATH": str(Path(__file__).parent)}
    with serve("elsewhere:app", *args, cwd="/", env=env) as server:
        assert server.get().text == "hello"


def test_the_working_directory_is_the_app_dir(tmp_path: Path) -> None:
    (tmp_path / "here.py").write_text("from _apps import hello as app\n")
    env = {"PYTHONPATH": str(Path(__file__).parent)}
    with serve("here:app", cwd=tmp_path, env=env) as server:
        assert server.get().text == "hello"


# -- logs -----------------------------------------------------------------------------


def test_access_log_on_stdout() -> None:
    with serve("_apps:hello") as server:
        server.get("/a%2Fb%20c?d=e%20f")
        server.request("POST", "/%1b%5b2J%0d%0a")
        server.get("/%C3%A9")
        assert server.stop(signal.SIGINT) == 0
        assert access_lines(server.stdout.lines) == [
            'INFO:     CLIENT - "GET /a/b%20c?d=e%20f HTTP/1.1" 200 OK',
            'INFO:     CLIENT - "POST /%1B%5B2J%0D%0A HTTP/1.1" 200 OK',
            'INFO:     CLIENT - "GET /%C3%A9 HTTP/1.1" 200 OK',
        ]
        assert not any("GET" in line for line in server.stderr.lines)


def test_access_log_on_a_unix_socket(tmp_path: Path) -> None:
    with serve("_apps:hello", "--uds", str(tmp_path / "socket")) as server:
        server.get()
        assert server.stop(signal.SIGINT) == 0
        assert server.stdout.lines == ['INFO:      - "GET / HTTP/1.1" 200 OK']


def test_access_log_off() -> None:
    with serve("_apps:hello", "--no-access-log") as server:
        server.get()
        assert server.stop(signal.SIGINT) == 0
        assert server.stdout.lines == []


@pytest.mark.parametrize("level", ["warning", "error", "critical"])
def test_log_level_quiet(level: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    args = ["--uds", str(path), "--log-level", level, "--limit-max-requests", "1"]
    with serve("_apps:hello", *args, ready=False) as server:
        server.uds = str(path)
        wait_until(path.exists)
        wait_until(lambda: answers(server))
        assert server.wait() == 0
        assert server.stderr.lines == server.stdout.lines == []


def test_log_level_trace() -> None:
    with serve("_apps:lifespan", "--log-level", "trace") as server:
        server.get("/path")
        assert server.stop(signal.SIGINT) == 0
        lines = access_lines(server.stderr.lines)
        begun = "TRACE:    ASGI [1] Started scope={'type': 'lifespan', "
        assert any(line.startswith(begun) for line in lines)
        assert "TRACE:    ASGI [1] Receive {'type': 'lifespan.startup'}" in lines
        begun = "TRACE:    CLIENT - ASGI [2] Started scope={'type': 'http', "
        [scope] = [line for line in lines if line.startswith(begun)]
        assert "'headers': '<...>'" in scope
        sent = [line for line in lines if " - ASGI [2] Send " in line]
        assert sent == [
            "TRACE:    CLIENT - ASGI [2] Send {'type': 'http.response.start', "
            "'status': 200, 'headers': '<...>'}",
            "TRACE:    CLIENT - ASGI [2] Send {'type': 'http.response.body', "
            "'body': '<33 bytes>'}",
        ]
        assert "TRACE:    CLIENT - ASGI [2] Completed" in lines
        assert "TRACE:    ASGI [1] Completed" in lines
        assert "TRACE:    CLIENT - HTTP connection made" in lines
        assert "TRACE:    CLIENT - HTTP connection lost" in lines


def test_use_colors() -> None:
    with serve("_apps:hello", "--use-colors") as server:
        server.get()
        assert server.stop(signal.SIGINT) == 0
        pid, green, reset = server.pid, "\033[32m", "\033[0m"
        lines = server.stderr.lines
        started = f"Started server process [\033[36m{pid}{reset}]"
        assert lines[0] == f"{green}INFO{reset}:     {started}"
        address = f"\033[1mhttp://127.0.0.1:{server.port}{reset}"
        running = f"Fastserve running on {address} (Press CTRL+C to quit)"
        assert lines[4] == f"{green}INFO{reset}:     {running}"
        assert lines[-1] == f"{green}INFO{reset}:     " + started.replace(
            "Started", "Finished"
        )
        [line] = access_lines(server.stdout.lines)
        assert line == (
            f'{green}INFO{reset}:     CLIENT - "\033[1mGET / HTTP/1.1{reset}" '
            f"{green}200 OK{reset}"
        )
        assert server.log_lines() == STARTED_WITHOUT + STOPPED_WITHOUT


def test_no_colors_without_a_terminal() -> None:
    with serve("_apps:hello") as server:
        server.get()
        assert server.stop(signal.SIGINT) == 0
        assert "\033" not in server.stderr.text + server.stdout.text


# -- variables, version ---------------------------------------------------------------


def test_variables_configure_the_command() -> None:
    env = {
        "FASTSERVE_APP": "_apps:hello",
        "FASTSERVE_PORT": "0",
        "FASTSERVE_HEADERS": "X-A:b X-C:d",
        "FASTSERVE_ACCESS_LOG": "false",
        "FASTSERVE_LIFESPAN": "off",
    }
    with serve("_apps:hello", env=env) as server:
        headers = server.get().headers
        assert (headers["x-a"], headers["x-c"]) == ("b", "d")
        assert server.stop(signal.SIGINT) == 0
        assert server.stdout.lines == []
        assert not any("application startup" in line for line in server.log_lines())


def test_an_application_from_a_variable() -> None:
    ended = run_to_end("--port", "0", env={"FASTSERVE_APP": "_apps:startup_fails"})
    assert ended.process.returncode == 3
    assert "ERROR:    no luck at startup" in ended.log_lines()


def test_variables_do_not_act_on_run() -> None:
    program = (
        "import fastserve\n"
        "assert fastserve.Config('_apps:hello').port == 8000\n"
        "fastserve.run('_apps:startup_fails', port=0)\n"
    )
    env = {"FASTSERVE_PORT": "1", "FASTSERVE_LIFESPAN": "off"}
    ended = run_to_end(command=["-c", program], env=env)
    assert ended.process.returncode == 3
    assert "ERROR:    no luck at startup" in ended.log_lines()


def test_version() -> None:
    ended = run_to_end("--version")
    assert ended.process.returncode == 0
    form = r"Running fastserve \d+\.\d+\.\d+ with CPython 3\.\d+\.\d+\S* on \w+"
    [line] = ended.stdout.lines
    assert re.fullmatch(form, line)

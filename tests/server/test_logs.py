"""Logs as a process writes them: configurations, terminals, pipes, its last line."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from _process import (
    HERE,
    ServerProcess,
    environment,
    run_to_end,
    serve,
    start,
    wait_until,
)

LINE = re.compile(r'INFO:     127\.0\.0\.1:\d+ - "GET (/[^" ]*) HTTP/1\.[01]" 200 OK')


def get_many(client: socket.socket, *targets: str) -> None:
    """Requests in one piece, and all their answers."""
    head = "GET {} HTTP/1.1\r\nHost: h\r\n\r\n"
    client.sendall("".join(map(head.format, targets)).encode())
    received = b""
    while received.count(b"\r\n\r\nhello") < len(targets):
        data = client.recv(65536)
        assert data, "the server has closed"
        received += data


def listens(server: ServerProcess) -> bool:
    try:
        return bool(server.connect())
    except ConnectionRefusedError:
        return False


def targets_of(lines: list[str]) -> list[str]:
    """The targets of access lines, each of which must be whole."""
    found = [(line, LINE.fullmatch(line)) for line in lines]
    assert [line for line, match in found if not match] == []
    return [match[1] for _, match in found if match]


# -- configurations -------------------------------------------------------------------

CONFIGURED: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "default": {
            "()": "uvicorn.logging.DefaultFormatter",
            "fmt": "own %(levelprefix)s %(message)s",
        },
        "access": {
            "()": "uvicorn.logging.AccessFormatter",
            "fmt": "own %(request_line)s %(status_code)s",
        },
    },
    "handlers": {
        "default": {
            "class": "logging.StreamHandler",
            "formatter": "default",
            "stream": "ext://sys.stderr",
        },
        "access": {
            "class": "logging.StreamHandler",
            "formatter": "access",
            "stream": "ext://sys.stdout",
        },
    },
    "loggers": {
        "uvicorn": {"handlers": ["default"], "level": "INFO", "propagate": False},
        "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
    },
}

INI = """
[loggers]
keys = root, uvicorn, access

[handlers]
keys = default, access

[formatters]
keys = default, access

[logger_root]
handlers =

[logger_uvicorn]
qualname = uvicorn
level = INFO
handlers = default
propagate = 0

[logger_access]
qualname = uvicorn.access
level = INFO
handlers = access
propagate = 0

[handler_default]
class = StreamHandler
formatter = default
args = (sys.stderr,)

[handler_access]
class = StreamHandler
formatter = access
args = (sys.stdout,)

[formatter_default]
class = uvicorn.logging.DefaultFormatter
format = own %(levelprefix)s %(message)s

[formatter_access]
class = uvicorn.logging.AccessFormatter
format = own %(request_line)s %(status_code)s
"""


@pytest.mark.parametrize("kind", ["json", "yaml", "ini"])
def test_a_configuration_for_uvicorn_serves_where_there_is_none(
    kind: str, tmp_path: Path, python: str
) -> None:
    path = tmp_path / f"log.{kind}"
    # JSON is YAML, too.
    path.write_text(INI if kind == "ini" else json.dumps(CONFIGURED))
    with serve("_apps:hello", "--log-config", str(path), python=python) as server:
        assert server.get("/a%20b").status == 200
        assert server.stop(signal.SIGINT) == 0
        assert server.stdout.lines == ["own GET /a%20b HTTP/1.1 200 OK"]
        lines = server.stderr.lines
        assert lines[0] == f"own INFO:     Started server process [{server.pid}]"
        assert all(line.startswith("own INFO:     ") for line in lines)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("log.json", "{", "Expecting property name"),
        ("log.yaml", "version: 1\nformatters: [", "while parsing"),
        ("log.ini", "[loggers]", "no 'formatters' in it"),
        (
            "log.json",
            '{"version": 1, "formatters": {"a": {"()": "no_such.Formatter"}}}',
            "Unable to configure formatter 'a': Cannot resolve 'no_such.Formatter': "
            "No module named 'no_such'",
        ),
    ],
)
def test_a_configuration_that_is_no_good(
    name: str, text: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)
    server = run_to_end("_apps:hello", "--log-config", str(path))
    assert server.process.returncode == 2
    assert f"The log configuration {path} cannot be used: " in server.stderr.text
    assert reason in server.stderr.text
    assert "Traceback" not in server.stderr.text


def test_yaml_without_its_library(tmp_path: Path) -> None:
    (tmp_path / "log.yaml").write_text("version: 1\n")
    code = "import sys; sys.modules['yaml'] = None; import fastserve; fastserve.main()"
    path = str(tmp_path / "log.yaml")
    server = run_to_end("_apps:hello", "--log-config", path, command=("-c", code))
    assert server.process.returncode == 2
    assert "which needs PyYAML: pip install PyYAML" in server.stderr.text


# -- terminals ------------------------------------------------------------------------


def test_a_terminal_gets_colors_and_no_control_character_of_a_client() -> None:
    """Colours are for stdout's terminal, and then on stderr as well."""
    ours, theirs = pty.openpty()
    with serve("_apps:hello", preexec_fn=lambda: os.dup2(theirs, 1)) as server:
        os.close(theirs)
        server.get("/%1b%5b2J%07%c2%9b?%1b")
        client = server.connect()
        client.sendall(b"GET /\x1b[2J HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 400 ")
        shown = os.read(ours, 65536).decode()
        assert server.stop(signal.SIGINT) == 0
        os.close(ours)
        stderr = server.stderr.text
    assert re.fullmatch(
        r"\x1b\[32mINFO\x1b\[0m:     127\.0\.0\.1:\d+ - "
        r'"\x1b\[1mGET /%1B%5B2J%07%C2%9B\?%1b HTTP/1\.1\x1b\[0m" '
        r"\x1b\[32m200 OK\x1b\[0m\r\n",
        shown,
    )
    assert "\x1b[32mINFO\x1b[0m:     " in stderr
    assert "GET /\\x1b[2J" in stderr
    assert re.sub(r"\x1b\[\d*m|\n", "", stderr).isprintable()


# -- pipes ----------------------------------------------------------------------------


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_every_answer_has_its_line_at_the_end(unbuffered: str, loop_name: str) -> None:
    env = {"PYTHONUNBUFFERED": unbuffered}
    with serve("_apps:hello", "--loop", loop_name, env=env) as server:
        targets = [f"/{n}" + "x" * (n % 300) for n in range(2000)]
        for at in range(0, len(targets), 500):
            get_many(server.connect(), *targets[at : at + 500])
        assert server.stop() == -signal.SIGTERM
        assert targets_of(server.stdout.lines) == targets


def test_workers_that_share_a_pipe_do_not_mix_their_lines() -> None:
    with serve("_apps:hello", "--workers", "2") as server:
        complete = "Application startup complete."
        wait_until(lambda: server.stderr.text.count(complete) == 2)
        wait_until(lambda: listens(server))
        for round_ in range(20):
            clients = [server.connect() for _ in range(4)]
            for n, client in enumerate(clients):
                get_many(client, *(f"/{round_}/{n}/{k}" for k in range(60)))
            for client in clients:
                client.close()
        assert server.stop(signal.SIGINT) == 0
        assert len(set(targets_of(server.stdout.lines))) == 20 * 4 * 60


def test_a_reader_that_goes_away_does_not_end_the_server() -> None:
    reading, writing = os.pipe()
    server = start(
        "_apps:hello", "--port", "0", preexec_fn=lambda: os.dup2(writing, 1)
    )
    try:
        os.close(writing)
        server.wait_ready()
        get_many(server.connect(), "/1")
        assert LINE.match(os.read(reading, 65536).decode())
        os.close(reading)
        for n in range(3):
            get_many(server.connect(), f"/{n}")
        server.wait_for_log("BrokenPipeError")
        server.stop(signal.SIGINT)
    finally:
        server.close()


# -- the end of a process -------------------------------------------------------------


def run_program(text: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *args],
        capture_output=True,
        text=True,
        cwd=HERE,
        env=environment(),
        timeout=60,
    )


SERVE = """
    import asyncio, atexit, os, socket, threading
    import fastserve
    from _apps import answer

    async def app(scope, receive, send):
        await asyncio.sleep(0)      # the turn's end is another callback from here on
        await answer(send, b"hello")
        last_words()

    def last_words():
        pass

    def ask():
        while not server.started:
            threading.Event().wait(0.01)
        address = server.servers[0].sockets[0].getsockname()
        with socket.create_connection(address) as s:
            s.sendall(b"GET /1 HTTP/1.0\\r\\n\\r\\n")
            s.recv(1000)

    server = fastserve.Server(fastserve.Config(app, port=0, lifespan="off"))
    threading.Thread(target=ask, daemon=True).start()
"""


def test_a_loop_that_is_stopped_leaves_its_lines_to_the_end_of_the_process() -> None:
    ran = run_program(
        SERVE
        + """
    atexit.register(os.write, 1, b"ended\\n")     # called after those that come later
    loop = asyncio.new_event_loop()
    last_words = loop.stop      # before the turn's end
    task = loop.create_task(server.serve())
    loop.run_forever()
    os.write(1, b"stopped\\n")
    """
    )
    stopped, line, ended = ran.stdout.splitlines()
    assert (stopped, ended) == ("stopped", "ended")
    assert targets_of([line]) == ["/1"]


def test_a_child_does_not_write_its_parent_s_lines() -> None:
    ran = run_program(
        SERVE
        + """
    def last_words():
        child = os.fork()
        if not child:
            atexit._run_exitfuncs()
            os._exit(0)
        os.waitpid(child, 0)
        server.should_exit = True

    asyncio.run(server.serve())
    """
    )
    assert targets_of(ran.stdout.splitlines()) == ["/1"]

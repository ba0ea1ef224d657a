"""`python -m fastserve.compat`: programs that name uvicorn, where there is none."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from _gunicorn import gunicorn
from _process import (
    HERE,
    ServerProcess,
    environment,
    free_port,
    run_to_end,
    start,
    wait_until,
)

COMPAT = ("-m", "fastserve.compat")
# tests/server, where _apps is, comes second: programs lie in folders of their own.
PATH = {"PYTHONPATH": str(HERE)}

MAIN = """
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    def root():
        return {"word": "WORD"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "main.py", MAIN)
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def run_compat(python: str, folder: Path, *args: str) -> ServerProcess:
    return run_to_end(*args, command=COMPAT, python=python, cwd=folder, env=PATH)


@pytest.fixture
def compat(python: str, folder: Path) -> Iterator[object]:
    """Starts `python -m fastserve.compat ARGS` in the folder; killed at the end."""
    started: list[ServerProcess] = []

    def start_compat(*args: str, ready: bool = True) -> ServerProcess:
        server = start(*args, command=COMPAT, python=python, cwd=folder, env=PATH)
        started.append(server)
        if ready:
            server.wait_ready()
        return server

    yield start_compat
    for server in started:
        server.close()


# -- the alias ------------------------------------------------------------------------


def test_without_compat_there_is_no_uvicorn(python: str, folder: Path) -> None:
    ran = subprocess.run(
        [python, "-c", "import fastserve, uvicorn"],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(),
    )
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: No module named 'uvicorn'"
    )


def test_modules_are_the_same_objects(python: str, folder: Path) -> None:
    program = """
        import importlib, importlib.metadata, importlib.util, sys

        import uvicorn, uvicorn.main, fastserve
        from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware as ours
        from fastserve.middleware.proxy_headers import ProxyHeadersMiddleware as theirs
        import uvicorn.protocols.utils as utils, fastserve.protocols.utils
        import fastserve.lifespan.off, uvicorn.lifespan.off

        assert uvicorn is fastserve and ours is theirs
        assert utils is fastserve.protocols.utils
        assert uvicorn.lifespan.off is fastserve.lifespan.off
        # The command keeps hiding the module, as in uvicorn.
        assert uvicorn.main is fastserve.main and callable(uvicorn.main)
        module = importlib.import_module("uvicorn.main")
        assert module is importlib.import_module("fastserve.main")
        assert module.run is uvicorn.run
        for name, module in list(sys.modules.items()):
            if name.startswith("fastserve"):
                assert module.__spec__.name == name
        assert importlib.metadata.version("uvicorn") == "0.54.0"
        assert importlib.util.find_spec("uvicorn") is not None
        assert importlib.util.find_spec("uvicorn.nothing") is None
        try:
            import uvicorn.nothing
        except ModuleNotFoundError as exc:
            assert str(exc) == "No module named 'uvicorn.nothing'"
        assert sys.argv == ["program.py", "--option"]
        assert __name__ == "__main__" and __file__ == "program.py"
        print("whole")
    """
    write(folder, "program.py", program)
    ran = run_compat(python, folder, "program.py", "--option")
    assert ran.stdout.lines == ["whole"], ran.stderr.text


def test_an_installed_uvicorn_is_not_used(folder: Path) -> None:
    assert importlib.util.find_spec("uvicorn") is not None
    program = """
        import importlib.metadata, uvicorn, uvicorn.server, fastserve
        assert uvicorn is fastserve and uvicorn.server is fastserve.server
        assert importlib.metadata.version("uvicorn") == "0.54.0"
        print("whole")
    """
    write(folder, "program.py", program)
    ran = run_compat(sys.executable, folder, "program.py")
    assert ran.stdout.lines == ["whole"], ran.stderr.text


def test_spawned_children_have_it_too(python: str, folder: Path) -> None:
    # What is pickled names uvicorn, and a class that only the program has.
    program = """
        import multiprocessing
        import uvicorn.logging

        class Formatter(uvicorn.logging.DefaultFormatter):
            pass

        def child(kind):
            import fastserve.logging, uvicorn
            assert issubclass(kind, fastserve.logging.DefaultFormatter)
            print("child has", uvicorn.__name__, flush=True)

        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            process = context.Process(target=child, args=(Formatter,))
            process.start()
            process.join()
            assert process.exitcode == 0
            print("whole")
    """
    write(folder, "program.py", program)
    write(folder, "package/__init__.py", "")
    write(folder, "package/other.py", "from .program import *\n" + program)
    write(folder, "package/program.py", program)
    for args in [("program.py",), ("-m", "program"), ("-m", "package.program")]:
        ran = run_compat(python, folder, *args)
        assert ran.stdout.lines == ["child has fastserve", "whole"], ran.stderr.text


def test_a_package_with_relative_imports(python: str, folder: Path) -> None:
    write(folder, "package/__init__.py", "word = 'relative'")
    write(folder, "package/__main__.py", "from . import word\nprint(word)\n")
    ran = run_compat(python, folder, "-m", "package")
    assert ran.stdout.lines == ["relative"]
    assert ran.stderr.lines == []


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ([], "a program to run is missing"),
        (["-m"], "-m needs the name of a module"),
        (["-m", "not_there"], "there is no module not_there that could be run"),
        (["-m", "json.not_there"], "there is no module json.not_there that could"),
        (["not-there"], "there is no console script not-there in this Python's"),
        (["not_there.py"], "there is no file not_there.py"),
        (["--reload", "x"], "no such option: --reload"),
    ],
)
def test_usage_errors(args: list[str], problem: str, folder: Path) -> None:
    ran = run_compat(sys.executable, folder, *args)
    assert ran.process.returncode == 2
    assert ran.stdout.lines == []
    assert ran.stderr.lines[-1].startswith(f"fastserve.compat: {problem}")


def test_help(folder: Path) -> None:
    ran = run_compat(sys.executable, folder, "--help")
    assert ran.process.returncode == 0
    assert ran.stdout.lines[0].startswith("usage: python -m fastserve.compat PROGRAM")


def test_a_failing_import_of_the_program_is_shown(python: str, folder: Path) -> None:
    write(folder, "broken.py", "import not_there_either\n")
    ran = run_compat(python, folder, "-m", "broken")
    assert ran.process.returncode == 1
    assert ran.stderr.lines[-1] == (
        "ModuleNotFoundError: No module named 'not_there_either'"
    )


def answers(server: ServerProcess, word: str) -> bool:
    """Whether a child that has been started listens yet, and answers with `word`."""
    try:
        return bool(json.loads(server.get().body) == {"word": word})
    except ConnectionError:  # nobody listens yet, or the child before has just ended
        return False


# -- programs -------------------------------------------------------------------------


def test_uvicorn_itself(compat: object) -> None:
    server = compat("uvicorn", "main:app", "--port", "0")
    assert server.stderr.search(r"^INFO:     Uvicorn running on http://127")
    answer = server.get()
    assert json.loads(answer.body) == {"word": "WORD"}
    assert answer.headers["server"] == "uvicorn"
    assert server.stop(signal.SIGINT) == 0


def test_module_uvicorn(compat: object) -> None:
    server = compat("-m", "uvicorn", "main:app", "--port", "0")
    assert server.get().headers["server"] == "uvicorn"


def test_a_file_that_runs_uvicorn(compat: object, folder: Path) -> None:
    text = """
        import uvicorn

        if __name__ == "__main__":
            uvicorn.run("main:app", port=0, log_level="info")
    """
    write(folder, "serve.py", text)
    server = compat("serve.py")
    assert server.get().headers["server"] == "uvicorn"


def test_fastapi_run(compat: object) -> None:
    server = compat("fastapi", "run", "main.py", "--port", str(free_port()))
    assert server.host == "0.0.0.0"
    assert server.get().headers["server"] == "uvicorn"
    assert server.stop(signal.SIGINT) == 0


def test_fastapi_run_with_workers(compat: object) -> None:
    port = str(free_port())
    server = compat("fastapi", "run", "main.py", "--workers", "2", "--port", port)
    both = "Application startup complete"
    wait_until(lambda: server.stderr.text.count(both) == 2)
    wait_until(lambda: answers(server, "WORD"))
    assert server.get().headers["server"] == "uvicorn"
    assert server.stop(signal.SIGINT) == 0


def test_fastapi_dev(compat: object, folder: Path) -> None:
    server = compat("fastapi", "dev", "main.py", "--port", str(free_port()))
    wait_until(lambda: answers(server, "WORD"))
    write(folder, "main.py", MAIN.replace("WORD", "changed"))
    server.wait_for_log("Reloading")
    wait_until(lambda: answers(server, "changed"))
    assert server.get().headers["server"] == "uvicorn"
    assert server.stop(signal.SIGINT) == 0


def test_pytest(python: str, folder: Path) -> None:
    text = """
        import threading, time, urllib.request

        import pytest
        import uvicorn
        from main import app

        class Server(uvicorn.Server):
            def install_signal_handlers(self):
                pass

        @pytest.fixture
        def url():
            server = Server(uvicorn.Config(app, port=0, log_level="info"))
            thread = threading.Thread(target=server.run)
            thread.start()
            while not server.started:
                time.sleep(0.01)
            host, port = server.servers[0].sockets[0].getsockname()
            yield f"http://{host}:{port}/"
            server.should_exit = True
            thread.join()

        def test_it(url):
            with urllib.request.urlopen(url) as answer:
                assert answer.headers["server"] == "uvicorn"
                assert answer.read() == b'{"word":"WORD"}'
    """
    write(folder, "test_it.py", text)
    for program in (["pytest"], ["-m", "pytest"]):
        ran = run_compat(python, folder, *program, "-q", "-p", "no:cacheprovider")
        assert ran.process.returncode == 0, ran.stdout.text
        assert "1 passed" in ran.stdout.text


@pytest.mark.parametrize(
    "worker", ["uvicorn.workers.UvicornWorker", "uvicorn_worker.UvicornWorker"]
)
def test_gunicorn(worker: str, python: str, folder: Path) -> None:
    command = (*COMPAT, "gunicorn")
    options = {"command": command, "python": python, "cwd": folder, "env": PATH}
    with gunicorn("main:app", worker=worker, workers=2, **options) as server:
        assert server.get().headers["server"] == "uvicorn"
        assert server.stop() == 0
    server.wait_for_log(f"Using worker: {worker}")


def test_patches_of_uvicorn_reach_fastserve(compat: object, folder: Path) -> None:
    # sse-starlette patches Server.handle_exit, so that endless streams end.
    text = """
        import asyncio

        import fastserve
        from sse_starlette.sse import AppStatus, EventSourceResponse
        from starlette.applications import Starlette
        from starlette.routing import Route

        assert fastserve.Server.handle_exit.__qualname__ == "AppStatus.handle_exit"

        async def events():
            while True:
                yield {"data": "event"}
                await asyncio.sleep(0.05)

        async def stream(request):
            return EventSourceResponse(events())

        app = Starlette(routes=[Route("/", stream)])
    """
    write(folder, "streaming.py", text)
    server = compat("uvicorn", "streaming:app", "--port", "0")
    client = server.connect()
    client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    wait_until(lambda: b"data: event" in client.recv(65536))
    assert server.stop(signal.SIGINT) == 0
    assert "Exception" not in server.stderr.text


LOG_CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "default": {
            "()": "uvicorn.logging.DefaultFormatter",
            "fmt": "server %(levelprefix)s %(message)s",
        },
        "access": {
            "()": "uvicorn.logging.AccessFormatter",
            "fmt": "access %(client_addr)s %(request_line)s %(status_code)s",
        },
    },
    "handlers": {
        "default": {"class": "logging.StreamHandler", "formatter": "default"},
        "access": {
            "class": "logging.StreamHandler",
            "formatter": "access",
            "stream": "ext://sys.stdout",
        },
    },
    "loggers": {
        "uvicorn.error": {"level": "INFO", "handlers": ["default"]},
        "uvicorn.access": {"level": "INFO", "handlers": ["access"]},
    },
}


def test_a_log_configuration_that_names_uvicorn(compat: object, folder: Path) -> None:
    (folder / "log.json").write_text(json.dumps(LOG_CONFIG))
    args = ("--port", "0", "--log-config", "log.json")
    server = compat("uvicorn", "main:app", *args)
    server.wait_for_log("^server INFO:     Uvicorn running on")
    server.get()
    assert server.stdout.search(r"^access 127.0.0.1:\d+ GET / HTTP/1.1 200 OK$")

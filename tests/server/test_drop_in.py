"""What programs written for uvicorn do with it, word for word but for the name."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import signal
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _apps
import pytest
from _process import HERE, Output, start, wait_until

import fastserve

# -- modules and names ----------------------------------------------------------------

# What public code imports from uvicorn, by module.
NAMES = {
    "": "Config Server main run __version__",
    "config": "Config LOGGING_CONFIG LOG_LEVELS HTTP_PROTOCOLS WS_PROTOCOLS LIFESPAN "
    "LOOP_FACTORIES INTERFACES SSL_PROTOCOL_VERSION STARTUP_FAILURE "
    "create_ssl_context UvicornDeprecationWarning logger",
    "importer": "import_from_string ImportFromStringError",
    "lifespan.off": "LifespanOff",
    "lifespan.on": "LifespanOn",
    "logging": "DefaultFormatter AccessFormatter ColourizedFormatter TRACE_LOG_LEVEL",
    "loops.asyncio": "asyncio_loop_factory",
    "loops.auto": "auto_loop_factory",
    "loops.uvloop": "uvloop_loop_factory",
    "main": "run main Config Server STARTUP_FAILURE",
    "middleware.asgi2": "ASGI2Middleware",
    "middleware.message_logger": "MessageLoggerMiddleware",
    "middleware.proxy_headers": "ProxyHeadersMiddleware",
    "middleware.wsgi": "WSGIMiddleware",
    "protocols.http.auto": "AutoHTTPProtocol",
    "protocols.http.h11_impl": "H11Protocol",
    "protocols.http.httptools_impl": "HttpToolsProtocol",
    "protocols.utils": "ClientDisconnected get_path_with_query_string get_client_addr "
    "get_remote_addr get_local_addr is_ssl",
    "protocols.websockets.auto": "AutoWebSocketsProtocol",
    "server": "Server ServerState HANDLED_SIGNALS",
    "supervisors": "ChangeReload Multiprocess",
    "supervisors.basereload": "BaseReload",
    "supervisors.multiprocess": "Multiprocess Process",
    "supervisors.statreload": "StatReload",
    "supervisors.watchfilesreload": "WatchFilesReload FileFilter",
    "_types": "ASGIApplication",
    "_subprocess": "get_subprocess",
}


@pytest.mark.parametrize("module", NAMES)
def test_module(module: str) -> None:
    ours, uvicorns = (
        importlib.import_module(f"{package}.{module}".rstrip("."))
        for package in ("fastserve", "uvicorn")
    )
    for name in NAMES[module].split():
        assert hasattr(uvicorns, name), "the list is about another version"
        assert hasattr(ours, name), name


def test_the_command_hides_the_module() -> None:
    assert fastserve.main is importlib.import_module("fastserve.main").main
    assert fastserve.main is not sys.modules["fastserve.main"]
    assert set(fastserve.__all__) == {"main", "run", "Config", "Server"}


# -- in a thread ----------------------------------------------------------------------


class ThreadedServer(fastserve.Server):
    """The fixture that hundreds of test suites have."""

    installed = False

    def install_signal_handlers(self) -> None:
        self.installed = True

    @contextlib.contextmanager
    def run_in_thread(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            while not self.started:
                time.sleep(1e-3)
            yield
        finally:
            self.should_exit = True
            thread.join()


def fetch(server: fastserve.Server) -> bytes:
    port = server.servers[0].sockets[0].getsockname()[1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("loop", ["auto", "asyncio", "uvloop", "none"])
def test_in_a_thread(loop: str) -> None:
    before = signal.getsignal(signal.SIGINT)
    config = fastserve.Config(_apps.hello, port=0, log_config=None, loop=loop)
    server = ThreadedServer(config)
    with server.run_in_thread():
        assert fetch(server) == b"hello"
        assert signal.getsignal(signal.SIGINT) is before
    assert not server.installed  # uvicorn calls it no more either


# -- in a notebook --------------------------------------------------------------------


def run_program(code: str, *args: str, cwd: Path = HERE) -> Output:
    """Run it to its end, which must be 0; what it printed."""
    server = start(*args, command=("-c", textwrap.dedent(code)), cwd=cwd)
    try:
        assert server.wait() == 0, server.stderr.text
    finally:
        server.close()
    return server.stdout


NESTED = """
    import asyncio, threading, time, urllib.request
    import fastserve, nest_asyncio2
    import _apps

    async def app(scope, receive, send):
        _apps.http_only(scope)
        await asyncio.sleep(0.01)
        nested = asyncio.get_running_loop().run_until_complete(asyncio.sleep(0.01, 1))
        await _apps.answer(send, b"nested %d" % nested)

    def client(server):
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        for _ in range(3):
            answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30)
            print(answer.read().decode(), flush=True)
        server.should_exit = True

    async def cell():
        nest_asyncio2.apply()
        config = fastserve.Config(app, port=0, loop="none", access_log=False)
        server = fastserve.Server(config)
        threading.Thread(target=client, args=(server,)).start()
        server.run()  # asyncio.run(), inside a running loop

    asyncio.run(cell())
"""


def test_run_inside_a_running_loop_that_may_be_nested() -> None:
    assert run_program(NESTED).lines == ["nested 1"] * 3


def test_beside_other_tasks_of_the_loop() -> None:
    """`await server.serve()` in a cell, or gathered with something else."""

    async def main() -> list[Any]:
        config = fastserve.Config(_apps.hello, port=0, log_config=None)
        server = fastserve.Server(config)

        async def client() -> bytes:
            while not server.started:
                await asyncio.sleep(0.01)
            body = await asyncio.to_thread(fetch, server)
            server.should_exit = True
            return body

        return await asyncio.gather(server.serve(), client())

    assert asyncio.run(main()) == [None, b"hello"]


# -- home-made supervisors ------------------------------------------------------------

SUPERVISOR = """
    import multiprocessing, sys, urllib.request
    import fastserve

    def main():
        config = fastserve.Config("_apps:pid", port=0, access_log=False)
        sock = config.bind_socket()
        spawn = multiprocessing.get_context("spawn")
        server = fastserve.Server(config)
        child = spawn.Process(target=server.run, kwargs={"sockets": [sock]})
        child.start()
        host, port = sock.getsockname()
        for _ in range(200):
            try:
                answer = urllib.request.urlopen(f"http://{host}:{port}/", timeout=30)
                break
            except OSError:
                child.join(0.1)
        print(answer.read().decode() == str(child.pid), flush=True)
        child.terminate()
        child.join()
        print(child.exitcode, flush=True)

    if __name__ == "__main__":
        main()
"""


def test_a_server_in_a_spawned_child(tmp_path: Path) -> None:
    # A Server pickles, as uvicorn's does, before it has served.
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(SUPERVISOR))
    server = start(command=(str(program),), env={"PYTHONPATH": str(HERE)})
    with contextlib.closing(server):
        assert server.wait() == 0, server.stderr.text
        assert server.stdout.lines == ["True", str(-signal.SIGTERM)]


# -- others' patches ------------------------------------------------------------------


def test_who_looks_for_the_server_by_its_signal_handler() -> None:
    """sse-starlette's way to learn that the server ends."""
    code = """
        import asyncio, signal, threading
        import fastserve, _apps

        async def watch(app_started):
            handler = signal.getsignal(signal.SIGTERM)
            server = handler.__self__
            print(type(server).__name__, server.should_exit, flush=True)
            signal.raise_signal(signal.SIGINT)
            print(server.should_exit, server.force_exit, flush=True)

        class Watched(fastserve.Server):
            async def startup(self, sockets=None):
                await super().startup(sockets)
                await watch(self)

        config = fastserve.Config(_apps.hello, port=0)
        try:
            Watched(config).run()
        except KeyboardInterrupt:
            print("raised again", flush=True)
    """
    assert run_program(code).lines == ["Watched False", "True False", "raised again"]


def test_load_may_be_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """As tracers do: the application is replaced in Config.loaded_app."""
    original = fastserve.Config.load

    async def wrapper(scope: Any, receive: Any, send: Any) -> None:
        _apps.http_only(scope)
        await _apps.answer(send, b"wrapped")

    def load(self: fastserve.Config) -> None:
        original(self)
        self.loaded_app = wrapper

    monkeypatch.setattr(fastserve.Config, "load", load)
    server = ThreadedServer(fastserve.Config(_apps.hello, port=0, log_config=None))
    with server.run_in_thread():
        assert fetch(server) == b"wrapped"


def test_members_of_a_server() -> None:
    """All that uvicorn's Server has is there, before and while it serves."""
    import uvicorn

    def members(package: Any) -> set[str]:
        config = package.Config(_apps.hello, port=0, log_config=None)
        server = package.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        wait_until(lambda: server.started)
        try:
            state = (f"server_state.{name}" for name in dir(server.server_state))
            found = {*dir(server), *state}
        finally:
            server.should_exit = True
            thread.join()
        return {name for name in found if "__" not in name}

    assert members(uvicorn) <= members(fastserve)

"""Server inside a program: in a running loop, in a thread, subclassed, signalled."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib.util
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import _apps
import pytest
from _process import wait_until

import fastserve
from fastserve.server import HANDLED_SIGNALS, ServerState

Run = Callable[[Coroutine[Any, Any, None]], None]


def make(app: Any = _apps.hello, **settings: Any) -> fastserve.Server:
    config = fastserve.Config(app, **{"port": 0, "log_config": None, **settings})
    return fastserve.Server(config)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on each event loop that there is, for no longer than 30 s."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"no {request.param} for this interpreter")
    factory = fastserve.Config("", log_config=None, loop=request.param)

    def run(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory.get_loop_factory()) as runner:
            runner.run(asyncio.wait_for(main, 30))

    return run


@contextlib.asynccontextmanager
async def serving(server: fastserve.Server) -> AsyncIterator[asyncio.Task[None]]:
    """serve() as a task beside the test; ended by should_exit if not before."""
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not task.done(), task.result()
    try:
        yield task
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task


def port_of(server: fastserve.Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])


async def get(server: fastserve.Server, target: str = "/") -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    request = f"GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    return answer.decode().partition("\r\n\r\n")[2]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "uvicorn.error")
    return lambda: [record.getMessage() for record in caplog.records]


# -- in a running loop ----------------------------------------------------------------


def test_serve_in_a_running_loop(run: Run) -> None:
    async def main() -> None:
        server, before = make(), asyncio.all_tasks()
        async with serving(server) as task:
            assert await get(server) == "hello"
            server.should_exit = True
            await task
        assert asyncio.all_tasks() == before

    run(main())


def test_two_servers_in_one_loop(run: Run) -> None:
    async def main() -> None:
        first, second = make(), make(_apps.pid)
        async with serving(first), serving(second):
            assert await get(first) == "hello"
            assert await get(second) == str(os.getpid())

    run(main())


def test_a_server_may_serve_again(run: Run) -> None:
    async def main() -> None:
        server = make()
        for _ in range(2):
            server.started = server.should_exit = False
            async with serving(server):
                assert await get(server) == "hello"
        assert server.server_state.total_requests == 2

    run(main())


def test_cancelling_serve_closes_everything(run: Run) -> None:
    async def main() -> None:
        server = make(_apps.slow)
        async with serving(server) as task:
            port = port_of(server)
            request = asyncio.create_task(get(server, "/?60"))
            while not server.server_state.connections:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(ConnectionResetError):
                assert await request == ""

    run(main())


def test_signal_handlers(run: Run) -> None:
    async def main() -> None:
        before = [signal.getsignal(sig) for sig in HANDLED_SIGNALS]
        server = make()
        async with serving(server):
            for sig in HANDLED_SIGNALS:
                handler: Any = signal.getsignal(sig)
                assert handler == server.handle_exit
                assert handler.__self__ is server  # how sse-starlette finds it
        assert [signal.getsignal(sig) for sig in HANDLED_SIGNALS] == before

    run(main())


def test_signals_are_raised_again_last_first(run: Run) -> None:
    raised: list[int] = []
    before = {
        sig: signal.signal(sig, lambda sig, frame: raised.append(sig))
        for sig in HANDLED_SIGNALS
    }

    async def main() -> None:
        server = make()
        async with serving(server) as task:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            assert server._captured_signals == [signal.SIGINT, signal.SIGTERM]
            assert server.should_exit
            assert not server.force_exit
            assert raised == []
            await task

    try:
        run(main())
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
    assert raised == [signal.SIGTERM, signal.SIGINT]


def test_a_patched_handle_exit_is_the_one_installed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, seen = fastserve.Server.handle_exit, []

    def patched(self: fastserve.Server, sig: int, frame: Any) -> None:
        seen.append(sig)
        original(self, sig, frame)
        self._captured_signals.clear()  # or it would end these tests

    monkeypatch.setattr(fastserve.Server, "handle_exit", patched)

    async def main() -> None:
        async with serving(make()) as task:
            signal.raise_signal(signal.SIGTERM)
            await task

    run(main())
    assert seen == [signal.SIGTERM]


def test_contextvars(run: Run) -> None:
    async def main() -> None:
        _apps.variable.set("of the program")
        server = make(_apps.show_variable)
        async with serving(server):
            _apps.variable.set("of later")
            # Neither what the lifespan's task nor what a request sets is seen.
            for _ in range(2):
                assert await get(server) == "of the program"
        factory = make(_apps.make_with_variable, factory=True)
        async with serving(factory):
            assert await get(factory) == "of serve()"
        empty = make(_apps.show_variable, reset_contextvars=True)
        async with serving(empty):
            for _ in range(2):
                assert await get(empty) == "-"

    contextvars.copy_context().run(run, main())


# -- shutdown -------------------------------------------------------------------------


def test_shutdown_closes_the_listeners_before_it_awaits(run: Run) -> None:
    async def main() -> None:
        server = make()
        async with serving(server):
            [listening] = server.servers
            assert listening.is_serving()
            shutdown = asyncio.create_task(server.shutdown())
            await asyncio.sleep(0)  # the task's first step, and no more
            assert not shutdown.done()
            assert not listening.is_serving()
            await shutdown

    run(main())


def test_a_second_shutdown_waits_for_the_first(
    run: Run, lines: Callable[[], list[str]]
) -> None:
    async def main() -> None:
        server = make(_apps.slow)
        async with serving(server) as task:
            request = asyncio.create_task(get(server, "/?0.5"))
            while not server.server_state.connections:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            first = asyncio.create_task(server.shutdown())
            await asyncio.sleep(0.05)
            second = asyncio.create_task(server.shutdown())
            await second
            assert request.done()
            assert first.done()
            assert await request == "slow"
            server.should_exit = True
            await task

    run(main())
    assert lines().count("Shutting down") == 1


def test_shutdown_of_a_fixture_without_serve(run: Run) -> None:
    # Fixtures drive the steps themselves.
    async def main() -> None:
        server = make(_apps.lifespan)
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup()
        assert await get(server) == "{'made by': 'startup', 'seen': 1}"
        await server.shutdown()
        assert not server.servers[0].is_serving()

    run(main())


# -- sockets --------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["AF_INET", "AF_UNIX"])
def test_sockets_given(
    family: str, run: Run, tmp_path: Any, lines: Callable[[], list[str]]
) -> None:
    path = tmp_path / "socket"
    name: Any = str(path) if family == "AF_UNIX" else ("127.0.0.1", 0)

    async def main() -> None:
        sock = socket.socket(getattr(socket, family))
        sock.bind(name)
        server = make()
        task = asyncio.create_task(server.serve(sockets=[sock]))
        while not server.started:
            await asyncio.sleep(0.01)
        if family == "AF_UNIX":
            reader, writer = await asyncio.open_unix_connection(name)
        else:
            reader, writer = await asyncio.open_connection(*sock.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        writer.close()
        server.should_exit = True
        await task
        assert sock.fileno() == -1

    run(main())
    assert not any("running on" in line for line in lines())
    if family == "AF_UNIX":
        assert path.exists()  # whoever bound it removes it


def test_port_0_is_found_in_servers_and_in_the_log(
    run: Run, lines: Callable[[], list[str]]
) -> None:
    ports: list[int] = []

    async def main() -> None:
        server = make()
        assert not hasattr(server, "servers")
        async with serving(server):
            ports.append(port_of(server))

    run(main())
    running = f"Fastserve running on http://127.0.0.1:{ports[0]} "
    assert any(line.startswith(running) for line in lines())


# -- in a thread ----------------------------------------------------------------------


@pytest.mark.parametrize("loop", ["auto", "asyncio"])
def test_run_in_a_thread(loop: str) -> None:
    before = [signal.getsignal(sig) for sig in HANDLED_SIGNALS]

    class ThreadServer(fastserve.Server):
        def install_signal_handlers(self) -> None:
            """Overridden by hundreds of fixtures; nobody calls it any more."""

    config = fastserve.Config(_apps.hello, port=0, log_config=None, loop=loop)
    server = ThreadServer(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        assert [signal.getsignal(sig) for sig in HANDLED_SIGNALS] == before
        with socket.create_connection(("127.0.0.1", port_of(server)), 20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


def test_the_function_run_in_a_thread(tmp_path: Any) -> None:
    path = tmp_path / "socket"
    settings = {"uds": str(path), "log_config": None, "limit_max_requests": 1}
    thread = threading.Thread(
        target=fastserve.run, args=(_apps.hello,), kwargs=settings
    )
    thread.start()
    wait_until(path.exists)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        wait_until(lambda: client.connect_ex(str(path)) == 0)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    thread.join(20)
    assert not thread.is_alive()
    assert not path.exists()


def test_run_that_cannot_start_exits_with_3() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SystemExit) as caught:
            fastserve.run(_apps.hello, port=port, log_config=None)
    assert caught.value.code == 3


# -- subclasses -----------------------------------------------------------------------


def test_every_step_may_be_overridden(run: Run) -> None:
    steps: list[str] = []

    class Steps(fastserve.Server):
        async def serve(self, sockets: Any = None) -> None:
            steps.append("serve")
            await super().serve(sockets)

        async def _serve(self, sockets: Any = None) -> None:
            steps.append("_serve")
            await super()._serve(sockets)

        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets=sockets)
            steps.append("startup")

        async def main_loop(self) -> None:
            steps.append("main_loop")
            await super().main_loop()

        async def on_tick(self, counter: int) -> bool:
            steps.append(f"on_tick {counter}")
            await super().on_tick(counter)
            return counter == 2

        async def shutdown(self, sockets: Any = None) -> None:
            steps.append("shutdown")
            await super().shutdown(sockets=sockets)

        def _log_started_message(self, listeners: Any) -> None:
            steps.append(f"{len(listeners)} listeners")

    config = fastserve.Config(_apps.hello, port=0, log_config=None)
    run(Steps(config).serve())
    assert steps == [
        "serve",
        "_serve",
        "1 listeners",
        "startup",
        "main_loop",
        "on_tick 0",
        "on_tick 1",
        "on_tick 2",
        "shutdown",
    ]


def test_signals_can_be_left_alone(run: Run) -> None:
    class NoSignals(fastserve.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Any:
            yield

    async def main() -> None:
        before = [signal.getsignal(sig) for sig in HANDLED_SIGNALS]
        config = fastserve.Config(_apps.hello, port=0, log_config=None)
        async with serving(NoSignals(config)):
            assert [signal.getsignal(sig) for sig in HANDLED_SIGNALS] == before

    run(main())


# -- counters, ticks, limits ----------------------------------------------------------


def test_total_requests(run: Run) -> None:
    async def main() -> None:
        server = make()
        state = server.server_state
        async with serving(server):
            for n in range(3):
                assert state.total_requests == n
                await get(server)
            state.total_requests += 1  # as a protocol class of one's own counts
            await get(server)
            assert state.total_requests == 5

    run(main())


def test_state_of_a_server_that_has_not_started() -> None:
    state = ServerState()
    assert (state.total_requests, state.connections, state.tasks) == (0, set(), set())
    assert state.default_headers == []
    state.total_requests += 2
    assert state.total_requests == 2


def test_connections_and_tasks_while_a_request_runs(run: Run) -> None:
    async def main() -> None:
        server = make(_apps.slow)
        state = server.server_state
        async with serving(server):
            request = asyncio.create_task(get(server, "/?0.3"))
            while not state.tasks:
                await asyncio.sleep(0.01)
            [connection], [task] = state.connections, state.tasks
            assert not connection.transport.is_closing()
            assert isinstance(task, asyncio.Task)
            assert await request == "slow"
            while state.connections or state.tasks:
                await asyncio.sleep(0.01)

    run(main())


def test_default_headers_are_kept_up_to_date(run: Run) -> None:
    async def main() -> None:
        server = make(headers=[("X-A", "b")])
        plain = make(date_header=False, server_header=False)
        async with serving(server), serving(plain):
            await asyncio.sleep(0.01)
            names = [name for name, _ in server.server_state.default_headers]
            assert names == [b"date", b"server", b"x-a"]
            assert plain.server_state.default_headers == []

    run(main())


def test_callback_notify(run: Run) -> None:
    calls: list[float] = []

    async def main() -> None:
        async def notify() -> None:
            calls.append(server.last_notified)

        server = make(callback_notify=notify, timeout_notify=0)
        async with serving(server):
            await asyncio.sleep(1.3)

    run(main())
    assert len(calls) == 2  # once a second
    assert calls[0] < calls[1]


def test_limit_max_requests_and_jitter() -> None:
    assert make().limit_max_requests is None
    assert make(limit_max_requests=5).limit_max_requests == 5
    limits = set()
    for _ in range(200):
        server = make(limit_max_requests=5, limit_max_requests_jitter=2)
        limits.add(server.limit_max_requests)
        assert server.limit_max_requests == server.limit_max_requests
    assert limits == {5, 6, 7}

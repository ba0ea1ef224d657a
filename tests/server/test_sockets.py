"""Where it listens: hosts, port 0, Unix sockets and their files, descriptors."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _process import ServerProcess, run_to_end, serve, start, wait_until
from _workers import wait_answering


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose path is short enough for a Unix socket."""
    assert len(str(tmp_path)) < 80
    return tmp_path


def bound(family: int, name: object) -> socket.socket:
    sock = socket.socket(family)
    sock.bind(name)
    return sock


# -- host and port --------------------------------------------------------------------


def test_ipv6(loop_name: str) -> None:
    with serve("_apps:hello", "--host", "::1", "--loop", loop_name) as server:
        assert server.host == "::1"
        assert server.get().text == "hello"
        [line] = [line for line in server.log_lines() if "running on" in line]
        assert f"http://[::1]:{server.port} (" in line.replace("PORT", str(server.port))


def test_a_name_with_several_addresses(loop_name: str) -> None:
    with serve("_apps:hello", "--host", "localhost", "--loop", loop_name) as server:
        assert server.host == "localhost"
        assert server.get().text == "hello"


def test_a_name_that_does_not_exist() -> None:
    ended = run_to_end("_apps:hello", "--host", "no-such-host.invalid", "--port", "0")
    assert ended.process.returncode == 3
    assert ended.stderr.lines[-1].startswith("ERROR:    [Errno ")


# -- Unix sockets ---------------------------------------------------------------------


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT],
    ids=lambda number: number.name,
)
def test_socket_file_is_removed(number: int, loop_name: str, folder: Path) -> None:
    path = folder / "socket"
    args = ["--uds", str(path), "--loop", loop_name]
    with serve("_apps:echo_scope", *args) as server:
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert mode_of(path) == 0o666
        scope = "{'root_path': '', 'path': '/', 'client': None, "
        assert server.get().text == scope + f"'server': ({str(path)!r}, None)}}"
        running = f"INFO:     Fastserve running on unix socket {path} "
        assert server.log_lines()[-1].startswith(running)
        ended_by = 0 if number == signal.SIGINT else -number
        assert server.stop(number) == ended_by
        assert not path.exists()


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP],
    ids=lambda number: number.name,
)
@pytest.mark.parametrize("args", [["--reload"], ["--workers", "2"]], ids=" ".join)
def test_socket_file_of_a_supervisor_is_removed(
    args: list[str], number: int, folder: Path
) -> None:
    path = folder / "socket"
    with serve("_apps:pid", "--uds", str(path), *args) as server:
        wait_answering(server)
        if args[0] == "--workers" and number in (signal.SIGHUP, signal.SIGQUIT):
            server.send_signal(number)  # to replace its workers, or to do nothing
            number = signal.SIGTERM
            wait_answering(server)
        unhandled = number in (signal.SIGHUP, signal.SIGQUIT)
        assert server.stop(number) == (-number if unhandled else 0)
        assert not path.exists()


def test_socket_file_is_removed_after_the_request_limit(folder: Path) -> None:
    path = folder / "socket"
    args = ["--uds", str(path), "--limit-max-requests", "1"]
    with serve("_apps:hello", *args) as server:
        assert server.get().text == "hello"
        assert server.wait() == 0
        assert not path.exists()


def test_a_stale_file_is_replaced_and_its_mode_kept(folder: Path) -> None:
    path = folder / "socket"
    bound(socket.AF_UNIX, str(path)).close()
    path.chmod(0o600)
    with serve("_apps:hello", "--uds", str(path)) as server:
        assert mode_of(path) == 0o600
        assert server.get().text == "hello"


def test_a_file_of_another_kind_is_left_alone(folder: Path) -> None:
    path = folder / "file"
    path.write_text("precious")
    ended = run_to_end("_apps:hello", "--uds", str(path))
    assert ended.process.returncode == 3
    assert str(path) in ended.stderr.lines[-1]
    assert path.read_text() == "precious"


def test_the_file_of_another_server_is_left_alone(folder: Path) -> None:
    path = folder / "socket"
    with serve("_apps:pid", "--uds", str(path)) as old:
        with serve("_apps:pid", "--uds", str(path)) as new:
            assert old.stop() == -signal.SIGTERM
            assert new.get().text == str(new.pid)


def test_a_server_that_cannot_start_removes_nothing(folder: Path) -> None:
    path = folder / "socket"
    with serve("_apps:hello", "--uds", str(path)) as server:
        ended = run_to_end("_apps:startup_fails", "--uds", str(path))
        assert ended.process.returncode == 3
        assert server.get().text == "hello"


def test_the_working_directory_may_change(folder: Path) -> None:
    env = {"PYTHONPATH": str(Path(__file__).parent)}
    args = ["_apps:changes_directory", "--uds", "socket"]
    with serve(*args, cwd=folder, env=env) as server:
        server.uds = str(folder / "socket")
        assert server.get().text == "changed"
        assert server.stop(signal.SIGINT) == 0
        assert not (folder / "socket").exists()


# -- inherited descriptors ------------------------------------------------------------


@pytest.fixture(params=["AF_INET", "AF_INET6", "AF_UNIX"])
def inherited(request: pytest.FixtureRequest, folder: Path) -> Iterator[socket.socket]:
    names = {
        "AF_INET": ("127.0.0.1", 0),
        "AF_INET6": ("::1", 0),
        "AF_UNIX": str(folder / "socket"),
    }
    with bound(getattr(socket, request.param), names[request.param]) as sock:
        yield sock


def tell_address(server: ServerProcess, sock: socket.socket) -> None:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        server.uds = name
    else:
        server.host, server.port = name[:2]


def test_fd(inherited: socket.socket, loop_name: str) -> None:
    fd = inherited.fileno()
    args = ["--fd", str(fd), "--loop", loop_name]
    with serve("_apps:hello", *args, pass_fds=[fd]) as server:
        name = inherited.getsockname()
        quitting = "(Press CTRL+C to quit)"
        running = f"INFO:     Fastserve running on socket {name} {quitting}"
        assert server.log_lines()[-1] == running
        tell_address(server, inherited)
        assert server.get().text == "hello"
        assert server.stop(signal.SIGINT) == 0
    if inherited.family == socket.AF_UNIX:
        assert Path(name).exists()  # it belongs to whoever bound it


def test_fd_0(inherited: socket.socket, loop_name: str) -> None:
    # supervisord's fcgi-program hands its socket over as standard input.
    args = ["--fd", "0", "--loop", loop_name]
    with serve("_apps:hello", *args, stdin=inherited.fileno()) as server:
        tell_address(server, inherited)
        assert server.get().text == "hello"


def test_fd_goes_from_one_server_to_the_next(loop_name: str) -> None:
    # As with socket activation: the socket stays open between the two.
    with bound(socket.AF_INET, ("127.0.0.1", 0)) as sock:
        sock.listen()
        fd = sock.fileno()
        args = ["--fd", str(fd), "--loop", loop_name]
        for _ in range(2):
            with serve("_apps:hello", *args, pass_fds=[fd]) as server:
                tell_address(server, sock)
                assert server.get().text == "hello"
                assert server.stop() == -signal.SIGTERM


def test_fd_of_something_else() -> None:
    ended = run_to_end("_apps:lifespan", "--fd", "0", stdin=subprocess.DEVNULL)
    assert ended.process.returncode == 3
    assert ended.stderr.lines[-3].startswith("ERROR:    [Errno ")
    assert "file descriptor 0: " in ended.stderr.lines[-3]
    assert ended.stdout.lines == ["app: startup", "app: shutdown"]


def test_fd_that_is_not_open() -> None:
    ended = run_to_end("_apps:hello", "--fd", "99")
    assert ended.process.returncode == 3
    assert "file descriptor 99: Bad file descriptor" in ended.stderr.lines[-1]


def can_connect(server: ServerProcess) -> bool:
    try:
        server.connect()
    except ConnectionRefusedError:
        return False
    return True


def test_python_program_that_serves_a_socket_of_its_own(loop_name: str) -> None:
    program = (
        "import fastserve\n"
        f"config = fastserve.Config('_apps:hello', port=0, loop={loop_name!r})\n"
        "sock = config.bind_socket()\n"
        "server = fastserve.Server(config)\n"
        "server.run(sockets=[sock])\n"
        "assert sock.fileno() == -1\n"
    )
    server = start(command=["-c", program])
    try:
        server.wait_ready()
        wait_until(lambda: can_connect(server))
        assert server.get().text == "hello"
        # The line comes from bind_socket, once, before everything else.
        running = [n for n, line in enumerate(server.log_lines()) if "running" in line]
        assert running == [0]
        assert server.stop(signal.SIGTERM) == -signal.SIGTERM
    finally:
        server.close()


def test_sigint_leaves_run_as_keyboard_interrupt(loop_name: str) -> None:
    program = (
        "import fastserve\n"
        "server = fastserve.Server(\n"
        f"    fastserve.Config('_apps:hello', port=0, loop={loop_name!r}))\n"
        "try:\n"
        "    server.run()\n"
        "except KeyboardInterrupt:\n"
        "    raise SystemExit(42)\n"
    )
    server = start(command=["-c", program])
    try:
        server.wait_ready()
        assert server.stop(signal.SIGINT) == 42
    finally:
        server.close()


def test_interpreter_of_the_tests() -> None:
    # What run as a process here is what runs these tests.
    ended = run_to_end("--version")
    version = ".".join(map(str, sys.version_info[:3]))
    assert f"CPython {version}" in ended.stdout.text

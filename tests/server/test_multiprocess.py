"""--workers: several processes on one socket, those that end replaced, and signals."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest
from _process import HERE, TIMEOUT, ServerProcess, run_to_end, serve, wait_until
from _workers import (
    load,
    serve_workers,
    wait_answering,
    wait_gone,
    wait_started,
    workers,
)

UNREADY = "raise RuntimeError('not today')"


def module(tmp_path: Path, source: str) -> dict[str, object]:
    """`serve`'s options for an application in a module of its own, `made:app`."""
    (tmp_path / "made.py").write_text(f"from _apps import *\n{source}\n")
    return {"cwd": tmp_path, "env": {"PYTHONPATH": str(HERE)}}


def parent_lines(server: ServerProcess) -> list[str]:
    """The parent's own lines, N for the number of a child."""
    words = r"parent process|[Cc]hild process|Received|Fastserve running"
    lines = [line for line in server.log_lines() if re.search(words, line)]
    return [re.sub(r"\[\d+\]", "[N]", line) for line in lines]


# -- start and end --------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_whole_life(number: signal.Signals, loop_name: str) -> None:
    with serve_workers("_apps:pid", "--loop", loop_name) as server:
        children = workers(server)
        assert len(children) == 2
        assert wait_answering(server, 2) == set(children)
        assert server.stop(number) == 0
        assert parent_lines(server) == [
            "INFO:     Fastserve running on http://127.0.0.1:PORT "
            "(Press CTRL+C to quit)",
            "INFO:     Started parent process [PID]",
            f"INFO:     Received {number.name}, exiting.",
            "INFO:     Terminated child process [N]",
            "INFO:     Terminated child process [N]",
            "INFO:     Waiting for child process [N]",
            "INFO:     Waiting for child process [N]",
            "INFO:     Stopping parent process [PID]",
        ]
        for pid in children:
            assert f"Started server process [{pid}]" in server.stderr.text
            assert f"Finished server process [{pid}]" in server.stderr.text
        wait_gone(children)


def test_the_parent_does_not_import_the_application(tmp_path: Path) -> None:
    options = module(tmp_path, "say(f'imported by {os.getpid()}')\napp = pid")
    with serve_workers("made:app", **options) as server:
        children = workers(server)
        wait_until(lambda: len(server.stdout.lines) >= 2)
        importers = {int(line.split()[-1]) for line in server.stdout.lines}
        assert importers == set(children)


def test_a_request_under_way_is_finished() -> None:
    with serve_workers("_apps:slow") as server:
        wait_started(server, 2)
        client = server.begin_slow_request(1)
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("Received SIGTERM")
        answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert answer.endswith(b"\r\n\r\nslow")
        assert server.wait() == 0


def test_who_connects_while_the_workers_end_is_refused() -> None:
    with serve_workers("_apps:slow") as server:
        server.begin_slow_request(2)
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("Waiting for connections to close")

        def refused() -> bool:
            try:
                socket.create_connection((server.host, server.port), 1).close()
            except ConnectionRefusedError:
                return True
            return False

        wait_until(refused)
        assert server.wait() == 0


@pytest.mark.parametrize("times", [2, 3])
def test_sigint_again_forces_the_end(times: int) -> None:
    # To the parent alone, as `kill -INT` does; a terminal signals the workers too.
    app = "_apps:slow" if times == 2 else "_apps:blocks"
    with serve_workers(app) as server:
        client = server.connect()
        client.sendall(b"GET /?60 HTTP/1.1\r\nHost: h\r\n\r\n")
        time.sleep(0.5)
        server.send_signal(signal.SIGINT)
        server.wait_for_log("Received SIGINT, exiting.")
        for _ in range(times - 1):
            time.sleep(0.5)
            server.send_signal(signal.SIGINT)
        assert server.wait() == 0


def test_a_unix_socket_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with serve_workers("_apps:pid", "--uds", str(path)) as server:
        assert path.exists()
        assert server.stop() == 0
    assert not path.exists()


def test_stdin_and_logging_are_the_parents(tmp_path: Path) -> None:
    options = module(
        tmp_path, "import sys\nsay(os.read(sys.stdin.fileno(), 6))\napp = pid"
    )
    reading, writing = os.pipe()
    os.write(writing, b"first\nfirst\n")
    config = tmp_path / "log.json"
    config.write_text(
        '{"version": 1, "disable_existing_loggers": false,'
        ' "formatters": {"own": {"format": "own %(process)d %(message)s"}},'
        ' "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},'
        ' "loggers": {"uvicorn": {"handlers": ["own"], "level": "INFO"}}}'
    )
    try:
        with serve(
            "made:app",
            *("--workers", "2", "--log-config", str(config)),
            stdin=reading,
            ready=False,
            **options,
        ) as server:
            wait_started(server, 2)
            for pid in workers(server):
                server.wait_for_log(rf"^own {pid} Started server process \[{pid}\]$")
            assert server.stdout.search("app: b'first")
            assert server.stop() == 0
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("python_name", ["run", "supervisor"])
def test_from_python(python_name: str, tmp_path: Path) -> None:
    calls = {
        "run": "fastserve.run('_apps:pid', port=0, workers=2)",
        "supervisor": "config = fastserve.Config('_apps:pid', port=0, workers=2)\n"
        "    from fastserve.supervisors import Multiprocess\n"
        "    Multiprocess(config, sockets=[config.bind_socket()]).run()",
    }
    script = tmp_path / "script.py"
    script.write_text(
        "import fastserve\n"
        f"if __name__ == '__main__':\n    {calls[python_name]}\n    print('after')\n"
    )
    env = {"PYTHONPATH": str(HERE)}
    with serve("", "--port", command=(str(script),), env=env) as server:
        assert len(wait_answering(server, 2)) == 2
        assert server.stop() == 0
        assert server.stdout.lines[-1] == "after"


# -- workers that cannot start --------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "exited with code 3"),  # there is no `app` in it
        (f"app = 5\n{UNREADY}", "exited with code 1"),
        ("app = startup_fails", "exited with code 3"),
        ("os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
        ("os._exit(0)", "exited with code 0"),
    ],
    ids=["no app", "no import", "no startup", "killed", "exit 0"],
)
def test_a_first_worker_that_cannot_start_ends_the_parent(
    source: str, reason: str, tmp_path: Path
) -> None:
    options = module(tmp_path, source)
    server = run_to_end("made:app", "--port", "0", "--workers", "2", **options)
    assert server.process.returncode == 3
    line, why = [
        (first, second)
        for first, second in zip(
            parent_lines(server), parent_lines(server)[1:], strict=False
        )
        if "failed to start" in first
    ][0]
    assert line == (
        "ERROR:    Child process [N] failed to start, stopping the parent process."
    )
    assert why.startswith(f"ERROR:    Child process [N] {reason}")
    assert parent_lines(server)[-1] == "INFO:     Stopping parent process [PID]"


def test_the_reason_is_on_the_screen(tmp_path: Path) -> None:
    options = module(tmp_path, UNREADY)
    server = run_to_end("made:app", "--port", "0", "--workers", "2", **options)
    assert "RuntimeError: not today" in server.stderr.text


# -- workers that end -----------------------------------------------------------------


def end_worker(server: ServerProcess, how: str) -> int:
    """End one worker in that way; its process id."""
    pid = workers(server)[0]
    os.kill(pid, getattr(signal, how))
    return pid


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("SIGKILL", r"was killed by SIGKILL \(out of memory\?\)\."),
        ("SIGSEGV", r"was killed by SIGSEGV\."),
        ("SIGTERM", r"was killed by SIGTERM\."),
    ],
)
def test_a_dead_worker_is_replaced_and_its_end_named(how: str, reason: str) -> None:
    with serve_workers("_apps:pid") as server:
        before = set(workers(server))
        pid = end_worker(server, how)
        server.wait_for_log(rf"^INFO:     Child process \[{pid}\] died$")
        server.wait_for_log(rf"^WARNING:  Child process \[{pid}\] {reason}$")
        wait_started(server, 3)
        after = set(workers(server))
        assert len(after) == 2
        assert len(after & before) == 1
        wait_answering(server, 2)
        assert server.stop() == 0


def test_an_exit_code_is_named() -> None:
    with serve_workers("_apps:exits") as server:
        with pytest.raises((ConnectionError, OSError)):
            server.get("/?7")
        server.wait_for_log(r"^WARNING:  Child process \[\d+\] exited with code 7\.$")
        wait_started(server, 3)


def test_exit_code_3_of_a_later_worker_stops_the_parent() -> None:
    with serve_workers("_apps:exits") as server:
        with pytest.raises((ConnectionError, OSError)):
            server.get("/?3")
        server.wait_for_log("failed to start, stopping the parent process")
        assert server.wait() == 3


def test_a_crash_loop_does_not_spin() -> None:
    with serve_workers("_apps:ends_itself") as server:
        server.wait_for_log(r"exited with code 9\.$")  # the next one comes at once
        server.wait_for_log(r"code 9\. Another one is started after 1 s\.$")
        server.wait_for_log(r"code 9\. Another one is started after 2 s\.$")
        server.wait_for_log(r"code 9\. Another one is started after 4 s\.$")
        began = server.stderr.text.count("Started server process")
        assert began <= 9
        time.sleep(1.5)
        assert server.stderr.text.count("Started server process") <= began + 1
        assert server.stop() == 0


def test_a_start_that_the_system_refuses_is_tried_again() -> None:
    with serve_workers("_apps:pid") as server:
        parent = psutil.Process(server.pid)
        limit = parent.rlimit(psutil.RLIMIT_NOFILE)
        parent.rlimit(psutil.RLIMIT_NOFILE, (parent.num_fds() - 2, limit[1]))
        end_worker(server, "SIGKILL")
        server.wait_for_log("^ERROR:    Another worker cannot be started: .*open files")
        server.send_signal(signal.SIGTTIN)
        server.wait_for_log("Received SIGTTIN")
        assert server.get("/").status == 200  # by the one that is left
        parent.rlimit(psutil.RLIMIT_NOFILE, limit)
        wait_started(server, 3)
        assert len(workers(server)) == 2
        assert server.stop() == 0


def test_max_requests_end_workers_and_lose_no_request() -> None:
    limit = ("--limit-max-requests", "150", "--no-access-log")
    with serve_workers("_apps:pid", *limit) as server, load(server) as result:
        server.wait_for_log(r"^INFO:     Child process \[\d+\] exited with code 0\.$")
        wait_started(server, 6)
    assert result.errors == []
    assert result.answers > 4 * 150
    assert "Another one is started after" not in server.stderr.text


# -- health ---------------------------------------------------------------------------

QUICK = ("--timeout-worker-healthcheck", "1")


def test_a_silent_worker_is_killed_and_replaced() -> None:
    with serve_workers("_apps:pid", *QUICK) as server:
        pid = end_worker(server, "SIGSTOP")
        server.wait_for_log(rf"Child process \[{pid}\] died")
        server.wait_for_log(
            rf"^WARNING:  Child process \[{pid}\] was killed by its parent: "
            r"it has not answered for 1 seconds\.$"
        )
        wait_started(server, 3)
        assert server.stop() == 0


def test_a_stuck_event_loop_is_logged_with_its_stack_and_left_alone(
    loop_name: str,
) -> None:
    with serve_workers("_apps:blocks", *QUICK, "--loop", loop_name) as server:
        before = workers(server)
        assert server.get("/?3").text == "blocked"
        server.wait_for_log(r"^ERROR:    The event loop of process \[\d+\] has not run")
        server.wait_for_log(r", in blocks$")
        server.wait_for_log("time.sleep")
        server.wait_for_log(r"^WARNING:  The event loop of process .* runs again")
        assert workers(server) == before
        assert server.stop() == 0


def test_a_stuck_worker_is_killed_where_that_is_asked_for() -> None:
    with serve_workers("_apps:blocks", "--timeout-worker-stuck", "1.5") as server:
        client = server.connect()
        client.sendall(b"GET /?60 HTTP/1.1\r\nHost: h\r\n\r\n")
        server.wait_for_log("time.sleep")  # said before it is killed
        server.wait_for_log(r"died$")
        server.wait_for_log(
            "was killed by its parent: its event loop has not run for 1.5 seconds"
        )
        wait_started(server, 3)
        assert server.stop() == 0


def test_a_long_import_is_no_fault(tmp_path: Path) -> None:
    # A PyDLL's functions keep every thread of the process from running.
    source = "import ctypes\nctypes.PyDLL(None).sleep(3)\napp = pid"
    options = module(tmp_path, source)
    with serve_workers("made:app", *QUICK, **options) as server:
        wait_answering(server, 2)
        assert "died" not in server.stderr.text


# -- orphans --------------------------------------------------------------------------


@pytest.mark.parametrize("app", ["_apps:pid", "_apps:slow_startup"])
def test_workers_end_when_their_parent_is_killed(app: str) -> None:
    with serve_workers(app) as server:
        children = workers(server)
        server.process.kill()
        assert server.process.wait(TIMEOUT) == -signal.SIGKILL
        wait_gone(children)
        assert server.stderr.search(rf"The parent process \[{server.pid}\] is gone")
        assert server.stderr.search("Finished server process")
        with socket.socket() as probe:  # nobody listens there any more
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((server.host, server.port))


# -- signals --------------------------------------------------------------------------


def test_ttin_and_ttou_change_the_number_of_workers() -> None:
    with serve_workers("_apps:pid") as server:
        server.send_signal(signal.SIGTTIN)
        server.wait_for_log("Received SIGTTIN, increasing the number of processes.")
        wait_started(server, 3)
        assert len(workers(server)) == 3
        for left in (2, 1):
            server.send_signal(signal.SIGTTOU)
            server.wait_for_log("Received SIGTTOU, decreasing number of processes.")
            wait_until(lambda: len(workers(server)) == left)  # noqa: B023
        server.send_signal(signal.SIGTTOU)
        server.wait_for_log(
            "Already reached one process, "
            "cannot decrease the number of processes anymore."
        )
        assert server.get("/").status == 200
        assert server.stop() == 0
        assert " died" not in server.stderr.text


def test_other_signals_are_caught_and_do_nothing() -> None:
    with serve_workers("_apps:pid", "--log-level", "debug") as server:
        before = workers(server)
        for name in ("QUIT", "USR1", "USR2", "WINCH"):
            server.send_signal(getattr(signal, f"SIG{name}"))
            server.wait_for_log(rf"^DEBUG:    Received SIG{name}, which has no meaning")
        assert workers(server) == before
        assert server.stop() == 0


def test_the_parent_is_idle_while_its_workers_are() -> None:
    with serve_workers("_apps:pid") as server:
        time.sleep(1)
        process = psutil.Process(server.pid)
        before = sum(process.cpu_times()[:2])
        time.sleep(3)
        assert sum(process.cpu_times()[:2]) - before < 0.3


def test_workers_are_ignored_with_reload() -> None:
    with serve("_apps:pid", "--workers", "2", "--reload") as server:
        server.wait_for_log('^WARNING:  "workers" flag is ignored when reloading')
        wait_started(server, 1)
        assert len(workers(server)) == 1


def test_an_application_object_is_refused() -> None:
    code = "import fastserve, _apps; fastserve.run(_apps.pid, port=0, workers=2)"
    ended = run_to_end(command=("-c", code))
    assert ended.process.returncode == 3
    assert "You must pass the application as an import string" in ended.stderr.text

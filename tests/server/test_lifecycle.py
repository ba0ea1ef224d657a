"""From start to end: the lines of the log in their order, the lifespan, the codes."""

from __future__ import annotations

import errno
import signal
import socket
from pathlib import Path

import pytest
from _lines import (
    COMPLETE,
    FINISHED,
    RUNNING,
    SHUTTING_DOWN,
    STARTED,
    STARTED_OFF,
    STARTED_WITHOUT,
    STARTING,
    STOPPED,
    STOPPED_WITHOUT,
    STOPPING,
    UNSUPPORTED,
    WAITING,
)
from _process import free_port, run_to_end, serve

EXITING = ["ERROR:    Application startup failed. Exiting."]


def test_lifespan_application(loop_name: str) -> None:
    with serve("_apps:lifespan", "--loop", loop_name) as server:
        assert server.log_lines() == STARTED
        server.get()
        assert server.stop(signal.SIGINT) == 0
        assert server.log_lines() == STARTED + STOPPED
        assert server.stdout.lines[0] == "app: startup"
        assert server.stdout.lines[-1] == "app: shutdown"


def test_state_is_a_copy_for_each_request(loop_name: str) -> None:
    with serve("_apps:lifespan", "--loop", loop_name) as server:
        for _ in range(2):
            assert server.get().text == "{'made by': 'startup', 'seen': 1}"


def test_sigterm_ends_the_process_by_that_signal(loop_name: str) -> None:
    with serve("_apps:lifespan", "--loop", loop_name) as server:
        assert server.stop(signal.SIGTERM) == -signal.SIGTERM
        assert server.log_lines() == STARTED + STOPPED


# -- lifespan auto, on, off -----------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "app", "started", "stopped"),
    [
        ("auto", "hello", STARTED_WITHOUT, STOPPED_WITHOUT),
        ("auto", "lifespan", STARTED, STOPPED),
        ("auto", "silent_lifespan", STARTED, STOPPED),
        ("auto", "startup_raises", STARTED_WITHOUT, STOPPED_WITHOUT),
        ("auto", "disorderly_lifespan", STARTED_WITHOUT, STOPPED_WITHOUT),
        ("on", "lifespan", STARTED, STOPPED),
        ("on", "silent_lifespan", STARTED, STOPPED),
        ("off", "hello", STARTED_OFF, STOPPED_WITHOUT),
        ("off", "lifespan", STARTED_OFF, STOPPED_WITHOUT),
        ("off", "startup_fails", STARTED_OFF, STOPPED_WITHOUT),
    ],
)
def test_lifespan_modes(
    mode: str, app: str, started: list[str], stopped: list[str]
) -> None:
    with serve(f"_apps:{app}", "--lifespan", mode) as server:
        assert server.log_lines() == started
        assert server.stop(signal.SIGINT) == 0
        assert server.log_lines() == started + stopped


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_startup_failed(mode: str) -> None:
    ended = run_to_end("_apps:startup_fails", "--port", "0", "--lifespan", mode)
    assert ended.process.returncode == 3
    reason = ["ERROR:    no luck at startup"]
    assert ended.log_lines() == STARTING + WAITING + reason + EXITING


@pytest.mark.parametrize(
    ("app", "last"),
    [
        ("startup_raises", "RuntimeError: startup broke"),
        ("hello", "RuntimeError: only HTTP"),
        (
            "disorderly_lifespan",
            "AssertionError: Got invalid state transition on lifespan protocol.",
        ),
    ],
)
def test_lifespan_on_and_the_application_raises(app: str, last: str) -> None:
    ended = run_to_end(f"_apps:{app}", "--port", "0", "--lifespan", "on")
    assert ended.process.returncode == 3
    lines = ended.log_lines()
    assert lines[:3] == [
        *STARTING,
        *WAITING,
        "ERROR:    Exception in 'lifespan' protocol",
    ]
    assert lines[3] == "Traceback (most recent call last):"
    assert lines[-2:] == [last, *EXITING]


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_shutdown_failed(mode: str) -> None:
    with serve("_apps:shutdown_fails", "--lifespan", mode) as server:
        assert server.stop(signal.SIGINT) == 0
        assert server.log_lines()[len(STARTED) :] == [
            *SHUTTING_DOWN,
            "INFO:     Waiting for application shutdown.",
            "ERROR:    no luck at shutdown",
            "ERROR:    Application shutdown failed. Exiting.",
            *FINISHED,
        ]


def test_signal_during_startup_still_shuts_the_application_down() -> None:
    with serve("_apps:slow_startup", ready=False) as server:
        server.stdout.search("app: startup")
        assert server.stop(signal.SIGINT) == 0
        server.wait_ready()
        assert server.log_lines() == STARTED + STOPPED


# -- what keeps a server from starting ------------------------------------------------


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ("no_such:app", 'Could not import module "no_such".'),
        ("_apps:no_such", 'Attribute "no_such" not found in module "_apps".'),
        ("_apps", 'Import string "_apps" must be in format "<module>:<attribute>".'),
    ],
)
def test_application_that_is_not_there(app: str, words: str) -> None:
    ended = run_to_end(app, "--port", "0")
    assert ended.process.returncode == 3
    assert ended.log_lines() == [f"ERROR:    Error loading ASGI app. {words}"]


def test_what_is_no_application() -> None:
    ended = run_to_end("_apps:not_callable", "--port", "0")
    assert ended.process.returncode == 3
    [line] = ended.log_lines()
    assert line.startswith("ERROR:    Error loading ASGI app. '_apps:not_callable'")


def test_other_faults_at_import_are_tracebacks(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    ended = run_to_end("broken:app", "--port", "0", "--app-dir", str(tmp_path))
    assert ended.process.returncode == 1
    lines = ended.log_lines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "ModuleNotFoundError: No module named 'no_such_module'"


def test_factory_that_takes_arguments() -> None:
    ended = run_to_end("_apps:make_none", "--factory", "--port", "0")
    assert ended.process.returncode == 3
    [line] = ended.log_lines()
    assert line.startswith("ERROR:    Error loading ASGI app factory: make_none()")


def test_port_in_use(loop_name: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        args = ["--port", str(port), "--loop", loop_name]
        ended = run_to_end("_apps:lifespan", *args)
    assert ended.process.returncode == 3
    *before, reason, holder, stopping, stopped = ended.log_lines()
    assert before == STARTING + WAITING + COMPLETE
    assert holder.startswith(f"ERROR:    Port {port} is held by process ")
    # asyncio's own words; some versions say the number once more before the reason.
    begun = f"[Errno {errno.EADDRINUSE}] error while attempting to bind on address"
    assert reason.startswith(f"ERROR:    {begun} ('127.0.0.1', {port}): ")
    assert reason.endswith("address already in use")
    assert [stopping, stopped] == STOPPING


def test_custom_loop_that_is_not_there() -> None:
    ended = run_to_end("_apps:hello", "--port", "0", "--loop", "no_such:loop")
    assert ended.process.returncode == 3
    assert ended.log_lines() == [
        "ERROR:    Error loading custom loop setup function. "
        'Could not import module "no_such".'
    ]


@pytest.mark.parametrize("args", [[], ["_apps:hello", "--no-such-option"]])
def test_usage_error(args: list[str]) -> None:
    ended = run_to_end(*args)
    assert ended.process.returncode == 2
    assert ended.stderr.lines[0] == "Usage: python -m fastserve [OPTIONS] APP"
    assert ended.stderr.lines[-1].startswith("Error: ")


# -- other ends, other starts ---------------------------------------------------------


def test_limit_max_requests(loop_name: str) -> None:
    args = ["--limit-max-requests", "3", "--loop", loop_name]
    with serve("_apps:hello", *args) as server:
        for _ in range(3):
            assert server.get().status == 200
        assert server.wait() == 0
        limit = "Maximum request limit of 3 exceeded. Terminating process."
        expected = [*STARTED_WITHOUT, f"INFO:     {limit}", *STOPPED_WITHOUT]
        assert server.log_lines() == expected


def test_factory(loop_name: str) -> None:
    with serve("_apps:make_app", "--factory", "--loop", loop_name) as server:
        assert server.get().text == "hello"
        assert server.log_lines() == STARTED_WITHOUT


def test_factory_without_the_flag() -> None:
    with serve("_apps:make_app") as server:
        assert server.get().text == "hello"
        assert server.log_lines() == [
            "WARNING:  ASGI app factory detected. Using it, but please consider "
            "setting the --factory flag explicitly.",
            *STARTED_WITHOUT,
        ]


def test_awaitable_application() -> None:
    args = ["--interface", "asgi3", "--lifespan", "off"]
    with serve("_apps:sync_app", *args) as server:
        assert server.get().text == "hello"


@pytest.mark.parametrize("loop", ["none", "asyncio:SelectorEventLoop"])
def test_other_loops(loop: str) -> None:
    with serve("_apps:hello", "--loop", loop) as server:
        assert server.get().text == "hello"
        assert server.stop(signal.SIGINT) == 0


def test_application_module_may_run_a_loop_of_its_own(tmp_path: Path) -> None:
    code = "import asyncio\nasyncio.run(asyncio.sleep(0))\nfrom _apps import hello\n"
    (tmp_path / "runs_a_loop.py").write_text(code)
    with serve("runs_a_loop:hello", env={"PYTHONPATH": str(tmp_path)}) as server:
        assert server.get().text == "hello"


def test_a_port_that_is_told_is_used() -> None:
    port = free_port()
    with serve("_apps:hello", "--port", str(port)) as server:
        assert server.port == port
        assert server.get().text == "hello"


def test_debug_mode_of_asyncio_works(loop_name: str) -> None:
    env = {"PYTHONASYNCIODEBUG": "1"}
    with serve("_apps:loop_debug", "--loop", loop_name, env=env) as server:
        assert server.get().text == "True"
        assert server.stop(signal.SIGINT) == 0
        assert server.log_lines() == STARTED_WITHOUT + STOPPED_WITHOUT


def test_order_of_lines_with_everything_off() -> None:
    args = ["--lifespan", "off", "--no-access-log"]
    with serve("_apps:hello", *args) as server:
        server.get()
        assert server.stop(signal.SIGINT) == 0
        assert server.log_lines() == [*STARTING, *RUNNING, *STOPPED_WITHOUT]
        assert server.stdout.lines == []
    assert UNSUPPORTED[0] not in server.log_lines()

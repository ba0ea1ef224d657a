"""The supervisors' parts, without processes: the pipe, the heartbeat, the filters."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastserve import Config, Server, loop_watch
from fastserve._subprocess import describe_exit, subprocess_started
from fastserve.loop_watch import AwakeTime, LoopWatch, watched
from fastserve.supervisors import (
    ChangeReload,
    Multiprocess,
    multiprocess,
    process,
)
from fastserve.supervisors._bell import Bell
from fastserve.supervisors.basereload import BaseReload, _display_path
from fastserve.supervisors.process import Process
from fastserve.supervisors.statreload import StatReload
from fastserve.supervisors.watchfilesreload import FileFilter, WatchFilesReload


def config(**settings: Any) -> Config:
    return Config("module:app", log_config=None, **settings)


@pytest.fixture
def signals_restored() -> Iterator[None]:
    """The handlers that a supervisor takes are put back after the test."""
    taken = {*multiprocess.SIGNALS, signal.SIGINT, signal.SIGTERM}
    before = {sig: signal.getsignal(sig) for sig in taken}
    yield
    for sig, handler in before.items():
        signal.signal(sig, handler)


def test_the_class_for_changes_is_that_of_watchfiles() -> None:
    assert ChangeReload is WatchFilesReload


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "exited with code 0"),
        (3, "exited with code 3"),
        (-9, "was killed by SIGKILL (out of memory?)"),
        (-15, "was killed by SIGTERM"),
        (-40, "was killed by signal 40"),
    ],
)
def test_ends_in_words(code: int, text: str) -> None:
    assert describe_exit(code) == text


# -- the pipe between a worker and its parent -----------------------------------------


@pytest.fixture
def worker() -> Iterator[Process]:
    """Both ends in this process; a thread answers."""
    made = Process(config(), [])
    threading.Thread(target=made.always_pong, daemon=True).start()
    yield made
    made.parent_conn.close()


def test_a_worker_answers(worker: Process) -> None:
    assert worker.ping()
    assert not worker.is_ready()
    worker.server.started = True
    assert worker.ping()
    assert worker.is_ready()
    assert worker.was_ready


def test_a_worker_that_does_not_answer() -> None:
    silent = Process(config(), [])
    assert not silent.ping(0.05)
    assert not silent.is_ready(0.05)
    assert not silent.is_alive(0.05)
    assert not silent.wait_until_ready(0.05)
    silent.close()
    assert not silent.ping(0.05)


def test_an_answer_that_is_no_answer_is_none() -> None:
    made = Process(config(), [])
    made.child_conn.send_bytes(b"not a pickle")
    assert not made.ping(0.05)
    made.close()


def test_silence_is_counted_without_waiting(worker: Process) -> None:
    assert worker.silent_for() < 4
    worker.ping()
    assert worker.silent_for() < 4


class Clock:
    """In the place of the module `time`, where silence is measured."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(loop_watch, "time", made)
    return made


def test_silence_of_a_worker_that_says_nothing(clock: Clock) -> None:
    silent = Process(config(), [])
    assert silent.silent_for() == 0
    for second in range(1, 6):
        clock.now += 1
        assert silent.silent_for() == second
    assert silent._fault() is None  # it has not started yet
    silent.was_ready = True
    clock.now += 1
    assert silent._fault() == "it has not answered for 5 seconds"
    silent.close()


def test_a_late_start_has_a_grace_of_its_own(clock: Clock) -> None:
    silent = Process(config(), [])
    for second in range(63):
        assert (silent._fault() is None) == (second <= process.STARTUP_GRACE)
        clock.now += 1
    silent.close()


def test_a_stuck_worker_is_a_fault_only_where_asked_for() -> None:
    for limit, fault in ((None, None), (2.5, "its event loop has not run for 2.5 s")):
        made = Process(config(timeout_worker_stuck=limit), [])
        made.stuck_for = 3.0
        assert (made._fault() or "None").startswith(str(fault))
        made.close()


def test_a_worker_that_does_not_end_is_a_fault_only_with_a_limit(clock: Clock) -> None:
    for limit, fault in ((None, None), (2, "it has not ended for 32 seconds")):
        made = Process(config(timeout_graceful_shutdown=limit), [])
        made.was_ready = True
        made.silent_for = lambda: 0.0
        for told in (False, True):
            if told:
                made.terminate()
            for _ in range(32):
                clock.now += 1
                assert made._fault() is None
        clock.now += 1
        assert made._fault() == fault
        made.close()


def test_only_the_parent_has_the_parents_end() -> None:
    """Or a worker would not see that its parent has gone."""
    made = Process(config(), [])
    state = made.__getstate__()
    assert "parent_conn" not in state
    assert "process" not in state
    assert "child_conn" in state
    made.close()


def test_what_a_subclass_adds_goes_along() -> None:
    class Own(Process):
        own = ""

    made = Own(config(), [])
    made.own = "kept"
    state = made.__getstate__()
    copy = Own.__new__(Own)
    copy.__setstate__(state)
    assert copy.own == "kept"
    assert isinstance(copy.server, Server)
    made.close()


def test_a_config_and_its_server_can_be_pickled() -> None:
    given = config(port=1234, headers=[("a", "b")], workers=2)
    copy = pickle.loads(pickle.dumps(given))
    assert (copy.port, copy.headers, copy.app) == (1234, [("a", "b")], "module:app")
    run = pickle.loads(pickle.dumps(Server(given).run))
    assert run.__self__.config.port == 1234


def test_a_child_swallows_the_sigint_that_ended_it() -> None:
    def target(sockets: object) -> None:
        assert sockets == []
        raise KeyboardInterrupt

    subprocess_started(config(), target, [], None)


# -- the heartbeat --------------------------------------------------------------------


def test_times_without_a_look_hardly_count(clock: Clock) -> None:
    awake = AwakeTime()
    for _ in range(4):
        clock.now += 0.5
        awake.look()
    assert awake.seconds == 2.0
    clock.now += 3600  # the process was stopped
    assert awake.look() == 4.0


def test_a_loop_that_turns_is_not_late(caplog: pytest.LogCaptureFixture) -> None:
    watch = LoopWatch(0.2)

    async def main() -> None:
        for _ in range(10):
            late = await asyncio.to_thread(watch.look, asyncio.get_running_loop())
            assert late < 0.2
            await asyncio.sleep(0.01)

    asyncio.run(main())
    assert caplog.records == []


def test_a_loop_that_is_held_up_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "uvicorn.error")
    watch = LoopWatch(0.2)
    latest: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def look() -> None:
            for _ in range(8):
                latest.append(watch.look(loop))
                time.sleep(0.05)

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()  # the loop waits in a callback
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert max(latest) > 0.2
    held_up, runs_again = [record.getMessage() for record in caplog.records]
    assert held_up.startswith(f"The event loop of process [{os.getpid()}] has not run")
    assert "thread.join()" in held_up
    assert runs_again.startswith(
        f"The event loop of process [{os.getpid()}] runs again"
    )


@pytest.mark.parametrize(("patience", "threads"), [(None, 0), (60.0, 1)])
def test_there_is_a_thread_only_where_somebody_watches(
    patience: float | None, threads: int
) -> None:
    async def main() -> int:
        with watched(patience):
            return [thread.name for thread in threading.enumerate()].count("loop-watch")

    assert asyncio.run(main()) == threads


class BusyLoop:
    """A loop that runs what it was given only when the test says so."""

    def __init__(self) -> None:
        self.call_soon_threadsafe = lambda beat: setattr(self, "beat", beat)


def test_a_loop_that_is_held_up_again_and_again_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    watch, loop = LoopWatch(1.0), BusyLoop()
    for _ in range(8):  # of 3 s each
        for _ in range(3):
            watch.look(loop)
            clock.now += 1
        loop.beat()
    stacks = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    ends = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(stacks) == len(ends) == 3
    assert ["times more" in text for text in stacks] == [False, True, True]
    assert "It was so 2 times more since the last such line." in stacks[1]


def test_a_worker_with_a_watch_of_its_own_is_not_watched_twice() -> None:
    for settings, patience in (
        ({}, 5),
        ({"timeout_worker_stuck": 2}, 2),
        ({"warn_blocked_loop": 1}, float("inf")),
        ({"warn_blocked_loop": 1, "timeout_worker_stuck": 2}, float("inf")),
        ({"warn_blocked_loop": 9, "timeout_worker_stuck": 2}, 2),  # else no stack
    ):
        made = Process(config(**settings), [])
        assert made._watch.patience == patience
        made.close()


def test_a_closed_loop_is_not_late() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    watch = LoopWatch(0.01)
    assert [watch.look(loop) for _ in range(3)] == [0.0, 0.0, 0.0]


# -- waiting --------------------------------------------------------------------------


def test_a_bell_ends_a_wait() -> None:
    bell = Bell()
    threading.Timer(0.1, bell.ring).start()
    began = time.monotonic()
    bell.wait([], 60)
    assert time.monotonic() - began < 30
    bell.wait([], 0.01)  # it was heard: this wait is a whole one
    for _ in range(100_000):  # more than the pipe holds
        bell.ring()
    bell.close()
    bell.ring()


# -- Multiprocess ---------------------------------------------------------------------


def test_signals_go_into_the_queue_in_their_order(signals_restored: None) -> None:
    supervisor = Multiprocess(config(workers=2), [])
    for sig in (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM):
        signal.raise_signal(sig)
    assert supervisor.signal_queue == [signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM]
    assert supervisor.processes == []
    assert not supervisor.should_exit.is_set()


def test_a_subclass_handles_signals_of_its_own(signals_restored: None) -> None:
    class Own(Multiprocess):
        seen = 0

        def handle_usr1(self) -> None:
            self.seen += 1

    supervisor = Own(config(), [])
    supervisor.signal_queue += [signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1]
    supervisor.handle_signals()
    assert supervisor.seen == 2
    assert supervisor.signal_queue == []


# -- reload ---------------------------------------------------------------------------


def reload_config(folder: Path, **settings: Any) -> Config:
    return config(reload=True, reload_delay=0, reload_dirs=str(folder), **settings)


def test_a_strategy_has_to_say_when_to_restart() -> None:
    with pytest.raises(NotImplementedError):
        next(BaseReload(config(), lambda sockets: None, []))


def test_a_reloader_ends_when_it_is_told_to() -> None:
    reloader = BaseReload(config(), lambda sockets: None, [])
    reloader.should_exit.set()
    with pytest.raises(StopIteration):
        reloader.pause()


def test_paths_are_shown_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _display_path(tmp_path / "a" / "b.py") == "'a/b.py'"
    assert _display_path(Path("/elsewhere/b.py")) == "'/elsewhere/b.py'"


@pytest.mark.usefixtures("signals_restored")
@pytest.mark.parametrize("strategy", [StatReload, WatchFilesReload])
def test_a_change_while_the_first_child_starts_is_seen(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    strategy: type[StatReload | WatchFilesReload],
) -> None:
    path = tmp_path / "a.py"
    path.write_text("")
    reloader = strategy(reload_config(tmp_path), lambda sockets: None, [])
    monkeypatch.setattr(reloader, "_start_child", lambda: os.utime(path, (1, 1)))
    reloader.startup()
    changes = itertools.islice(reloader, 100)
    assert next(filter(None, changes), None) == [path]


def test_stat_sees_changed_files_and_no_new_ones(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    reloader = StatReload(reload_config(tmp_path), lambda sockets: None, [])
    reloader.mtimes = reloader._read_mtimes()
    assert reloader.should_restart() is None
    (tmp_path / "b.py").write_text("")
    assert reloader.should_restart() is None
    os.utime(tmp_path / "b.py", (1, 1))
    assert reloader.should_restart() == [tmp_path / "b.py"]
    assert reloader.should_restart() is None
    (tmp_path / "a.py").unlink()
    assert reloader.should_restart() is None


@pytest.mark.parametrize(
    ("settings", "path", "matters"),
    [
        ({}, "main.py", True),
        ({}, "deep/er/main.py", True),
        ({}, "page.html", False),
        ({}, ".main.py", False),
        ({}, "~main.py", False),
        ({"reload_includes": "*.html"}, "page.html", True),
        ({"reload_includes": "*.html"}, "main.py", True),
        ({"reload_includes": ".env"}, ".env", True),
        ({"reload_includes": ".*"}, ".hidden.py", True),
        ({"reload_excludes": "*.py"}, "main.py", False),
        ({"reload_excludes": "skip_*"}, "skip_this.py", False),
        ({"reload_excludes": "skipped"}, "skipped/main.py", False),
        ({"reload_excludes": "skipped"}, "skipped/deep/main.py", False),
        ({"reload_excludes": "skipped"}, "other/main.py", True),
    ],
)
def test_which_changes_matter(
    settings: dict[str, str],
    path: str,
    matters: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "skipped").mkdir()
    monkeypatch.chdir(tmp_path)
    chosen = FileFilter(reload_config(tmp_path, **settings))
    assert chosen(tmp_path / path) is matters

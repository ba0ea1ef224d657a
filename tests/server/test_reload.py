"""--reload: a child that is started anew at a change, and the parent that waits."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from _process import HERE, TIMEOUT, ServerProcess, serve, wait_until
from _workers import wait_gone, wait_listening, wait_started, workers

PAUSE = ("--reload-delay", "0.1")


@pytest.fixture(params=["WatchFiles", "StatReload"])
def reloader(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The name of each way to see changes; `reloading` takes it."""
    return str(request.param)


class Reloading:
    """A server with --reload in a folder with one module, `made.py`."""

    def __init__(self, server: ServerProcess, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.changes = 0

    def write(self, source: str) -> None:
        """Change the module, at once; the time of each change is another one."""
        made = self.folder / "made.new"
        made.write_text(source)
        self.changes += 1
        later = time.time() + self.changes
        os.utime(made, (later, later))
        made.replace(self.folder / "made.py")

    def wait_answer(self, text: str) -> None:
        def answers() -> bool:
            with contextlib.suppress(ConnectionError):
                return self.server.get("/").text == text
            return False

        wait_until(answers)


def answering(text: str) -> str:
    """The source of an application that answers with that text."""
    return (
        "from _apps import *\n"
        "async def app(scope, receive, send):\n"
        "    http_only(scope)\n"
        f"    await answer(send, b{text!r})\n"
    )


BROKEN = "raise RuntimeError('broken')\n"
SLOW = "from _apps import slow as app\n"


@pytest.fixture
def reloading(reloader: str, tmp_path: Path) -> Iterator[Callable[..., Reloading]]:
    """reloading(*args): a server that answers `one`, by the reloader of the test."""
    folder = tmp_path / "watched"
    folder.mkdir()
    path = [str(HERE)]
    if reloader == "StatReload":
        without = tmp_path / "without"
        without.mkdir()
        (without / "watchfiles.py").write_text("raise ImportError('not installed')\n")
        path.insert(0, str(without))
    env = {"PYTHONPATH": os.pathsep.join(path)}
    with contextlib.ExitStack() as stack:

        def start(*args: str, source: str = answering("one")) -> Reloading:
            (folder / "made.py").write_text(source)
            server = stack.enter_context(
                serve("made:app", "--reload", *PAUSE, *args, cwd=folder, env=env)
            )
            server.wait_for_log(rf"Started reloader process \[\d+\] using {reloader}$")
            return Reloading(server, folder)

        yield start


def test_a_change_starts_the_child_anew(
    reloading: Callable[..., Reloading], reloader: str
) -> None:
    site = reloading()
    site.wait_answer("one")
    [before] = workers(site.server)
    site.write(answering("two"))
    site.wait_answer("two")
    assert workers(site.server) != [before]
    site.write(answering("three"))
    site.wait_answer("three")
    assert site.server.stop() == 0
    lines = site.server.log_lines()
    assert lines[0].startswith(
        f"INFO:     Will watch for changes in these directories: ['{site.folder}']"
    )
    assert lines[2] == (f"INFO:     Started reloader process [PID] using {reloader}")
    detected = f"WARNING:  {reloader} detected changes in 'made.py'. Reloading..."
    assert lines.count(detected) == 2
    assert lines[-1] == "INFO:     Stopping reloader process [PID]"
    assert f"Finished server process [{before}]" in site.server.stderr.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_both(
    reloading: Callable[..., Reloading], number: signal.Signals
) -> None:
    site = reloading()
    wait_started(site.server, 1)
    children = workers(site.server)
    assert site.server.stop(number) == 0
    wait_gone(children)


def test_a_change_that_does_not_import_waits_for_the_next(
    reloading: Callable[..., Reloading],
) -> None:
    site = reloading()
    site.wait_answer("one")
    site.write(BROKEN)
    site.server.wait_for_log("RuntimeError: broken")
    site.server.wait_for_log(r"^INFO:     Child process \[\d+\] died$")
    site.server.wait_for_log(
        r"^WARNING:  Child process \[\d+\] exited with code 1\. "
        r"Waiting for the next change of a file\.$"
    )
    answers: list[str] = []
    # Clients wait meanwhile: the socket stays open.
    client = threading.Thread(target=lambda: answers.append(site.server.get("/").text))
    client.start()
    time.sleep(1)
    assert workers(site.server) == []
    assert site.server.process.poll() is None
    assert site.server.stderr.text.count(" died") == 1
    site.write(answering("two"))
    client.join(TIMEOUT)
    assert answers == ["two"]
    assert site.server.stop() == 0


def test_an_application_that_is_broken_from_the_start(
    reloading: Callable[..., Reloading],
) -> None:
    site = reloading(source=BROKEN)
    site.server.wait_for_log("RuntimeError: broken")
    site.server.wait_for_log("exited with code 1")
    site.write(answering("two"))
    site.wait_answer("two")
    assert site.server.stop() == 0


def test_a_child_that_is_killed_is_noticed(
    reloading: Callable[..., Reloading],
) -> None:
    site = reloading()
    wait_started(site.server, 1)
    [child] = workers(site.server)
    os.kill(child, signal.SIGKILL)
    site.server.wait_for_log(rf"^INFO:     Child process \[{child}\] died$")
    site.server.wait_for_log(r"was killed by SIGKILL \(out of memory\?\)\. Waiting for")
    site.write(answering("two"))
    site.wait_answer("two")


def test_the_child_ends_when_the_reloader_is_killed(
    reloading: Callable[..., Reloading],
) -> None:
    site = reloading()
    wait_started(site.server, 1)
    children = workers(site.server)
    site.server.process.kill()
    assert site.server.process.wait(TIMEOUT) == -signal.SIGKILL
    wait_gone(children)


def test_sigint_again_forces_the_end(reloading: Callable[..., Reloading]) -> None:
    site = reloading(source=SLOW)
    wait_started(site.server, 1)
    wait_listening(site.server)
    site.server.begin_slow_request(60)
    site.server.send_signal(signal.SIGINT)
    site.server.wait_for_log("Waiting for connections to close")
    site.server.send_signal(signal.SIGINT)
    assert site.server.wait() == 0


def test_other_files_are_ignored(reloading: Callable[..., Reloading]) -> None:
    site = reloading()
    site.wait_answer("one")
    (site.folder / "notes.txt").write_text("more")
    time.sleep(1)
    assert "Reloading..." not in site.server.stderr.text


def test_another_folder_is_watched(
    reloading: Callable[..., Reloading], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "library.py").write_text("")
    site = reloading("--reload-dir", str(other))
    wait_started(site.server, 1)
    site.write(answering("two"))
    time.sleep(1)
    assert "Reloading..." not in site.server.stderr.text
    (other / "library.py").write_text("more = 1")
    later = time.time() + 5
    os.utime(other / "library.py", (later, later))
    site.server.wait_for_log(rf"detected changes in '{other}/library\.py'\. Reloading")
    wait_started(site.server, 2)


def test_includes_and_excludes(
    reloading: Callable[..., Reloading], reloader: str
) -> None:
    site = reloading("--reload-include", "*.html", "--reload-exclude", "skip_*.py")
    wait_started(site.server, 1)
    if reloader == "StatReload":
        site.server.wait_for_log(
            "^WARNING:  --reload-include and --reload-exclude have no effect unless "
            "watchfiles is installed.$"
        )
        return
    time.sleep(0.5)
    (site.folder / "skip_this.py").write_text("")
    time.sleep(1)
    assert "Reloading..." not in site.server.stderr.text
    (site.folder / "page.html").write_text("<p>")
    site.server.wait_for_log("detected changes in 'page.html'. Reloading...")
    wait_started(site.server, 2)


def test_a_change_while_the_child_ends_is_not_lost(
    reloading: Callable[..., Reloading],
) -> None:
    # The old child takes a second to end; what is written meanwhile counts.
    site = reloading(source=SLOW)
    wait_started(site.server, 1)
    wait_listening(site.server)
    site.server.begin_slow_request(2)
    site.write(answering("two"))
    site.server.wait_for_log("Waiting for connections to close")
    site.write(answering("three"))
    site.wait_answer("three")

"""The commands of docs/, run as a reader runs them, from the first of a page on.

A block with a title is a file that is written. A block `sh` is run, line by line: a
line that starts a server lets it go on until the next one starts, and what is printed
by a block is what the block `text` behind it says. The port 8000 of the pages is
another one here. A block `shell` is not run: it needs what UNRUN says.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _deploy import program
from _pages import PAGES, ROOT, Block, blocks, commands
from _process import environment, free_port, wait_until

from fastserve.options import GROUPS

# A page starts up to nine servers, one after the other.
pytestmark = pytest.mark.timeout(600)

PORT = "8000"
SERVER = re.compile(r"(fastserve|gunicorn|python -m fastserve\S*|python \w+\.py)\b")
AT_ONCE = re.compile(r"--(check-config|help|version)\b")

# What a block `shell` may begin with, and why it is not run here.
UNRUN = {
    "docker": "a container engine; tests/deploy/test_dockerfile.py runs the file",
    "kubectl": "a cluster; test_kubernetes.py runs the manifest's parts",
    "systemctl": "an init system; tests/deploy/test_systemd.py runs the units",
    "cp": "the system's folders",
    "git": "a copy from somewhere else",
    "pip": "a build; `make test` does it",
    "make": "minutes; test_make_targets_exist looks for the target",
    "gdb": "a debugger",
}


class Reader:
    """Somebody who follows a page in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.port = free_port()
        self.server: subprocess.Popen[bytes] | None = None
        tools = folder / "bin"
        for path in (self.folder, tools):
            path.mkdir()
        for name, words in (
            ("python", ""),
            ("fastserve", "-m fastserve"),
            ("gunicorn", "-m gunicorn --no-control-socket"),
        ):
            tool = tools / name
            tool.write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
            tool.chmod(0o755)
        # An answer that is an error fails the command.
        (folder / ".curlrc").write_text("fail\nsilent\nshow-error\nmax-time = 60\n")
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        self.env = environment({"PATH": path, "HOME": str(folder)})

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(self.here(text))

    def here(self, text: str) -> str:
        return text.replace(PORT, str(self.port))

    def run(self, block: Block) -> str:
        """Run a block's commands, and give what they print, with the page's port."""
        printed = ""
        for line in map(self.here, commands(block.text)):
            if SERVER.match(line) and not AT_ONCE.search(line):
                self.start(line)
            else:
                printed += self.run_line(line)
        return printed.replace(str(self.port), PORT)

    def run_line(self, line: str) -> str:
        ran = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, f"{line}\n{ran.stdout}{ran.stderr}{self.log()}"
        return ran.stdout

    def start(self, line: str) -> None:
        self.stop()
        with (self.folder / "server.log").open("wb") as log:
            self.server = subprocess.Popen(
                shlex.split(line),
                executable=shutil.which(line.split()[0], path=self.env["PATH"]),
                cwd=self.folder,
                # For the lines that leave the port to the default.
                env={**self.env, "FASTSERVE_PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self.is_served, timeout=60)

    def is_served(self) -> bool:
        assert self.server is not None and self.server.poll() is None, self.log()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self) -> str:
        path = self.folder / "server.log"
        return path.read_text() if path.exists() else ""

    def stop(self) -> None:
        """End the server as a service manager does; it must end well."""
        if self.server is None:
            return
        server, self.server = self.server, None
        server.terminate()
        try:
            code = server.wait(60)
        finally:
            server.kill()
            server.wait()
        assert code in (0, -signal.SIGTERM), self.log()
        assert "Traceback" not in self.log(), self.log()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    program("curl")
    program("openssl")
    reader = Reader(tmp_path)
    yield reader
    if reader.server is not None:  # the test has failed
        reader.server.kill()
        reader.server.wait()


RUN = [page for page in PAGES if any(block.kind == "sh" for block in blocks(page))]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_commands_of_a_page(page: Path, reader: Reader) -> None:
    printed = None
    for block in blocks(page):
        if block.title is not None:
            # What is a whole file of the repository's is tested where it lies.
            if "/" not in block.title:
                reader.write(block.title, block.text)
        elif block.kind == "sh":
            printed = reader.run(block)
        elif block.kind == "text":
            assert printed == block.text
    reader.stop()


def test_every_page_with_an_application_is_run() -> None:
    assert {page.stem for page in RUN} >= {"index", "install", "deploy", "coming-from"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_not_run_has_a_reason(page: Path) -> None:
    for block in blocks(page):
        if block.kind == "shell":
            assert {line.split()[0] for line in commands(block.text)} <= UNRUN.keys()
        assert block.kind not in ("bash", "console"), "neither run nor looked at"


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set()
    for page in PAGES:
        text = page.read_text("utf-8")
        for words in re.findall(r"(?:^|`)make ([a-z -]+)", text, re.M):
            named |= set(words.split())
    assert {"test", "debug", "profile", "docs"} <= named
    assert named <= targets


def test_options_exist() -> None:
    """What a page writes behind `fastserve`, and in its own columns, is an option."""
    known = run_help()
    named = set()
    for page in PAGES:
        for block in blocks(page):
            if block.kind in ("sh", "shell"):
                for line in commands(block.text):
                    if line.startswith(("fastserve ", "python -m fastserve ")):
                        named |= options_in(line)
        named |= options_in(own_text(page))
    assert len(named) > 20
    assert named <= known | OF_OTHERS


# Options of pip's, of curl's and of other servers, in the text of a page.
OF_OTHERS = {
    *("--preload", "--daemon", "--user", "--pid", "--statsd-host", "--insecure"),
    "--graceful-timeout",
}


def own_text(page: Path) -> str:
    """The text outside of blocks; of the tables that compare, the last column."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    if page.stem != "coming-from":
        return text
    lines = text.splitlines()
    return "\n".join(
        line.split("|")[2] if line.startswith("|") else line for line in lines
    )


def options_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*[a-z0-9]", text))


def test_limits_are_told_with_their_defaults() -> None:
    lines = (ROOT / "docs" / "limits.md").read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    told = {row[1]: row[2] for row in rows if len(row) > 3}
    for option in GROUPS["Limits"]:
        [flag], default = option.opts, option.default
        shown = told[f"`{flag}`"].partition(":")[0]
        if not isinstance(default, int | float):
            assert shown == "none", flag
        elif flag.startswith("--timeout-"):
            assert shown == f"{default:g} s", flag
        elif default >= 1024 and not flag.endswith("-requests"):
            assert shown == f"{default // 1024} KiB", flag
        else:
            assert shown == str(default), flag


def run_help() -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-m", "fastserve", "--help"],
        env=environment({"COLUMNS": "200"}),
        capture_output=True,
        text=True,
        check=True,
    )
    return options_in(ran.stdout)

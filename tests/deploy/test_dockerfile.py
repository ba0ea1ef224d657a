"""The Dockerfile, run without a container engine: each stage in a folder of its own.

A stage's Python is a virtual environment, and the paths that the file makes at the
root lie in the stage's folder; apart from that its commands run as they are written.
What apt-get installs in the image has to be installed here. pip downloads what the
build needs, from wherever it is configured to.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from _deploy import DEPLOY
from _process import environment, free_port, start, wait_until

# Two virtual environments, two downloads and a build with all optimisations.
pytestmark = pytest.mark.timeout(900)

ROOT = DEPLOY.parent
MADE = re.compile(r"(?<![\w./-])/(src|wheels|app)\b")
KNOWN = {
    "FROM",
    "RUN",
    "COPY",
    "ENV",
    "WORKDIR",
    "USER",
    "EXPOSE",
    "CMD",
    "HEALTHCHECK",
}


def instructions() -> list[tuple[str, str]]:
    """Each instruction with what it is given, on one line, comments left out."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.M)
    lines = re.sub(r"\\\n", "", text).splitlines()
    found = [line.split(maxsplit=1) for line in lines if line.strip()]
    return [(word, re.sub(r" +", " ", rest)) for word, rest in found]


@dataclass
class Stage:
    """What a FROM begins."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    told: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        venv.create(self.root / "python", with_pip=True)
        scripts = self.root / "python" / "bin"
        self.env = environment({"PATH": f"{scripts}:{os.environ['PATH']}"})
        # Of the installed package, never of the checkout.
        self.env.pop("PYTHONPATH", None)

    def path(self, text: str) -> str:
        return MADE.sub(lambda match: f"{self.root}{match[0]}", text)

    def run(self, command: str) -> None:
        if command.startswith("apt-get "):
            assert shutil.which("gcc"), "the image's build stage installs gcc"
            return
        ran = subprocess.run(
            ["/bin/sh", "-c", self.path(command)],
            cwd=self.path(self.folder),
            env=self.env,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"

    def copy(self, source: Path, target: str) -> None:
        ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        patterns = [line.removeprefix("**/") for line in ignored if line[:1] != "#"]
        leave_out = shutil.ignore_patterns(*patterns)
        shutil.copytree(source, self.path(target), ignore=leave_out)

    def command(self, port: int) -> list[str]:
        return [
            part.replace("8000", str(port)) for part in json.loads(self.told["CMD"])
        ]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The last stage, built."""
    stages: dict[str, Stage] = {}
    stage = Stage(tmp_path_factory.mktemp("unused"))
    for word, rest in instructions():
        assert word in KNOWN
        match [word, *rest.split()]:
            case ["FROM", _, *name]:
                stage = Stage(tmp_path_factory.mktemp("stage"))
                stages[name[-1] if name else ""] = stage
            case ["RUN", *_]:
                stage.run(rest)
            case ["COPY", option, source, target] if option.startswith("--from="):
                other = stages[option.removeprefix("--from=")]
                stage.copy(Path(other.path(source)), target)
            case ["COPY", source, target]:
                stage.copy(ROOT / source, target)
            case ["ENV", *pairs]:
                stage.env |= dict(pair.split("=", 1) for pair in pairs)
            case ["WORKDIR", folder]:
                stage.folder = folder
        stage.told[word] = rest
    return stage


@pytest.fixture
def port(image: Stage) -> Iterator[int]:
    """Where the image's command serves, until the test has ended."""
    port = free_port()
    server = subprocess.Popen(
        image.command(port), cwd=image.path(image.folder), env=image.env
    )
    try:
        wait_until(lambda: healthy(image, port))
        yield port
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == -signal.SIGTERM
    finally:
        server.kill()
        server.wait()


def healthy(image: Stage, port: int) -> bool:
    check = image.told["HEALTHCHECK"].removeprefix("CMD ").replace("8000", str(port))
    ran = subprocess.run(json.loads(check), env=image.env, capture_output=True)
    return ran.returncode == 0


def test_the_built_image_serves_the_example(image: Stage, port: int) -> None:
    asks = (
        f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}/books'))"
    )
    subprocess.run(["python", "-c", asks], env=image.env, check=True)
    where = "import fastserve; print(fastserve.__file__)"
    ran = subprocess.run(
        ["python", "-P", "-c", where],
        env=image.env,
        check=True,
        capture_output=True,
        text=True,
    )
    assert ran.stdout.startswith(str(image.root))


def test_as_process_1_it_ends_at_sigterm(image: Stage) -> None:
    isolate = ["unshare", "--pid", "--fork", "--kill-child"]
    if shutil.which("unshare") is None or subprocess.run([*isolate, "true"]).returncode:
        pytest.skip("no process may be made process 1 here: that takes root's rights")
    port = free_port()
    env = {"PATH": image.env["PATH"]}
    without = ["env", "-u", "PYTHONPATH"]
    server = start(
        *(*isolate[1:], *without, *image.command(port)),
        command=(),
        python=isolate[0],
        cwd=image.path(image.folder),
        env=env,
    )
    try:
        server.wait_ready()
        assert healthy(image, port)
        [inner] = psutil.Process(server.pid).children()
        inner.send_signal(signal.SIGTERM)
        # The kernel spares process 1 the signal that it raises again for itself.
        assert server.wait() == 0
        assert "Finished server process [1]" in server.stderr.text
    finally:
        server.close()

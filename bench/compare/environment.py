"""The virtual environment that holds the servers under test.

The command makes it, so that a comparison never depends on what the developer has
installed. Index and proxy come from pip's own configuration. fastserve is installed
from the checkout, as a user would, and again whenever its sources have changed.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from .servers import clean_environment

ROOT = Path(__file__).parents[2]
COMMON = ("fastapi",)
SOURCES = ("pyproject.toml", "setup.py", "fastserve", "csrc", "vendor/llhttp")
TEXTS = ("README.md", "LICENSE", "MANIFEST.in")  # a build reads them too
BUILT = ("*.so", "*.pyd", "*.o", "__pycache__")
STAMP = "fastserve.stamp"  # the fingerprint that was installed last

VERSIONS = """
import importlib.metadata, json, platform, sys
found = {d.name.lower(): d.version for d in importlib.metadata.distributions()}
names = sys.argv[1:]
versions = {name: found[name] for name in names if name in found}
print(json.dumps({platform.python_implementation(): platform.python_version()}
                 | versions))
"""
REPORTED = (
    "fastserve-asgi", "uvicorn", "httptools", "websockets", "uvloop", "picows",
    "peregrine-server", "fastapi", "starlette", "pydantic",
)  # fmt: skip


class InstallFailed(Exception):
    """pip did not install a server; the text is the end of pip's output."""


def copy_sources(target):
    """Copy what a fresh clone has to `target`, and llhttp's sources if they are here.

    A build in the checkout itself would meet what other builds left there.
    """
    for name in SOURCES + TEXTS:
        path = ROOT / name
        if path.is_dir():
            ignore = shutil.ignore_patterns(*BUILT)
            shutil.copytree(path, target / name, ignore=ignore)
        elif path.exists():
            shutil.copy(path, target / name)


def fingerprint(directory):
    """A digest of the names and contents of all files below a directory."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(directory)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


class Environment:
    """A virtual environment at `directory`; it is made when it is not there."""

    def __init__(self, directory):
        self.directory = Path(directory).absolute()
        self.bin_dir = self.directory / "bin"
        if not (self.bin_dir / "python").exists():
            venv.create(self.directory, with_pip=True)

    def pip(self, *arguments):
        """Run pip; raises InstallFailed with the end of its output."""
        command = [self.bin_dir / "python", "-m", "pip", *arguments]
        result = subprocess.run(
            command, capture_output=True, text=True, env=clean_environment()
        )
        if result.returncode:
            output = (result.stdout + result.stderr).rstrip()
            raise InstallFailed(output[-2000:])

    def install(self, server, again=False):
        """Install what a server needs, if it is missing, stale or wanted `again`."""
        if server.requirements:
            more = ["--upgrade"] if again else []
            self.pip("install", "-q", *more, *COMMON, *server.requirements)
        else:
            self.install_checkout(again)

    def install_checkout(self, again):
        """Install fastserve unless these very sources are installed already."""
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch)
            copy_sources(copy)
            wanted = fingerprint(copy)
            stamp = self.directory / STAMP
            if not again and stamp.exists() and stamp.read_text() == wanted:
                return
            self.pip("install", "-q", *COMMON, str(copy))
        stamp.write_text(wanted)

    def versions(self):
        """Versions by distribution name, the interpreter's first."""
        output = subprocess.check_output(
            [self.bin_dir / "python", "-c", VERSIONS, *REPORTED], text=True, cwd="/"
        )
        return json.loads(output)


def describe_machine(cores):
    """What the figures depend on besides the servers, as a dict of strings.

    `cores` are the two that are measured on.
    """
    uname = Path("/proc/version").read_text().split()
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else "unknown",
        "cores": str(len(models)) + sharing(*cores),
        "kernel": " ".join(uname[:3:2]),
        "wrk": wrk_version(),
        "command": " ".join(["python -m bench.compare", *sys.argv[1:]]),
    }


def sharing(core, other):
    """A remark where two cores are threads of one: each then slows the other."""
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        siblings = path.read_text().strip()
    except OSError:
        return ""
    numbers = set()
    for part in siblings.split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return f" ({core} and {other} share one physical core)" if other in numbers else ""


def wrk_version():
    """The first line that wrk prints for its version."""
    result = subprocess.run(["wrk", "--version"], capture_output=True, text=True)
    return (result.stdout + result.stderr).split("Copyright")[0].strip()

"""The virtual environment that holds the servers under test, and the command's needs.

The command makes it, so that a comparison never depends on what the developer has
installed. Index and proxy come from pip's own configuration. fastserve is installed
from the checkout with what `standard` adds, as a user would, and again whenever its
sources have changed. rich and matplotlib are for the report: no server imports them.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import venv
from pathlib import Path

from .process import clean_environment
from .servers import Certificate, find_program

ROOT = Path(__file__).parents[2]
COMMON = ("fastapi",)
SOURCES = ("pyproject.toml", "setup.py", "fastserve", "csrc", "vendor/llhttp")
TEXTS = ("README.md", "LICENSE", "MANIFEST.in")  # a build reads them too
BUILT = ("*.so", "*.pyd", "*.o", "__pycache__")
STAMP = "fastserve.stamp"  # the fingerprint that was installed last

TOOLS = ("rich", "matplotlib")  # what the command itself needs

VERSIONS = """
import importlib.metadata, json, platform
found = {d.name.lower(): d.version for d in importlib.metadata.distributions()}
print(json.dumps({platform.python_implementation(): platform.python_version()} | found))
"""
REPORTED = (  # distributions that the figures depend on, servers first
    "fastserve-asgi", "uvicorn", "granian", "hypercorn", "h2corn", "peregrine-server",
    "gunicorn", "gunicorn_h1c", "daphne", "m0serve", "saltare", "socketify",
    "fastpysgi", "uvloop", "isal", "httptools", "h11", "websockets", "picows",
    "fastapi", "starlette", "pydantic",
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
        """Install what a server needs, if it is missing, stale or wanted `again`.

        Raises InstallFailed, also where a program is missing that pip cannot install.
        """
        if server.program:
            if not shutil.which(find_program(server.program)):
                raise InstallFailed(f"{server.program} is not installed")
        elif server.requirements:
            more = ["--upgrade"] if again else []
            self.pip("install", "-q", *more, *COMMON, *server.requirements)
        else:
            self.install_checkout(again)

    def install_tools(self):
        """Install what the command itself needs."""
        self.pip("install", "-q", *TOOLS)

    def install_checkout(self, again):
        """Install fastserve unless these very sources are installed already."""
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch)
            copy_sources(copy)
            wanted = fingerprint(copy)
            stamp = self.directory / STAMP
            if not again and stamp.exists() and stamp.read_text() == wanted:
                return
            self.pip("install", "-q", *COMMON, f"{copy}[standard]")
        stamp.write_text(wanted)

    def versions(self):
        """Versions by distribution name, the interpreter's first."""
        argv = [self.bin_dir / "python", "-c", VERSIONS]
        found = json.loads(subprocess.check_output(argv, text=True, cwd="/"))
        implementation = next(iter(found))
        return {n: found[n] for n in (implementation, *REPORTED) if n in found}


def describe_machine(cores):
    """What the figures depend on besides the servers, as a dict of strings.

    `cores` are the two that are measured on.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
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
        "memory": f"{memory >> 20} MiB",
        "wrk": first_words("wrk", "--version"),
        "nginx": first_words(find_program("nginx"), "-v"),
        "openssl": first_words("openssl", "version"),
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


def first_words(*argv):
    """What a program prints first for its version; "not installed" without it."""
    try:
        result = subprocess.run(argv, capture_output=True, text=True)
    except OSError:
        return "not installed"
    return (result.stdout + result.stderr).split("Copyright")[0].strip()


def make_certificate(directory):
    """A self-signed certificate, ECDSA P-256, in `directory`; with its key, PKCS #8."""
    made = Certificate(str(directory / "cert.pem"), str(directory / "key.pem"))
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2",
            "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-out", made.chain, "-keyout", made.key,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return made

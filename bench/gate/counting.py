"""Runs script.py under callgrind and reads what it has counted.

The counts must not depend on chance: hashes are seeded, addresses are the same in
every run, and the environment holds nothing else.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = "bench/gate/script.py"
TOTALS = re.compile(r"^totals: (\d+)", re.MULTILINE)
MARK = "getloadavg"  # what script.py calls before and after a workload
TOOLS = {"valgrind": "valgrind", "setarch": "util-linux"}


class ScriptFailed(Exception):
    """The script does not run on a tree; the text is the end of its output."""


def missing_tools():
    """The Debian packages of the tools that are not there."""
    return [package for tool, package in TOOLS.items() if not shutil.which(tool)]


def run(argv, tree):
    """Run a command on a tree; returns its standard output."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(tree),
        "PYTHONHASHSEED": "0",
    }
    ran = subprocess.run(argv, capture_output=True, text=True, env=environment)
    if ran.returncode:
        raise ScriptFailed((ran.stdout + ran.stderr)[-2000:].strip())
    return ran.stdout


def python(script):
    """The command line of a script; nothing of its folder is importable."""
    return [sys.executable, "-P", str(script)]


def workloads(script, tree):
    """{workload: requests counted} of a script, once it has run on the tree."""
    run(python(script), tree)
    lines = run([*python(script), "--list"], tree).splitlines()
    pairs = (line.rsplit("\t", 1) for line in lines)
    return {name: int(requests) for name, requests in pairs}


def fixed_addresses():
    """The command that runs another at the same addresses each time.

    Nothing where a container forbids it: counts then differ a little from run to run.
    """
    command = ["setarch", "-R"]
    allowed = subprocess.run([*command, "true"], capture_output=True).returncode == 0
    return command if allowed else []


def count(script, tree):
    """{workload: instructions a request}; raises ScriptFailed."""
    requests = workloads(script, tree)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "counts")
        valgrind = ["valgrind", "--tool=callgrind", f"--dump-before={MARK}"]
        valgrind += [f"--callgrind-out-file={out}"]
        run([*fixed_addresses(), *valgrind, *python(script)], tree)
        dumps = [path.read_text() for path in numbered(out)]
    return per_request(requests, [int(TOTALS.search(text)[1]) for text in dumps])


def numbered(out):
    """callgrind's files OUT.1, OUT.2 and so on: one for each mark, in order."""
    found = out.parent.glob(f"{out.name}.*")
    return sorted(found, key=lambda path: int(path.suffix[1:]))


def per_request(requests, totals):
    """Every second count lies within a workload: from its first mark to its second."""
    if len(totals) != 2 * len(requests):
        raise ScriptFailed(f"{len(totals)} counts of {len(requests)} workloads")
    pairs = zip(requests.items(), totals[1::2], strict=True)
    return {name: total / number for (name, number), total in pairs}

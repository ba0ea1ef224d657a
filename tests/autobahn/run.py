"""The Autobahn testsuite against an echo application on fastserve.

    python tests/autobahn/run.py [--quick | --zlib] [--folder build/autobahn]

wstest runs on Python 2.7 only: its environment is made in the folder once, with the
Python that AUTOBAHN_PYTHON names, or python2.7 of PATH or of pyenv. Prints each case
that is not OK. Exit code 0: every case passes, every close is clean and at most two
are not strict; 1: not so; 2: there is no such Python.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "server"))

from _process import serve  # noqa: E402

ROOT = HERE.parent.parent
AGENT = "fastserve"
# Without 9 (limits), and all but a few of 12 and 13 (deflate in every size), which
# take ten minutes. In .1 messages are short, in .7 they have 16 KiB.
DEFLATE = [f"12.{part}.1" for part in range(1, 6)]
DEFLATE += [f"13.{part}.1" for part in range(1, 8)]
DEFLATE += ["12.3.7", "13.1.7", "13.2.7"]
QUICK = [f"{part}.*" for part in (1, 2, 3, 4, 5, 6, 7, 10)] + DEFLATE
GOOD = {"OK", "INFORMATIONAL"}
MAX_NON_STRICT = 2
# The last of each that run on Python 2.7.
VIRTUALENV, SUITE = "virtualenv<20.22", "autobahntestsuite==25.10.1"


def find_python() -> str | None:
    """A Python 2.7 that runs, or None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    named = [os.environ.get("AUTOBAHN_PYTHON"), shutil.which("python2.7")]
    found = [*filter(None, named), *pyenv.glob("versions/2.7*/bin/python2.7")]
    return next((str(python) for python in found if is_it(str(python))), None)


def is_it(python: str) -> bool:
    """pyenv's own python2.7 on PATH is a script, which may find none."""
    asked = [python, "-c", "import sys; sys.exit(sys.version_info[:2] != (2, 7))"]
    try:
        return subprocess.run(asked, capture_output=True).returncode == 0
    except OSError:
        return False


def install(python: str, folder: Path) -> Path:
    """wstest in an environment of its own in the folder; made once."""
    wstest = folder / "venv" / "bin" / "wstest"
    if wstest.exists():
        return wstest
    tools = folder / "tools"
    pip = [python, "-m", "pip", "install", "-q"]
    subprocess.run([*pip, "--target", str(tools), VIRTUALENV], check=True)
    subprocess.run(
        [python, "-m", "virtualenv", "-q", str(folder / "venv")],
        env={**os.environ, "PYTHONPATH": str(tools)},
        check=True,
    )
    inside = str(folder / "venv" / "bin" / "python")
    subprocess.run([inside, "-m", "pip", "install", "-q", SUITE], check=True)
    return wstest


def run(wstest: Path, url: str, cases: list[str], folder: Path) -> dict[str, Any]:
    """The report: by case, what was found."""
    reports = folder / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    spec = folder / "spec.json"
    spec.write_text(
        json.dumps(
            {
                "outdir": str(reports),
                "servers": [{"agent": AGENT, "url": url}],
                "cases": cases,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
        )
    )
    with (folder / "wstest.log").open("w") as log:
        subprocess.run(
            [str(wstest), "-m", "fuzzingclient", "-s", str(spec)],
            stdout=log,
            stderr=log,
            check=True,
            cwd=folder,
        )
    report: dict[str, Any] = json.loads((reports / "index.json").read_text())[AGENT]
    return report


def judge(report: dict[str, Any]) -> tuple[list[str], bool]:
    """The lines to print, and whether all is well."""
    behaviours = Counter(found["behavior"] for found in report.values())
    unclean = [
        case for case, found in report.items() if found["behaviorClose"] not in GOOD
    ]
    lines = [
        f"{case:9} {found['behavior']:14} close {found['behaviorClose']}"
        for case, found in report.items()
        if found["behavior"] != "OK" or found["behaviorClose"] != "OK"
    ]
    counts = ", ".join(f"{n} {kind}" for kind, n in behaviours.most_common())
    lines.append(f"{len(report)} cases: {counts}; {len(unclean)} closed uncleanly")
    good = behaviours.keys() <= GOOD | {"NON-STRICT"}
    few = behaviours["NON-STRICT"] <= MAX_NON_STRICT
    return lines, bool(report) and good and few and not unclean


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument(
        "--zlib", action="store_true", help="a few of deflate, without isal"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "autobahn")
    given = parser.parse_args()
    python = find_python()
    if python is None:
        print("The Autobahn testsuite needs Python 2.7: name one in AUTOBAHN_PYTHON.")
        return 2
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    wstest = install(python, folder)
    cases = DEFLATE if given.zlib else QUICK if given.quick else ["*"]
    app = "without_isal:app" if given.zlib else "echo:app"
    with serve(app, "--app-dir", str(HERE), "--lifespan", "off") as server:
        url = server.url.replace("http:", "ws:")
        report = run(wstest, url, cases, folder)
    lines, good = judge(report)
    print("\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

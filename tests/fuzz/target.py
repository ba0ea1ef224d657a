"""Runs one fuzz_NAME.py under atheris: target.py NAME FOLDER ARGUMENTS-OF-LIBFUZZER...

run.py starts this, with a build of fastserve that reports its coverage and has the
address sanitizer. The target's seeds are written to FOLDER first. To look at what was
found: target.py NAME FILE, under any Python that has fastserve.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("fuzz", "unit", "")]


def main() -> None:
    name, place, *arguments = sys.argv[1:]
    target = importlib.import_module(f"fuzz_{name}")
    path = Path(place)
    if path.is_file():
        target.check(path.read_bytes())
        return
    import atheris

    path.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (path / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    atheris.Setup([sys.argv[0], *arguments, place], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

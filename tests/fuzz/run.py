"""make fuzz: every target under libFuzzer, with the address and undefined-behaviour
sanitizers, for FUZZ_SECONDS (300) in all. `run.py NAME...` runs some of them alone.

Targets in C are c/fuzz_*.c: csrc, and llhttp as http1 uses it. Those in Python are
fuzz_*.py, which atheris runs against a build of fastserve that clang has made to report
coverage. Inputs that reach something new are kept in build/fuzz/corpus/, so that the
next run goes on from there; a few that reach much are in corpus/ here.

FUZZ_SEED makes a run the same again, as far as time allows: CI repeats a known one.
Ends with 1 if something was found: the input is in build/fuzz/found/, and
`python tests/fuzz/target.py NAME FILE` shows what is wrong with it. Time never makes it
fail. Ends with 2, and says why, where there is no clang.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "fuzz"
PACKAGE = BUILD / "package"

C_TARGETS = sorted(path.stem for path in (HERE / "c").glob("fuzz_*.c"))
PYTHON_TARGETS = sorted(path.stem for path in HERE.glob("fuzz_*.py"))

# A target in Python gets as much time as this many in C, which are smaller and faster.
WEIGHT = 4
MAX_LENGTH = 600  # bytes of an input: it is combinations that matter, not sizes

C_FLAGS = "-std=gnu11 -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all".split()
# Undefined behaviour traps: its runtime is not beside the other one. Cython's own code
# adds nothing to NULL in every constructor, so that is let pass.
EXTENSION_FLAGS = (
    "-g1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined "
    "-fsanitize-trap=undefined -fno-sanitize=function,pointer-overflow"
)


def build_c(name: str) -> list[str]:
    sources = ROOT / ("vendor/llhttp/src" if name == "fuzz_http_parser" else "csrc")
    folders = ["csrc", "tests/c", "vendor/llhttp/include"]
    program = BUILD / name
    command = ["clang", *C_FLAGS, "-fsanitize=fuzzer,address,undefined"]
    command += [f"-I{ROOT / folder}" for folder in folders]
    command += [str(HERE / "c" / f"{name}.c"), *map(str, sources.glob("*.c"))]
    subprocess.run([*command, "-o", str(program)], check=True)
    return [str(program)]


def build_package() -> None:
    """fastserve as setup.py builds it, but by clang and into build/fuzz/package."""
    flags = {"CC": "clang", "LDSHARED": "clang -shared", "CFLAGS": EXTENSION_FLAGS}
    places = ["--build-base", str(BUILD / "base"), "--build-lib", str(PACKAGE)]
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build", *places],
        cwd=ROOT,
        env={**os.environ, **flags},
        check=True,
    )


def in_python(name: str) -> list[str]:
    seeds = BUILD / "seeds" / name
    short = name.removeprefix("fuzz_")
    return [sys.executable, str(HERE / "target.py"), short, str(seeds)]


def environment(name: str) -> dict[str, str]:
    if name in C_TARGETS:
        return dict(os.environ)
    spec = importlib.util.find_spec("atheris")
    assert spec is not None and spec.origin is not None
    preload = Path(spec.origin).parents[1] / "asan_with_fuzzer.so"
    return {
        **os.environ,
        "PYTHONPATH": str(PACKAGE),
        "LD_PRELOAD": str(preload),
        # Python's objects in blocks of their own, so that each end is seen.
        "PYTHONMALLOC": "malloc",
        "PYTHONHASHSEED": "0",
        "ASAN_OPTIONS": "detect_leaks=0",
    }


def run(name: str, command: list[str], seconds: float) -> bool:
    """Whether nothing was found."""
    new, kept = BUILD / "corpus" / name, HERE / "corpus" / name
    found, log = BUILD / "found", BUILD / f"{name}.log"
    for folder in (new, found):
        folder.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={MAX_LENGTH}",
        f"-artifact_prefix={found}/{name}-",
        f"-seed={os.environ.get('FUZZ_SEED', '0')}",  # 0: another one each time
        "-print_final_stats=1",
        # A machine may be slow, and a container without ptrace.
        "-timeout=900",
        "-rss_limit_mb=0",
        "-detect_leaks=0",
    ]
    corpora = [str(folder) for folder in (new, kept) if folder.is_dir()]
    began = time.monotonic()
    with log.open("wb") as output:
        done = subprocess.run(
            [*command, *options, *corpora],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(name),
            check=False,
        )
    text = log.read_text(errors="replace")
    runs = text.rpartition("stat::number_of_executed_units:")[2].split()
    lasted = time.monotonic() - began
    if done.returncode == 0:
        print(f"{name}: {runs[0] if runs else '?'} runs in {lasted:.0f} s", flush=True)
        return True
    print(f"{name}: FOUND something (exit code {done.returncode}), see {log}:")
    print(text[-4000:], flush=True)
    return False


def main() -> int:
    wanted = [f"fuzz_{name}" for name in sys.argv[1:]]
    unknown = set(wanted) - set(C_TARGETS) - set(PYTHON_TARGETS)
    if unknown:
        known = ", ".join(name[5:] for name in [*C_TARGETS, *PYTHON_TARGETS])
        print(f"There is no such target: {', '.join(unknown)}. There are {known}.")
        return 2
    if shutil.which("clang") is None:
        print("Nothing is fuzzed: there is no clang (Debian: clang), and no libFuzzer.")
        return 2
    names = wanted or [*C_TARGETS, *PYTHON_TARGETS]
    if importlib.util.find_spec("atheris") is None:
        print("Only C is fuzzed: there is no atheris for this Python.")
        names = [name for name in names if name in C_TARGETS]
    return fuzz(names)


def fuzz(names: list[str]) -> int:
    """Build these and run them, as many at once as there are processors."""
    BUILD.mkdir(parents=True, exist_ok=True)
    in_c = [name for name in names if name in C_TARGETS]
    weights = {name: 1 if name in in_c else WEIGHT for name in names}
    at_once = os.cpu_count() or 1
    with ThreadPoolExecutor(at_once) as pool:
        building = {name: pool.submit(build_c, name) for name in in_c}
        if len(in_c) < len(names):
            build_package()
        commands = {name: future.result() for name, future in building.items()}
        seconds = float(os.environ.get("FUZZ_SECONDS", "300")) * at_once
        share = seconds / sum(weights.values())
        running = []
        # Long ones first, so that none runs alone at the end.
        for name in sorted(names, key=lambda name: -weights[name]):
            command = commands.get(name) or in_python(name)
            running.append(pool.submit(run, name, command, share * weights[name]))
        clean = [future.result() for future in running]
    return 0 if all(clean) else 1


if __name__ == "__main__":
    sys.exit(main())

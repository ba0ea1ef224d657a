"""Makes the source distribution and wheels on this machine, and tries them out.

    python release/wheels.py [--out DIR] [--debug] PYTHON ...
    python release/wheels.py [--out DIR] --foreign

The source distribution is installed for the first PYTHON with this machine's compiler.
For each PYTHON a wheel is built from it, with zig (zig.py) for an old glibc, repaired
by auditwheel to a manylinux tag, looked into (contents.py), and installed into a new
virtual environment, where smoke.py runs with no compiler on PATH, with uvloop and then
without it. --foreign makes wheels of this Python for platforms that are not this
machine's: those are looked into, not run. For Windows, whose Python has headers of its
own, it compiles csrc/ and no more. wheels.yml makes the wheels of a release; this is
how to know beforehand that they will do.

It writes to DIR alone, `dist` unless told, and to build/wheels. Ends with 0, or with
the code of the first command that failed.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

import contents
import zig

ROOT = Path(__file__).resolve().parent.parent
SMOKE = ROOT / "release" / "smoke.py"
WORK = ROOT / "build" / "wheels"


def run(
    *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Runs it; a failure ends this program with the command's words and code."""
    ran = subprocess.run(
        [str(part) for part in command],
        cwd=cwd or WORK,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ran.returncode:
        sys.stderr.write(ran.stdout)
        print("failed:", *command, file=sys.stderr)
        sys.exit(ran.returncode)


def source_distribution(out: Path) -> tuple[Path, Path]:
    """The one in `out`, made anew, and the folder that it was unpacked to."""
    for old in out.glob("fastserve_asgi-*"):
        old.unlink()
    run(sys.executable, "-m", "build", "--sdist", "-q", "--outdir", out, ROOT)
    [archive] = out.glob("fastserve_asgi-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(WORK, filter="data")
    return archive, WORK / archive.name.removesuffix(".tar.gz")


def build(python: str, source: Path, target: zig.Target, debug: bool) -> Path:
    """A wheel for this machine, made as a user's pip does."""
    clean(source)
    raw = new_folder(WORK / "raw")
    pip = (sys.executable, "-m", "pip", f"--python={python}")
    env = target.environment(ROOT / "build" / "zig", debug)
    run(*pip, "wheel", "-q", "--no-deps", "--wheel-dir", raw, source, env=env)
    [wheel] = raw.glob("*.whl")
    return wheel


def build_foreign(source: Path, target: zig.Target, debug: bool) -> Path:
    """A wheel for another platform, with this Python's headers.

    They serve there too: what they tell of the platform is the size of C's types.
    """
    clean(source)
    raw = new_folder(WORK / "raw")
    version = sysconfig.get_config_var("py_version_nodot")
    env = dict(target.environment(ROOT / "build" / "zig", debug))
    env["SETUPTOOLS_EXT_SUFFIX"] = f".cpython-{version}-{target.suffix}.so"
    make = (sys.executable, "setup.py", "-q", "bdist_wheel")
    run(*make, "--plat-name", target.platform, "--dist-dir", raw, cwd=source, env=env)
    [wheel] = raw.glob("*.whl")
    return wheel


def clean(source: Path) -> None:
    """Takes away objects of the last target, but not Cython's C, which all share."""
    for folder in source.glob("build/*"):
        if not folder.name.startswith("cython"):
            shutil.rmtree(folder)


def new_folder(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def repair(wheel: Path, target: zig.Target, out: Path, debug: bool) -> Path:
    """The wheel under its manylinux or musllinux tag; refused if it is none.

    For macOS there is nothing to repair, for the modules need no library but its own.
    """
    if not target.is_linux:
        return accept(wheel, target, out, debug)
    done = new_folder(WORK / "repaired")
    scripts = sysconfig.get_path("scripts")
    env = {**os.environ, "PATH": os.pathsep.join([scripts, os.environ["PATH"]])}
    # auditwheel takes the tags of this machine by name; others it finds by itself.
    tag = target.tag if target == zig.here() else "auto"
    audit = (sys.executable, "-m", "auditwheel", "repair", "--plat", tag)
    # Zig calls musl by musl's own name, where Alpine has libc.musl-PROCESSOR.so.1. Its
    # loader takes whatever begins with `libc.` for itself.
    run(*audit, "--exclude", "libc.so", "--wheel-dir", done, wheel, env=env)
    [repaired] = done.glob("*.whl")
    return accept(repaired, target, out, debug)


def accept(wheel: Path, target: zig.Target, out: Path, debug: bool) -> Path:
    """Puts a wheel that has what it should into `out`; another ends this program."""
    wrong = list(contents.faults(wheel, debug))
    if target.tag not in wheel.stem.split("-")[-1].split("."):
        wrong.append(f"is not {target.tag}")
    if wrong:
        sys.exit("\n".join(f"error: {wheel.name}: {fault}" for fault in wrong))
    out.mkdir(parents=True, exist_ok=True)
    return Path(shutil.move(wheel, out / wheel.name))


def try_source(python: str, archive: Path) -> None:
    """Installs the source distribution with this machine's compiler; it serves."""
    own, env = fresh_venv(python)
    run(own, "-m", "pip", "install", "-q", archive, env=env)
    subprocess.run([own, "-P", SMOKE], env=env, cwd=WORK, check=True)


def try_out(python: str, wheel: Path) -> None:
    """Installs the wheel where no compiler is found; it serves, on uvloop and without.

    On x86-64 it also serves on a processor of 2003, if QEMU is there to be one.
    """
    own, env = fresh_venv(python)
    env |= {"PATH": str(own.parent), "CC": "no-compiler"}
    run(own, "-m", "pip", "install", "-q", "--only-binary", ":all:", wheel, env=env)
    subprocess.run([own, "-P", SMOKE], env=env, cwd=WORK, check=True)
    run(own, "-m", "pip", "uninstall", "-q", "-y", "uvloop", env=env)
    subprocess.run([own, "-P", SMOKE, "auto"], env=env, cwd=WORK, check=True)
    if platform.machine() == "x86_64" and (qemu := shutil.which("qemu-x86_64")):
        old = ("--under", f"{qemu} -cpu qemu64", "auto")
        subprocess.run([own, "-P", SMOKE, *old], env=env, cwd=WORK, check=True)


def fresh_venv(python: str) -> tuple[Path, dict[str, str]]:
    """Its interpreter, and an environment that leads to nothing but it."""
    venv = WORK / "venv"
    shutil.rmtree(venv, ignore_errors=True)
    run(python, "-m", "venv", venv)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return venv / "bin" / "python", env


def compile_for_windows(source: Path) -> None:
    """csrc/ compiles there without a warning."""
    out = new_folder(WORK / "windows")
    cc = zig.WINDOWS.compiler.split()
    env = zig.WINDOWS.environment(ROOT / "build" / "zig", debug=False)
    for file in sorted((source / "csrc").glob("*.c")):
        flags = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-c", file)
        run(*cc, *flags, "-o", out / f"{file.stem}.obj", env=env)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("dist"))
    parser.add_argument("--debug", action="store_true", help="with FASTSERVE_DEBUG=1")
    parser.add_argument("--foreign", action="store_true")
    parser.add_argument("pythons", nargs="*", metavar="PYTHON")
    options = parser.parse_args()
    out = options.out.absolute()
    new_folder(WORK)
    archive, source = source_distribution(out)
    if options.pythons and not options.debug:
        started = time.monotonic()
        try_source(options.pythons[0], archive)
        tell(archive, started)
    for target in zig.FOREIGN if options.foreign else ():
        started = time.monotonic()
        wheel = build_foreign(source, target, options.debug)
        wheel = repair(wheel, target, out, options.debug)
        tell(wheel, started)
    if options.foreign:
        compile_for_windows(source)
    for python in options.pythons:
        started = time.monotonic()
        wheel = build(python, source, zig.here(), options.debug)
        wheel = repair(wheel, zig.here(), out, options.debug)
        try_out(python, wheel)
        tell(wheel, started)


def tell(made: Path, started: float) -> None:
    seconds = time.monotonic() - started
    print(f"== {made.name}: {made.stat().st_size} bytes, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()

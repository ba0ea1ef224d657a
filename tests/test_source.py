"""What holds for the sources as a whole: who may know whom, stubs, lint.

The layers are those of docs/architecture.md, "Who may know whom". Imports are read
from the text, so that a rule holds for what is written, not for what a run happens
to reach.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastserve

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fastserve"
PROTOCOLS = PACKAGE / "protocols"
CSRC = ROOT / "csrc"

EXTENSIONS = sorted(path.stem for path in PROTOCOLS.glob("*.pyx"))
# Sans-I/O: bytes in, bytes out.
# The asyncio protocols: they alone have a transport.
WRITERS = ("connection", "websocket_connection")
WIRE_PROTOCOLS = [
    name for name in EXTENSIONS if name in ("http1", "http1_writer", "websocket")
]
PYTHON_FILES = sorted(PACKAGE.rglob("*.py"))
CYTHON_FILES = sorted([*PROTOCOLS.glob("*.pyx"), *PROTOCOLS.glob("*.pxd")])
C_FILES = sorted([*CSRC.glob("*.c"), *CSRC.glob("*.h")])

# The C11 headers that need no operating system, memory or file, and the vector
# instructions.
C_HEADERS = {
    "assert.h",
    "errno.h",
    "limits.h",
    "malloc.h",
    "stddef.h",
    "stdint.h",
    "stdlib.h",
    "string.h",
    "sys/socket.h",
    "arm_neon.h",
    "emmintrin.h",
    "immintrin.h",
    "intrin.h",
}

TRACKED_OF_LLHTTP = {"LICENSE", "README.md", "fetch.py", "requirements.txt"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# -- reading imports ------------------------------------------------------------------


def imported_by_cython(path: Path) -> set[str]:
    """Dotted names after import and cimport; `from a import b` gives a and a.b."""
    text = re.sub(r"#.*", "", path.read_text())
    text = re.sub(r"\(([^()]*)\)", lambda m: m[1].replace("\n", " "), text)
    found: set[str] = set()
    for line in text.splitlines():
        if match := re.match(r"\s*from\s+([.\w]+)\s+c?import\s+(.+)", line):
            module = match[1]
            if module.startswith("."):
                module = f"fastserve.protocols{module}".rstrip(".")
            found |= {module, *_names(match[2], f"{module}.")}
        elif match := re.match(r"\s*c?import\s+(.+)", line):
            found |= set(_names(match[1], ""))
    return found


def _names(listed: str, prefix: str) -> Iterator[str]:
    for part in listed.split(","):
        if words := part.split():
            yield prefix + words[0]


def imported_by_python(path: Path) -> set[str]:
    """Dotted names in every import statement, inside functions too."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*parents, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def knows(imports: set[str], module: str) -> bool:
    return any(name == module or name.startswith(f"{module}.") for name in imports)


def imports_of_extension(name: str) -> set[str]:
    files = [PROTOCOLS / f"{name}.pyx", PROTOCOLS / f"{name}.pxd"]
    return set().union(*(imported_by_cython(path) for path in files if path.exists()))


def test_imports_are_read_from_every_form(tmp_path: Path) -> None:
    source = tmp_path / "x.pyx"
    source.write_text(
        "import a.b as c, d\ncimport e\nfrom f cimport (\n    g,  # why\n    h,\n)\n"
        "def f():\n    from . cimport i\n    from .j import k as l\n"
    )
    here = "fastserve.protocols"
    assert imported_by_cython(source) == (
        {"a.b", "d", "e", "f", "f.g", "f.h"}
        | {here, f"{here}.i", f"{here}.j", f"{here}.j.k"}
    )


# -- who may know whom ----------------------------------------------------------------


@pytest.mark.parametrize("path", C_FILES, ids=relative)
def test_csrc_knows_libc_alone(path: Path) -> None:
    text = path.read_text()
    own = {header.name for header in CSRC.glob("*.h")}
    assert set(re.findall(r'#\s*include\s*"([^"]+)"', text)) <= own
    assert set(re.findall(r"#\s*include\s*<([^>]+)>", text)) <= C_HEADERS
    assert not re.search(r"\b(malloc|calloc|realloc|free|strdup|alloca)\s*\(", text)


@pytest.mark.parametrize("path", sorted(CSRC.glob("*.c")), ids=relative)
def test_csrc_has_no_mutable_globals(path: Path, tmp_path: Path) -> None:
    compiler, nm = os.environ.get("CC") or shutil.which("cc"), shutil.which("nm")
    assert compiler and nm, "a C compiler and nm are needed to look at csrc"
    made = tmp_path / "made.o"
    # Without -fPIC, or a table of constant pointers would count as writable.
    flags = ["-std=c11", "-O1", "-fno-pic", "-fno-pie", f"-I{CSRC}", "-c"]
    subprocess.run([*compiler.split(), *flags, path, "-o", made], check=True)
    symbols = subprocess.run(
        [nm, made], capture_output=True, text=True, check=True
    ).stdout
    kinds = [line.split()[-2:] for line in symbols.splitlines()]
    assert [name for kind, name in kinds if kind in "bBdDC"] == []


@pytest.mark.parametrize("path", CYTHON_FILES, ids=relative)
def test_c_is_named_in_one_file_alone(path: Path) -> None:
    if path.name == "_c.pxd":
        return
    own = "|".join(re.escape(header.name) for header in CSRC.glob("*.h"))
    assert not re.search(rf'"([^"]*/)?({own}|llhttp\.h)"', path.read_text())


@pytest.mark.parametrize("name", WIRE_PROTOCOLS)
def test_wire_protocols_know_bytes_alone(name: str) -> None:
    imports = imports_of_extension(name)
    words = {word for module in imports for word in module.split(".")}
    outside = {"asyncio", "uvloop", "socket", "ssl", "logging", "time", "selectors"}
    assert not words & outside
    ours = {module for module in imports if module.startswith("fastserve.protocols.")}
    assert {module.split(".")[2] for module in ours} <= {"_c", name, "fast_deflate"}


def test_the_fast_compressor_knows_bytes_alone() -> None:
    imports = imported_by_python(PROTOCOLS / "fast_deflate.py")
    allowed = {"__future__", "collections", "functools", "isal", "typing"}
    assert {module.split(".")[0] for module in imports} <= allowed


def test_the_handshake_of_a_websocket_knows_bytes_alone() -> None:
    imports = imported_by_python(PROTOCOLS / "websocket_handshake.py")
    allowed = {"__future__", "base64", "collections", "hashlib", "re", "typing"}
    assert {module.split(".")[0] for module in imports} <= allowed


@pytest.mark.parametrize(
    "name", ["exchange", "http_exchange", "websocket_exchange", "deadlines"]
)
def test_exchange_knows_no_protocol(name: str) -> None:
    imports = imports_of_extension(name)
    wire = ["http1", "http1_writer", "http2", "websocket", "websocket_handshake"]
    for protocol in (*wire, *WRITERS, "_c"):
        assert not knows(imports, f"fastserve.protocols.{protocol}")
        assert f"fastserve.protocols.{protocol}" not in imports


def test_the_scope_knows_the_parser_and_what_is_shared() -> None:
    imports = imports_of_extension("scope")
    ours = {module for module in imports if module.startswith("fastserve.protocols.")}
    assert {module.split(".")[2] for module in ours} == {"http1", "shared"}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_only_connections_and_their_output_write(name: str) -> None:
    text = (PROTOCOLS / f"{name}.pyx").read_text()
    writes = re.search(r"transport\.(write|writelines|write_eof|sendfile)\b", text)
    assert bool(writes) == (name in (*WRITERS, "output"))
    knows_output = "fastserve.protocols.output" in imports_of_extension(name)
    assert not knows_output or name in (*WRITERS, "output")


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_nothing_imports_main(path: Path) -> None:
    if path.parent == PACKAGE and path.name in ("__init__.py", "__main__.py"):
        return
    imports = imported_by_python(path)
    assert not knows(imports, "fastserve.main")
    assert not imports & {"fastserve.run", "fastserve.Config", "fastserve.Server"}


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_only_the_worker_knows_gunicorn(path: Path) -> None:
    assert knows(imported_by_python(path), "gunicorn") == (path.name == "workers.py")


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_only_the_command_knows_its_options_and_files(path: Path) -> None:
    of_command = ("options", "settings", "notices", "check_config")
    if path.parent == PACKAGE and path.stem in ("main", *of_command):
        return
    imports = imported_by_python(path)
    assert not any(knows(imports, f"fastserve.{name}") for name in of_command)


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_supervisors_know_no_protocol(path: Path) -> None:
    imports = imported_by_python(path)
    if "supervisors" in path.parts or path.name == "_subprocess.py":
        assert not knows(imports, "fastserve.protocols")
    elif path.name != "main.py":
        assert not knows(imports, "fastserve.supervisors")


@pytest.mark.parametrize("name", EXTENSIONS)
def test_no_extension_imports_cold_modules(name: str) -> None:
    imports = imports_of_extension(name)
    for module in ("main", "server", "config", "supervisors", "workers"):
        assert not knows(imports, f"fastserve.{module}")


def test_cold_modules_import_no_extension() -> None:
    # --help and --check-config are quick, and work when a build is broken.
    code = (
        "import sys, fastserve.config, fastserve.main, fastserve.logging\n"
        "print(*(name for name in sys.modules if name.startswith('fastserve.')))"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {name.rpartition(".")[2] for name in ran.stdout.split()}
    assert "config" in loaded
    assert not loaded & set(EXTENSIONS)


# -- the package that runs ------------------------------------------------------------


def test_the_installed_package_is_tested() -> None:
    if not sys.flags.safe_path:
        pytest.skip("not asked for: the suite was not started by `make test`")
    assert Path(fastserve.__file__).parent != PACKAGE


def test_no_sources_are_installed() -> None:
    folder = Path(fastserve.__file__).parent
    if folder == PACKAGE:
        pytest.skip("built in place: sources and modules lie in one folder")
    installed = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert not installed & {".c", ".h", ".pyx", ".pxd"}
    assert (folder / "py.typed").exists()


def test_extensions_have_declarations_and_stubs() -> None:
    assert [path.stem for path in sorted(PROTOCOLS.glob("*.pyi"))] == EXTENSIONS
    for name in EXTENSIONS:
        assert (PROTOCOLS / f"{name}.pxd").exists(), name


def test_stubs_match_the_built_modules(tmp_path: Path) -> None:
    # Cython's own, in every module and class, and imported constants; users need none.
    own = "__(pyx_capi|test|pyx_vtable|reduce_cython|setstate_cython)__"
    allowlist = tmp_path / "allowlist"
    allowlist.write_text(
        rf"fastserve\.protocols\..*{own}" + "\n"
        r"fastserve\.protocols\.access_log\.ACCESS_(FORMAT|MESSAGE)" + "\n"
        r"fastserve\.protocols\.connection\.REFUSALS" + "\n"
    )
    modules = [f"fastserve.protocols.{name}" for name in EXTENSIONS]
    run_tool(
        [sys.executable, "-m", "mypy.stubtest", *modules]
        + ["--allowlist", str(allowlist), "--ignore-unused-allowlist"]
        # Every compiled class is one; PEP 800's mark would only say so again.
        + ["--ignore-disjoint-bases"],
        cwd=tmp_path,
    )


# -- tools ----------------------------------------------------------------------------


def run_tool(command: list[str], cwd: Path = ROOT) -> None:
    scripts = sysconfig.get_path("scripts")
    path = os.pathsep.join([scripts, os.environ.get("PATH", "")])
    ran = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout}{ran.stderr}"


def test_ruff() -> None:
    run_tool([sys.executable, "-m", "ruff", "check", "--no-cache", "."])


def test_cython_lint() -> None:
    scripts = Path(sysconfig.get_path("scripts"))
    run_tool([str(scripts / "cython-lint"), "fastserve"])


def test_mypy(tmp_path: Path) -> None:
    run_tool([sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path)])


# -- the text of the files ------------------------------------------------------------


def tracked_files() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of tracked files")
    listed = subprocess.run(
        [git, "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_nothing_that_a_build_makes_is_tracked() -> None:
    tracked = {relative(path) for path in tracked_files()}
    cases = "tests/wire/cases/"  # some are named after what they were found in
    of_llhttp = {
        name for name in tracked if "llhttp" in name and not name.startswith(cases)
    }
    assert of_llhttp == {f"vendor/llhttp/{name}" for name in TRACKED_OF_LLHTTP}
    made = (".so", ".o", ".pyd", ".pyc", ".html")
    assert [name for name in tracked if name.endswith(made)] == []
    c_files = {name for name in tracked if name.endswith((".c", ".h"))}
    assert {name.split("/")[0] for name in c_files} <= {"csrc", "tests", "bench"}


def test_no_file_names_a_machine_or_an_index() -> None:
    machine = [re.escape(str(ROOT)), re.escape(str(Path.home())) + r"/\."]
    index = [r"pypi[.]\w", r"pythonhosted[.]\w", r"(extra-)?index-ur[l]\b"]
    pattern = re.compile(rf"(?<![\w.])({'|'.join(machine + index)})")
    found = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{relative(path)}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


@pytest.mark.parametrize("path", [*C_FILES, *CYTHON_FILES, *PYTHON_FILES], ids=relative)
def test_lines_are_tidy(path: Path) -> None:
    lines = path.read_text().splitlines()
    wide = [number for number, line in enumerate(lines, 1) if len(line) > 88]
    assert wide == []
    untidy = [n for n, line in enumerate(lines, 1) if line != line.rstrip()]
    assert untidy == []
    assert not any("\t" in line for line in lines)

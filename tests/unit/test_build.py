"""How the project is built: llhttp's sources, the source distribution, a machine
without a compiler. Nothing is downloaded: pip is told to use no index."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

from fastserve import protocols

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "vendor" / "llhttp"


def load_fetch() -> ModuleType:
    spec = importlib.util.spec_from_file_location("llhttp_fetch", VENDOR / "fetch.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fetch = load_fetch()


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """pip finds archives in the folder returned, and nowhere else."""
    folder = tmp_path / "archives"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what a build reads, with llhttp's sources."""
    copy = tmp_path / "tree"
    copy.mkdir()
    unwanted = shutil.ignore_patterns("__pycache__", "*.so", ".*", "build")
    for name in ("fastserve", "csrc", "vendor", "docs", "examples"):
        shutil.copytree(ROOT / name, copy / name, ignore=unwanted)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    assert fetch.missing(copy / "vendor" / "llhttp") == []
    return copy


def run_setup(tree: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "setup.py", *args],
        cwd=tree,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


# -- llhttp's sources -----------------------------------------------------------------


def test_complete_sources_are_left_alone(no_index: Path) -> None:
    assert fetch.missing(VENDOR) == []
    assert fetch.fetch(VENDOR) is False


def test_changed_source_counts_as_missing(tree: Path) -> None:
    vendor = tree / "vendor" / "llhttp"
    with (vendor / "src" / "api.c").open("a") as source:
        source.write("\n")
    (vendor / "include" / "llhttp.h").unlink()
    assert fetch.missing(vendor) == ["include/llhttp.h", "src/api.c"]


def test_refused_download_is_one_sentence(no_index: Path, tmp_path: Path) -> None:
    shutil.copy(VENDOR / "fetch.py", tmp_path)
    shutil.copy(VENDOR / "requirements.txt", tmp_path)
    ran = subprocess.run(
        [sys.executable, str(tmp_path / "fetch.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stderr.startswith("error: llhttp's sources are not in vendor/llhttp")
    assert not (tmp_path / "src").exists()


def test_archive_with_another_hash_is_refused(no_index: Path, tmp_path: Path) -> None:
    archive = no_index / "httptools-0.9.0.tar.gz"
    make_archive(archive, {"setup.py": b"raise SystemExit('this must not run')"})
    with pytest.raises(fetch.FetchError, match="sha256 differs") as refused:
        fetch.fetch(tmp_path / "empty")
    assert "must not run" not in str(refused.value)
    assert not (tmp_path / "empty").exists()


def make_archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"httptools-0.9.0/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_file_with_another_digest_is_not_taken(tmp_path: Path) -> None:
    archive = make_archive(
        tmp_path / "httptools-0.9.0.tar.gz", {"vendor/llhttp/src/api.c": b"int x;\n"}
    )
    with pytest.raises(fetch.FetchError, match=r"src/api\.c.*sha256 differs"):
        fetch._read_member(archive, "src/api.c")
    with pytest.raises(fetch.FetchError, match=r"no file .*src/http\.c"):
        fetch._read_member(archive, "src/http.c")


def test_links_in_the_archive_are_not_followed(tmp_path: Path) -> None:
    archive = tmp_path / "httptools-0.9.0.tar.gz"
    right = (VENDOR / "src" / "api.c").read_bytes()
    with tarfile.open(archive, "w:gz") as tar:
        data = tarfile.TarInfo("httptools-0.9.0/elsewhere")
        data.size = len(right)
        tar.addfile(data, io.BytesIO(right))
        link = tarfile.TarInfo("httptools-0.9.0/vendor/llhttp/src/api.c")
        link.type = tarfile.SYMTYPE
        link.linkname = "../../../elsewhere"
        tar.addfile(link)
    with pytest.raises(fetch.FetchError, match="sha256 differs"):
        fetch._read_member(archive, "src/api.c")


def test_read_member_gives_the_bytes(tmp_path: Path) -> None:
    right = (VENDOR / "src" / "api.c").read_bytes()
    archive = make_archive(
        tmp_path / "httptools-0.9.0.tar.gz", {"vendor/llhttp/src/api.c": right}
    )
    assert fetch._read_member(archive, "src/api.c") == right


def test_without_pip_it_says_so(tmp_path: Path) -> None:
    text = f"{sys.executable}: No module named pip"
    assert "has no pip" in fetch._reason(text)


# -- what is made ---------------------------------------------------------------------


def test_without_a_compiler_one_sentence_ends_the_build(tree: Path) -> None:
    ran = run_setup(tree, "-q", "build_ext", CC="no-such-compiler")
    assert ran.returncode == 1
    said = [line for line in ran.stderr.splitlines() if line]
    assert said[-1].startswith("error: fastserve is compiled here, and no working C")
    assert "Traceback" not in ran.stderr


def test_source_distribution_carries_llhttp(tree: Path, no_index: Path) -> None:
    ran = run_setup(tree, "-q", "sdist", "--formats=gztar")
    assert ran.returncode == 0, ran.stderr
    (archive,) = (tree / "dist").glob("fastserve_asgi-*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2]: name for name in tar.getnames()}
        for name, digest in fetch.FILES.items():
            member = tar.extractfile(names[f"vendor/llhttp/{name}"])
            assert member is not None
            assert hashlib.sha256(member.read()).hexdigest() == digest
    wanted = {f"csrc/{path.name}" for path in (ROOT / "csrc").glob("*.[ch]")}
    for pattern in ("*.pyx", "*.pxd", "*.pyi", "*.py"):
        found = (tree / "fastserve").rglob(pattern)
        wanted |= {path.relative_to(tree).as_posix() for path in found}
    assert wanted <= set(names)
    assert not [name for name in names if name.startswith("build/")]


# What x86-64's first processors lack: SSSE3 to SSE4.2, BMI, and what begins with v as
# the instructions of AVX do.
NEWER = re.compile(
    r"\t(v[a-z]|crc32|popcnt|pcmp[ei]str|pshufb|palignr|pabs|phadd|pmaddubs|psign|ptest"
    r"|pmov[sz]x|p(extr|insr)[bdq]|pblend|packusdw|round[sp]|lddqu|movbe|mulx|rorx|[tl]zcnt"
    r"|andn |bextr|bls[ir]|blsmsk|sh[lr]x|sarx|pdep|pext )"
)


@pytest.mark.skipif(
    platform.machine() != "x86_64" or shutil.which("objdump") is None,
    reason="reads the instructions of x86-64 with objdump",
)
def test_newer_instructions_are_only_where_the_processor_was_asked() -> None:
    asked = set(re.findall(r"\w+", (ROOT / "csrc" / "ws_mask_avx2.c").read_text()))
    modules = sorted(Path(protocols.__file__).parent.glob("*.so"))
    users = {name for module in modules for name in users_of_newer(module)}
    assert "fs_ws_mask_avx2" in users
    # GCC may split a function: `mask_half.part.0` is one of that file too.
    assert {name.partition(".")[0] for name in users} <= asked


def users_of_newer(module: Path) -> set[str]:
    """The functions that have such instructions."""
    command = ["objdump", "-d", "--no-show-raw-insn", str(module)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    users, function = set(), ""
    for line in text.splitlines():
        if line.endswith(">:"):
            function = line.partition("<")[2][:-2]
        elif NEWER.search(line):
            users.add(function)
    return users


def test_licences_are_in_the_metadata() -> None:
    distribution = metadata.distribution("fastserve-asgi")
    listed = distribution.metadata.get_all("License-File")
    assert listed == ["LICENSE", "vendor/llhttp/LICENSE"]
    assert distribution.metadata["License-Expression"] == "MIT"

"""What makes a release: the workflow, the check of its version, what is in a wheel."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / "release"
WORKFLOW = ROOT / "wheels.yml"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        f"release_{name}", RELEASE / f"{name}.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


contents = load("contents")
version = load("version")


# -- the workflow ---------------------------------------------------------------------


def test_the_workflow_lies_where_it_is_read() -> None:
    installed = ROOT / ".github" / "workflows" / "wheels.yml"
    if not installed.parent.exists() and not (ROOT / ".git").exists():
        pytest.skip("a source distribution, which carries wheels.yml alone")
    assert installed.read_bytes() == WORKFLOW.read_bytes()


def test_what_the_workflow_runs_is_there() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    words = " ".join(step.get("run", "") for step in steps).split()
    scripts = {word for word in words if word.startswith("release/")}
    assert scripts == {
        "release/contents.py",
        "release/smoke.py",
        "release/version.py",
    }
    assert all((ROOT / script).is_file() for script in scripts)


def test_only_the_publishing_job_has_rights() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    publish = workflow["jobs"].pop("publish")
    assert publish["permissions"] == {"id-token": "write", "attestations": "write"}
    assert publish["if"] == "github.ref_type == 'tag'"
    assert set(publish["needs"]) == set(workflow["jobs"])
    assert all("permissions" not in job for job in workflow["jobs"].values())
    assert "secrets." not in WORKFLOW.read_text()


def test_each_wheel_is_tried_out() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    settings = project["tool"]["cibuildwheel"]
    assert settings["test-command"] == "python -P {project}/release/smoke.py"
    builds = settings["build"].split()
    assert builds == [
        *(f"cp3{minor}-*" for minor in (11, 12, 13, 14)),
        *("cp314t-*", "cp315-*", "cp315t-*"),
    ]


# -- the smoke test -------------------------------------------------------------------


@pytest.mark.timeout(300)
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_smoke(loop: str) -> None:
    ran = smoke(loop)
    assert ran.returncode == 0, ran.stderr
    assert f"--loop {loop}: served, with {loop}" in ran.stdout


def test_smoke_tells_what_does_not_work() -> None:
    ran = smoke("no_such_module:loop")
    assert ran.returncode == 1
    assert "error: fastserve --loop no_such_module:loop: the server ended" in ran.stderr


def smoke(loop: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", RELEASE / "smoke.py", loop],
        capture_output=True,
        text=True,
        check=False,
    )


# -- the version ----------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A tree with version 1.2.3 of the last day of January."""
    (tmp_path / "fastserve").mkdir()
    (tmp_path / "fastserve" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    write_heading(tmp_path, "1.2.3", "2026-01-31")
    return tmp_path


def write_heading(sources: Path, newest: str, day: str) -> None:
    (sources / "CHANGELOG.md").write_text(
        f"# Changes\n\n## {newest} ({day})\n\n- New.\n\n## 1.0.0 (2025-01-01)\n"
    )


def test_the_version_of_this_tree_agrees() -> None:
    ran = run_version()
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == version.written_version(ROOT)


def test_a_wrong_tag_is_one_sentence() -> None:
    ran = run_version("v0")
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: the tag is v0, ")
    assert len(ran.stderr.splitlines()) == 1


def run_version(*tag: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, RELEASE / "version.py", *tag],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("tag", ["", "v1.2.3"])
def test_what_agrees_is_taken(sources: Path, tag: str) -> None:
    assert version.check(sources, tag) == "1.2.3"


def test_before_a_release_the_day_may_be_open(sources: Path) -> None:
    write_heading(sources, "1.2.3", "not released yet")
    assert version.check(sources) == "1.2.3"
    with pytest.raises(version.VersionError, match="a release has its day there"):
        version.check(sources, "v1.2.3")


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2.4", "v1.2.3-1"])
def test_another_tag_is_refused(sources: Path, tag: str) -> None:
    with pytest.raises(version.VersionError, match=r"is tagged v1\.2\.3"):
        version.check(sources, tag)


def test_another_newest_change_is_refused(sources: Path) -> None:
    write_heading(sources, "1.2.2", "2026-01-31")
    with pytest.raises(version.VersionError, match=r"begins with 1\.2\.2"):
        version.check(sources)


# -- what is in a wheel ---------------------------------------------------------------

INFO = "fastserve_asgi-0.dist-info"


def good_names() -> set[str]:
    """As in a wheel of this tree for macOS, which is not looked into."""
    paths = [path for path in contents.PACKAGE.rglob("*") if path.is_file()]
    names = {path.relative_to(ROOT).as_posix() for path in paths}
    own = {name for name in names if name.endswith((".py", ".pyi", "py.typed"))}
    pyx = [name for name in names if name.endswith(".pyx")]
    modules = {f"{name.removesuffix('.pyx')}.cpython-311-darwin.so" for name in pyx}
    metadata = {f"{INFO}/{name}" for name in contents.METADATA}
    return own | modules | metadata | {f"{INFO}/{name}" for name in contents.LICENCES}


def faults(folder: Path, names: set[str], size: int = 0) -> list[str]:
    wheel = folder / "fastserve_asgi-0-cp311-cp311-macosx_11_0_arm64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            licence = contents.LICENCES.get(name.partition("/")[2], "")
            archive.writestr(name, licence.encode() + bytes(size))
    return list(contents.faults(wheel))


def test_a_good_wheel_has_no_faults(tmp_path: Path) -> None:
    assert faults(tmp_path, good_names()) == []


@pytest.mark.parametrize(
    "name",
    [
        "fastserve/protocols/http1.pyx",
        "fastserve/protocols/http1.c",
        "fastserve/protocols/no_such_module.cpython-311-darwin.so",
        "tests/test_source.py",
        "vendor/llhttp/src/api.c",
        f"{INFO}/notes.txt",
    ],
)
def test_what_does_not_belong_in_a_wheel_is_found(tmp_path: Path, name: str) -> None:
    [fault] = faults(tmp_path, good_names() | {name})
    assert fault.startswith(f"{name} ")


@pytest.mark.parametrize(
    "name",
    [
        "fastserve/py.typed",
        "fastserve/server.py",
        "fastserve/protocols/http1.pyi",
        "fastserve/protocols/http1.cpython-311-darwin.so",
        f"{INFO}/licenses/vendor/llhttp/LICENSE",
    ],
)
def test_what_is_missing_in_a_wheel_is_found(tmp_path: Path, name: str) -> None:
    [fault] = faults(tmp_path, good_names() - {name})
    assert fault.startswith(name.partition(".cpython")[0].removeprefix(f"{INFO}/"))


def test_a_large_wheel_is_found(tmp_path: Path) -> None:
    names = good_names()
    [fault] = faults(tmp_path, names, size=contents.LIMIT // len(names))
    assert fault.endswith(f"bytes are more than {contents.LIMIT}")


@pytest.mark.parametrize(
    "platform, oldest",
    [
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", (2, 17)),
        ("manylinux2014_aarch64", (2, 17)),
        ("manylinux_2_28_x86_64", (2, 28)),
        ("musllinux_1_2_x86_64", None),
    ],
)
def test_the_oldest_glibc_is_read_from_the_tag(
    platform: str, oldest: tuple[int, int] | None
) -> None:
    assert contents.glibc_of(platform) == oldest

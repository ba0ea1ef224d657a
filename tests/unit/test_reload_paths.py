"""reload_paths: what --reload watches, beside uvicorn's answer to the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import uvicorn.config
from _configs import asgi_app

from fastserve import Config
from fastserve.reload_paths import resolve_reload_patterns, without_excluded

TREE = ["src/deep/deeper", "src/other", "lib", ".hidden/inside"]


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in TREE:
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "src" / "app.py").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "folders"),
    [
        ([], []),
        ([], ["src", "lib"]),
        ([], ["src", "src/deep/deeper", "src"]),
        ([], ["src/app.py", "missing", "lib"]),
        (["*.html"], ["src"]),
        (["src"], []),
        (["src/*"], []),
        (["**/deeper", "lib"], []),
        ([".*"], []),
        ([".hidden"], []),
        (["*.py", "*.py"], ["."]),
    ],
)
def test_as_uvicorn(patterns: list[str], folders: list[str]) -> None:
    ours, theirs = (
        resolve(patterns, folders)
        for resolve in (resolve_reload_patterns, uvicorn.config.resolve_reload_patterns)
    )
    assert [sorted(each) for each in ours] == [sorted(each) for each in theirs]


def test_an_absolute_pattern(tree: Path) -> None:
    _, folders = resolve_reload_patterns([f"{tree}/src/*", "/"], [])
    assert Path("/") in folders  # a folder like any other, and above the rest
    _, folders = resolve_reload_patterns([f"{tree}/src/*"], [])
    assert sorted(folders) == [tree / "src/deep", tree / "src/other"]


def test_excluded_folders(tree: Path) -> None:
    folders = [tree / "src", tree / "src/deep/deeper", tree / "lib"]
    assert without_excluded(folders, [tree / "src/deep"]) == [
        tree / "src",
        tree / "lib",
    ]
    assert without_excluded(folders, [tree / "src"]) == [tree / "lib"]


# -- Config ---------------------------------------------------------------------------


def test_the_working_directory_is_watched(
    tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "uvicorn.error")
    config = Config("module:app", reload=True, log_config=None)
    assert (config.should_reload, config.use_subprocess) == (True, True)
    assert config.reload_dirs == [tree]
    [record] = caplog.records
    assert record.getMessage() == (
        f"Will watch for changes in these directories: {[str(tree)]}"
    )


def test_folders_that_are_not_there(
    tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config("m:app", reload=True, reload_dirs="missing", log_config=None)
    assert config.reload_dirs == [tree]
    assert caplog.messages == [
        "Provided reload directories ['missing'] did not contain valid directories, "
        "watching current working directory."
    ]


def test_includes_and_excludes(tree: Path) -> None:
    config = Config(
        "module:app",
        reload=True,
        reload_dirs=["src", "lib"],
        reload_includes=["*.html", "*.css"],
        reload_excludes=["*.css", "lib"],
        log_config=None,
    )
    assert config.reload_dirs == [tree / "src"]
    assert config.reload_dirs_excludes == [tree / "lib"]
    assert config.reload_includes == ["*.html"]
    assert config.reload_excludes == ["*.css", "lib"]


@pytest.mark.parametrize(("app", "reload"), [("module:app", False), (asgi_app, True)])
def test_what_will_not_reload(
    app: object, reload: bool, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config(app, reload=reload, reload_dirs=["src"], log_config=None)  # type: ignore[arg-type]
    assert not config.should_reload
    assert config.reload_dirs == []
    assert caplog.messages == [
        "Current configuration will not reload as not all conditions are met, please "
        "refer to documentation."
    ]

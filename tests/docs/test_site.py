"""The site that `make docs` builds: whole, strict, and with nothing from elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from _pages import PAGES, ROOT

pytestmark = pytest.mark.timeout(600)

PARTS = ("docs", "tools", "deploy", "zensical.toml", "bench/README.md")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the site is built of, with the parts that are made."""
    tree = tmp_path_factory.mktemp("tree")
    (tree / "bench").mkdir()
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name)
        else:
            shutil.copy(ROOT / name, tree / name)
    for tool in ("settings_page", "benchmark_plots"):
        subprocess.run([sys.executable, "-m", f"tools.{tool}"], cwd=tree, check=True)
    return tree


def build(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict"],
        cwd=tree,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )


class Loaded(HTMLParser):
    """What a page has a browser load, and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            loads = name in ("src", "srcset", "data") or (tag, name) == ("link", "href")
            if loads and value:
                self.addresses.append(value)


def test_the_site_is_whole_and_loads_nothing_from_elsewhere(tree: Path) -> None:
    built = build(tree)
    assert built.returncode == 0, built.stdout + built.stderr
    site = tree / "build" / "docs"
    for page in PAGES:
        text = (site / f"{page.stem}.html").read_text("utf-8")
        loaded = Loaded()
        loaded.feed(text)
        assert loaded.addresses
        away = re.compile(r"(https?:)?//")
        assert [each for each in loaded.addresses if away.match(each)] == []
        assert 'class="mermaid"' not in text  # which would be loaded
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", style.read_text("utf-8"))
    assert '<figure class="bars">' in (site / "benchmark.html").read_text("utf-8")
    assert 'class="hot-path"' in (site / "how-it-works.html").read_text("utf-8")
    assert "terminationGracePeriodSeconds" in (site / "deploy.html").read_text("utf-8")


@pytest.mark.parametrize("link", ["nowhere.md", "limits.md#nowhere"])
def test_a_link_that_leads_nowhere_fails_the_build(tree: Path, link: str) -> None:
    page = tree / "docs" / "index.md"
    text = page.read_text("utf-8")
    page.write_text(f"{text}\n[there]({link})\n")
    try:
        built = build(tree)
    finally:
        page.write_text(text)
    assert built.returncode != 0
    assert "does not exist" in built.stdout + built.stderr

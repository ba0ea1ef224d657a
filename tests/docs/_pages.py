"""The fenced blocks of docs/, as a reader would take them: files to write, commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))

_FENCE = re.compile(
    r'^```(?P<kind>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.M | re.S
)


class Block(NamedTuple):
    """A fenced block: its language, the file it is to stand in, if any, its text."""

    kind: str
    title: str | None
    text: str


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    found = list(_FENCE.finditer(text))
    fences = re.findall(r"^ *```", text, re.M)
    assert len(fences) == 2 * len(found), f"{page.name} has a fence that is not read"
    for match in found:
        yield Block(match["kind"], match["title"], match["text"])


def commands(text: str) -> list[str]:
    """The lines of a block of commands, those that end in a backslash joined."""
    return re.sub(r"\\\n\s*", "", text).splitlines()

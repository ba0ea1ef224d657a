"""What --reload watches: folders and patterns of file names, from what was given.

Only looks at folders; watching them is for the supervisors. A pattern that names a
folder, or matches some below the working directory, stands for those folders too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path


def resolve_reload_patterns(
    patterns_list: list[str], directories_list: list[str]
) -> tuple[list[str], list[Path]]:
    """The patterns, each once, and the absolute folders that both lists name.

    What is no folder is left out, and so is a folder inside another one.
    """
    patterns = list(dict.fromkeys(patterns_list))
    named = [Path(each) for each in directories_list]
    for pattern in patterns:
        if pattern != ".*":  # the hidden files, and not every hidden folder
            named += _folders_of(pattern)
    folders = dict.fromkeys(path.resolve() for path in named if is_dir(path))
    return patterns, [
        path for path in folders if folders.keys().isdisjoint(path.parents)
    ]


def without_excluded(folders: Iterable[Path], excluded: Iterable[Path]) -> list[Path]:
    """Those `folders` that are neither in `excluded` nor inside one of it."""
    left_out = set(excluded)
    return [path for path in folders if left_out.isdisjoint((path, *path.parents))]


def is_dir(path: Path) -> bool:
    """Whether `path` is a folder; False too for what cannot be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _folders_of(pattern: str) -> Iterator[Path]:
    path = Path(pattern)
    if is_dir(path):
        yield path
    elif path.name:  # "" and "/" are no patterns
        root = Path(path.anchor) if path.is_absolute() else Path.cwd()
        matches = root.glob(str(path.relative_to(path.anchor)))
        yield from filter(is_dir, matches)

"""Do the tag, `__version__` and CHANGELOG.md agree?

    python release/version.py [TAG]

Without a TAG, or with an empty one: `__version__` and the first heading of CHANGELOG.md
name one version. With one, for a release: it is v and that version, and the heading has
its day. Ends with 0 and the version, or with 1 and one sentence. It imports nothing of
fastserve.
"""

from __future__ import annotations

import ast
import datetime
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADING = re.compile(r"^## (?P<version>\S+) \((?P<day>[^)]+)\)$", re.M)


class VersionError(Exception):
    """What does not agree, in one sentence."""


def written_version(root: Path) -> str:
    """`__version__` of the sources; raises VersionError if there is none."""
    tree = ast.parse((root / "fastserve" / "__init__.py").read_text())
    for node in tree.body:
        match node:
            case ast.Assign([ast.Name("__version__")], ast.Constant(str(version))):
                return version
    raise VersionError("fastserve/__init__.py has no __version__.")


def newest_change(root: Path) -> tuple[str, str]:
    """Version and day, as text, of the first heading of CHANGELOG.md."""
    found = HEADING.search((root / "CHANGELOG.md").read_text())
    if found is None:
        raise VersionError("CHANGELOG.md has no heading like `## 1.2.3 (2026-01-31)`.")
    return found["version"], found["day"]


def check(root: Path, tag: str = "") -> str:
    """The one version that all name; raises VersionError if they differ."""
    version = written_version(root)
    newest, day = newest_change(root)
    if newest != version:
        raise VersionError(
            f"fastserve.__version__ is {version}, CHANGELOG.md begins with {newest}."
        )
    if not tag:
        return version
    if tag != f"v{version}":
        raise VersionError(
            f"the tag is {tag}, fastserve.__version__ is {version}: "
            f"a release of it is tagged v{version}."
        )
    try:
        datetime.date.fromisoformat(day)
    except ValueError:
        raise VersionError(
            f"CHANGELOG.md says `{day}` of {version}: a release has its day there."
        ) from None
    return version


def main(arguments: Sequence[str]) -> None:
    try:
        print(check(ROOT, arguments[0] if arguments else ""))
    except VersionError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])

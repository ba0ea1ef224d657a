r"""The case files of tests/wire/cases: what a client sends, and what must come of it.

    # What is wrong with it, and where that was seen first.
    # RFC 9112 6.3

    > POST / HTTP/1.1\r\n
    > Host: h\r\n
    > {}\r\n\r\n
    - Transfer-Encoding: identity
    - Transfer-Encoding: chunked, identity
    < 400

`>` is what the client sends: the texts of these lines with Python's escapes, one behind
another; the file's own line ends are not sent. `\(TEXT*5)` is five times the text.
Where there are `-` lines, each takes the place of `{}` in turn, and is a case alone.

`<` is what must come of it. `< METHOD TARGET BODY` is a request that the application
gets whole, and answers; the last of these lines says how it ends:

    < 400       refused with this status, and closed; nothing behind it is served
    < close     closed, in order, behind the answer
    < waits     the message is not whole: if the client ends now, it never will be
    (none)      the connection is kept, and takes the next request

`?` is what Http11Probe takes for right; harness.probe reads it. Nothing is run here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "wire" / "cases"

_REPEATED = re.compile(r"\\\((.*?)\*(\d+)\)")


@dataclass(frozen=True)
class Case:
    """One case; `name` is its file's, and a number where that has several."""

    name: str
    data: bytes
    requests: tuple[bytes, ...]  # METHOD TARGET BODY
    end: str  # a status, "close", "waits", or "" for a kept connection
    rule: str  # Http11Probe's, or ""

    @property
    def refused(self) -> bool:
        return self.end.isdigit()


def to_bytes(text: str) -> bytes:
    """A line's text with its escapes done."""
    whole = _REPEATED.sub(lambda found: found[1] * int(found[2]), text)
    return whole.encode("ascii").decode("unicode_escape").encode("latin-1")


def cases_of(path: Path) -> Iterator[Case]:
    """The cases of one file, in its order."""
    found: list[tuple[str, list[str], str]] = []
    lines: dict[str, list[str]] = {}
    for number, line in enumerate([*path.read_text("ascii").splitlines(), ""], 1):
        mark, text = line[:1], line[2:]
        assert mark in "#>-<?" and line[1:2] in ("", " "), f"{path.name}:{number}"
        if mark and mark != "#":
            lines.setdefault(mark, []).append(text)
        elif lines:
            assert lines.keys() & set(">"), f"{path.name}:{number} sends nothing"
            pattern = "".join(lines[">"])
            texts = [pattern.replace("{}", each) for each in lines.get("-", [])]
            rule = " ".join(lines.get("?", []))
            ends = lines.get("<", [])
            found += [(each, ends, rule) for each in texts or [pattern]]
            lines = {}
    stem = path.relative_to(FOLDER).with_suffix("").as_posix()
    for number, (text, expected, rule) in enumerate(found, 1):
        name = stem if len(found) == 1 else f"{stem}-{number}"
        end = expected[-1] if expected and " " not in expected[-1] else ""
        requests = tuple(map(to_bytes, expected[:-1] if end else expected))
        assert end.isdigit() or end in ("", "close", "waits"), f"{path.name}: {end}"
        yield Case(name, to_bytes(text), requests, end, rule)


def all_cases() -> list[Case]:
    """Every case of every file."""
    found = [case for path in sorted(FOLDER.rglob("*.http")) for case in cases_of(path)]
    assert found, f"there is no case file in {FOLDER}"
    return found


def whole_requests() -> list[bytes]:
    """What is refused with 400, without the few large ones: seeds for fuzzing."""
    refused = [case.data for case in all_cases() if case.end == "400"]
    return [data for data in refused if len(data) < 1000]

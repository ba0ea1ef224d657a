"""perf's samples as stacks: read from `perf script`, named, sorted into groups.

Text in, plain values out: nothing is run here.
"""

import re
from collections import Counter
from dataclasses import dataclass

FRAME = re.compile(r"\s+[0-9a-f]+ (.+) \((.+)\)$")
CYTHON = re.compile(r"__pyx_(?:f|pf|pw|tp)_?([a-z_]*)(\d.*)")
LOOP = "uv_run"  # the frames before it are the same in every stack

# The first that is found in the file's path. perf has brackets round the kernel's
# modules, and round what is no file.
GROUPS = (
    ("kernel", re.compile(r"^\[(?!unknown|vdso|heap|stack|anon)")),
    ("fastserve", re.compile(r"/fastserve/")),
    ("uvloop", re.compile(r"/uvloop/")),
    ("interpreter", re.compile(r"/(lib)?python[0-9.]*(\.so[0-9.]*)?$")),
    (
        "C library",
        re.compile(r"/(libc|libm|ld-linux[^/]*|libpthread)[.-][^/]*$|^.vdso"),
    ),
)
OTHER = "other modules"


@dataclass(frozen=True)
class Frame:
    """One function of a stack."""

    name: str
    group: str


def group_of(file):
    """The group of a file, as perf names it."""
    return next((name for name, found in GROUPS if found.search(file)), OTHER)


def readable(symbol):
    """`output.Output._send` for the C name that Cython makes of it.

    Names are packed as length and text, the last one often as a counter and text.
    """
    match = CYTHON.fullmatch(symbol.partition(".")[0])
    if match is None:
        return symbol
    parts, rest = [], match[2]
    while number := re.match(r"\d+", rest):
        size, text = int(number[0]), rest[number.end() :]
        if text[size : size + 1] not in ("", "_"):
            rest = text  # it was a counter
            break
        parts.append(text[:size])
        rest = text[size + 1 :]
    parts += [rest] if rest else []
    return ".".join(parts[1:] if len(parts) > 1 else parts).removeprefix("protocols.")


def read(text):
    """Stacks from what `perf script -F comm,ip,sym,dso` prints; the root is first."""
    stacks = []
    for block in text.split("\n\n"):
        frames = []
        for line in block.splitlines():
            if match := FRAME.match(line):
                symbol = match[1].partition("+0x")[0]
                frames.append(Frame(readable(symbol), group_of(match[2])))
        if frames:
            stacks.append(trimmed(tuple(reversed(frames))))
    return stacks


def trimmed(stack):
    """A stack from the event loop's run on; whole if that is not in it."""
    for at, frame in enumerate(stack):
        if frame.name == LOOP:
            return stack[at:]
    return stack


def shares(stacks, key):
    """[(key of the innermost frame, share of all stacks)], the largest first."""
    counts = Counter(key(stack[-1]) for stack in stacks)
    return [(found, count / len(stacks)) for found, count in counts.most_common()]


def share_table(stacks, microseconds):
    """Groups with their share and microseconds of a request, as lines of text."""
    lines = [f"{'group':<16}{'share':>8}{'us a request':>14}"]
    for group, share in shares(stacks, lambda frame: frame.group):
        lines.append(f"{group:<16}{share:>8.1%}{share * microseconds:>14.2f}")
    lines.append(f"{'sum':<16}{1:>8.1%}{microseconds:>14.2f}")
    return "\n".join(lines)


def function_table(stacks, microseconds, count):
    """The functions that took most themselves, as lines of text."""
    lines = [f"{'group':<16}{'share':>8}{'us a request':>14}  function"]
    for frame, share in shares(stacks, lambda frame: frame)[:count]:
        lines.append(
            f"{frame.group:<16}{share:>8.1%}{share * microseconds:>14.2f}  {frame.name}"
        )
    return "\n".join(lines)

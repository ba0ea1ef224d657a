"""A flame graph of stacks, as one SVG: no script, no font, no file beside it.

A box is a function, as wide as its share of the samples, above what called it; its
colour is its group's. The pointer on a box shows name, group and share.
"""

from dataclasses import dataclass, field
from html import escape

WIDTH = 1400  # pixels
ROW = 17
TOP, MARGIN = 62, 10
LETTER = 6.6  # pixels of one, in the middle
SMALLEST = 0.4  # pixels; narrower boxes are left out

COLOURS = {
    "kernel": "#e8a06a",
    "fastserve": "#7fb2e5",
    "uvloop": "#8fd0b8",
    "interpreter": "#f2d16b",
    "C library": "#c9b8e8",
    "other modules": "#d7d7d2",
}


@dataclass
class Box:
    """A function in one place of the tree."""

    name: str
    group: str
    count: int = 0
    children: dict = field(default_factory=dict)

    def add(self, frames):
        """One more sample of this function, and of those that it called."""
        self.count += 1
        if frames:
            first, *rest = frames
            box = self.children.setdefault(first, Box(first.name, first.group))
            box.add(rest)

    @property
    def depth(self):
        """The number of rows of this box and those above."""
        return 1 + max((box.depth for box in self.children.values()), default=0)


def tree(stacks):
    """All stacks in one Box."""
    root = Box("all", "other modules")
    for stack in stacks:
        root.add(stack)
    return root


def svg(stacks, title, subtitle):
    """The picture as text."""
    root = tree(stacks)
    height = TOP + root.depth * ROW + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fbfaf7"/>',
        f'<text x="{MARGIN}" y="20" font-size="15">{escape(title)}</text>',
        f'<text x="{MARGIN}" y="36" fill="#555">{escape(subtitle)}</text>',
        *legend(),
        *draw(root, root.count, MARGIN, height - MARGIN - ROW),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def legend():
    """A line of the groups in their colours."""
    x = MARGIN
    for group, colour in COLOURS.items():
        yield f'<rect x="{x}" y="43" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 14}" y="52">{group}</text>'
        x += 34 + len(group) * LETTER


def draw(box, total, x, y):
    """The lines of a box and of all above it; siblings in the order of their names."""
    scale = (WIDTH - 2 * MARGIN) / total
    width = box.count * scale
    if width < SMALLEST:
        return
    share = f"{box.name} ({box.group}): {box.count / total:.1%}, {box.count} samples"
    yield (
        f"<g><title>{escape(share)}</title>"
        f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{ROW - 1}" rx="1"'
        f' fill="{COLOURS[box.group]}"/>'
    )
    letters = int((width - 4) / LETTER)
    if letters >= 3:
        text = box.name if len(box.name) <= letters else box.name[: letters - 2] + ".."
        yield f'<text x="{x + 3:.2f}" y="{y + 12}">{escape(text)}</text>'
    yield "</g>"
    for child in sorted(box.children.values(), key=lambda each: each.name):
        yield from draw(child, total, x, y - ROW)
        x += child.count * scale

"""What the command shows while it runs: progress on stderr, tables on stdout (rich)."""

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from . import report

WIDE = 140  # columns of a terminal that a whole table needs
MINOR = ("p50", "p99.9", "peak MiB", "kernel")  # left out of a narrow one

COLOURS = {"first": "green", "level": "yellow", "behind": "red", "none": "magenta"}


class Display:
    """Lines, a bar of progress and tables; a context manager, for the bar."""

    def __init__(self):
        self.errors = Console(stderr=True, highlight=False)
        self.output = Console(highlight=False)
        if not self.output.is_terminal:  # a file or a pipe has no width
            self.output.width = WIDE
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.errors,
            disable=not self.errors.is_terminal,
        )
        self.task = None

    def __enter__(self):
        self.progress.start()
        return self

    def __exit__(self, *_):
        self.progress.stop()

    def line(self, text):
        """One line of progress."""
        self.progress.console.print(escape(text), soft_wrap=True)

    def expect(self, count):
        """So many samples are to come."""
        self.task = self.progress.add_task("measuring", total=count)

    def sample(self, text):
        """A sample was taken, or found to be impossible."""
        self.line(text)
        self.progress.advance(self.task)

    def skip(self, count):
        """So many samples will not come, for their server was dropped."""
        self.progress.advance(self.task, count)

    def say(self, text):
        """Text of the result."""
        self.output.print(escape(text), soft_wrap=True)

    def entry(self, entry):
        """One workload as a table with its verdict."""
        titles = report.head(entry["kind"])
        wide = self.output.width >= WIDE
        kept = [i for i, title in enumerate(titles) if wide or title not in MINOR]
        table = Table(title=escape(entry["title"]), title_justify="left")
        for index in kept:
            table.add_column(titles[index], justify="right" if index else "left")
        for cells in report.rows(entry):
            table.add_row(
                *(escape(cells[index]) for index in kept), style=style(entry, cells[0])
            )
        if entry["servers"]:
            self.output.print(table)
        colour = COLOURS[entry["verdict"]["place"]]
        self.output.print(f"[{colour}]{escape(entry['verdict']['text'])}[/]")
        for note in report.notes(entry):
            self.output.print(escape(note), style="dim", soft_wrap=True)
        self.output.print()


def style(entry, name):
    """How a server's row is shown."""
    if name in entry["limits"]:
        return "dim"
    return "bold" if name == "fastserve" else None

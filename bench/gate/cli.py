"""The command line: find the base, build, count, print.

Progress goes to standard error, the table to standard output.
"""

import argparse
import sys

from . import counting, trees, verdict

UPSTREAM = "origin/main"


def parser():
    """The options."""
    result = argparse.ArgumentParser(
        prog="python -m bench.gate",
        description="Count instructions a request, here and at the merge base.",
        epilog="Exit codes: 0 passed, or there was nothing to compare with;"
        " 1 slower, and no commit says why; 2 could not be done.",
    )
    result.add_argument(
        "--base",
        metavar="REV",
        help=f"compare with the merge base of HEAD and this; default {UPSTREAM}",
    )
    return result


def progress(text):
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def count_base(base):
    """The counts of the base: with this tree's script, else with its own."""
    own = base / counting.SCRIPT
    try:
        return counting.count(trees.ROOT / counting.SCRIPT, base)
    except counting.ScriptFailed:
        if not own.exists():
            raise
    progress("the base takes its own script: this tree's does not run there")
    return counting.count(own, base)


def measure(commit):
    """The rows of the comparison with a commit."""
    progress(f"building {commit[:12]}, the base")
    base = trees.lay_out(commit)
    trees.build(base)
    progress("building this tree")
    trees.build(trees.ROOT)
    progress("counting both")
    before = count_base(base)
    after = counting.count(trees.ROOT / counting.SCRIPT, trees.ROOT)
    return verdict.compare(before, after)


def find_base(revision):
    """The commit to compare with; None where nothing can be compared, and why."""
    try:
        commit = trees.merge_base(revision or UPSTREAM)
    except trees.NoBase as error:
        if revision:
            raise
        return None, str(error)
    if trees.is_the_work_tree(commit):
        return None, f"{commit[:12]} is what is checked out"
    return commit, ""


def main(arguments=None):
    """Run the command; returns the exit code."""
    options = parser().parse_args(arguments)
    if missing := counting.missing_tools():
        progress(f"needed and not installed (Debian): {', '.join(missing)}")
        return 2
    try:
        commit, why = find_base(options.base)
        if commit is None:
            print(f"nothing to compare with: {why}")
            return 0
        given = verdict.reasons(trees.messages_since(commit))
        rows = measure(commit)
    except (trees.CannotCompare, counting.ScriptFailed) as error:
        progress(f"could not compare: {error}")
        return 2
    print(verdict.table(rows))
    print(verdict.sentence(rows, given))
    return verdict.exit_code(rows, given)

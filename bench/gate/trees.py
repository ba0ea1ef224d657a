"""The two trees: which commit to compare with, and both built in place.

The base is laid out below build/gate/, by its commit, and kept there for the next run.
The work tree is built where it is, as `make build` does.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASES = ROOT / "build" / "gate"
LLHTTP = ("include", "src")  # what vendor/llhttp/fetch.py brings


class CannotCompare(Exception):
    """git or the build of a tree has failed; the text says why."""


class NoBase(CannotCompare):
    """There is no such commit, or no way from it to HEAD."""


def git(*arguments):
    """The output of a git command; raises CannotCompare with its complaint."""
    command = ["git", "-c", f"safe.directory={ROOT}", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if ran.returncode:
        raise CannotCompare(f"git {arguments[0]}: {ran.stderr.strip()}")
    return ran.stdout.strip()


def merge_base(revision):
    """The commit that HEAD and `revision` have in common."""
    try:
        return git("merge-base", "--end-of-options", "HEAD", revision)
    except CannotCompare as error:
        raise NoBase(f"HEAD and {revision} have no commit in common") from error


def is_the_work_tree(commit):
    """Whether the commit is HEAD, and no tracked file has changed since."""
    changed = git("status", "--porcelain", "--untracked-files=no")
    return commit == git("rev-parse", "HEAD") and not changed


def messages_since(commit):
    """The commit messages behind `commit`, up to HEAD."""
    return git("log", "--format=%B", f"{commit}..HEAD")


def lay_out(commit):
    """The folder with the files of a commit, made if it is not there."""
    folder = BASES / commit
    if folder.exists():
        return folder
    BASES.mkdir(parents=True, exist_ok=True)
    for old in BASES.iterdir():  # one is enough
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    archive, unpacked = BASES / "tree.tar", BASES / "unpacked"
    git("archive", "--output", str(archive), commit)
    shutil.unpack_archive(archive, unpacked, filter="data")
    archive.unlink()
    for name in LLHTTP:  # the pin's hashes decide whether they are the right ones
        found = ROOT / "vendor" / "llhttp" / name
        if found.exists():
            shutil.copytree(found, unpacked / "vendor" / "llhttp" / name)
    return unpacked.rename(folder)  # never a part of it


def build(tree):
    """Build a tree in place; raises CannotCompare with the end of the output."""
    ran = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=tree,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ran.returncode:
        raise CannotCompare(f"{tree} was not built:\n{ran.stdout[-2000:]}")

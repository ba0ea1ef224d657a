"""Puts llhttp's sources into this folder, unless they are here already.

They come out of the source archive that requirements.txt pins by hash. pip brings
it, so the index, the proxy and the certificates are those of pip's configuration.
Only the files in FILES are taken out, each under a name written here and checked
against its own digest; the archive is never unpacked and nothing in it is run by us
(pip itself asks its build backend for the metadata).

setup.py runs this file in the commands build_ext and sdist. It ends with one
sentence on stderr and exit code 1 when the files cannot be had.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"

# sha256 of each file, as it is in llhttp 9.4.3
FILES = {
    "LICENSE": "628168d68bb5a8a17e0bbefb3bd74e326e1edc20583d76f52f457c82c921867d",
    "include/llhttp.h": (
        "5bc82fa51b19aa8bee7d921038393fbfc74e8cc9bae0844c2d82c102fb8cfd68"
    ),
    "src/api.c": "0f8590206fe2f264db2825401b5fb856b979ee1363dc88b06f36dc9577afb941",
    "src/http.c": "a1f2b23168f8e9b5bfa464c89027d3ca259fc649ae3d7e72bfff997d1aeb5d72",
    "src/llhttp.c": "391e7c99912abf3b1c9dd8a9c85fdeaac2663e9fa55b6f3871154d16fef8b892",
}


class FetchError(Exception):
    """llhttp's sources cannot be had; the message is one sentence for the user."""


def missing(folder: Path) -> list[str]:
    """The names in FILES that the folder lacks or has with other contents."""
    return [name for name in FILES if not _is_right(folder / name, FILES[name])]


def fetch(folder: Path = HERE) -> bool:
    """Completes the folder; True if something had to be downloaded.

    Raises:
        FetchError: pip is not installed, the download was refused, or a digest
            is not the expected one.
    """
    wanted = missing(folder)
    if not wanted:
        return False
    with tempfile.TemporaryDirectory() as scratch:
        archive = _download(Path(scratch))
        contents = {name: _read_member(archive, name) for name in wanted}
    for name, data in contents.items():
        _write(folder / name, data)
    return True


def _is_right(path: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def _download(into: Path) -> Path:
    """The pinned archive, downloaded by pip, its hash checked by pip."""
    command = [sys.executable, "-m", "pip", "download", "--dest", str(into)]
    command += ["--no-deps", "--no-build-isolation", "--no-binary", "httptools"]
    command += ["--require-hashes", "--requirement", str(REQUIREMENTS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = list(into.glob("*.tar.gz"))
    if ran.returncode == 0 and len(archives) == 1:
        return archives[0]
    raise FetchError(_reason(ran.stdout + ran.stderr))


def _reason(output: str) -> str:
    """One sentence from what pip wrote."""
    if "No module named pip" in output:
        return (
            "llhttp's sources are not in vendor/llhttp and must be downloaded, "
            f"but {sys.executable} has no pip to do it."
        )
    if "DO NOT MATCH THE HASHES" in output:
        return (
            "The archive that pip brought is not the one that "
            "vendor/llhttp/requirements.txt pins: its sha256 differs, "
            "so nothing was taken from it."
        )
    # The first complaint says why; those after it say what did not work then.
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    complaints = [
        line.partition(": ")[2]
        for line in lines
        if line.startswith("ERROR: ") or "connection broken by" in line
    ]
    return (
        "llhttp's sources are not in vendor/llhttp and pip could not download them "
        "(vendor/llhttp/README.md tells how to do it by hand): "
        + (complaints or lines or ["pip ended without a word"])[0]
    )


def _read_member(archive: Path, name: str) -> bytes:
    """The bytes of one file of llhttp, read from the archive and checked."""
    inside = f"{archive.name.removesuffix('.tar.gz')}/vendor/llhttp/{name}"
    data = b""
    with tarfile.open(archive) as tar:
        try:
            member = tar.getmember(inside)
        except KeyError:
            raise FetchError(f"{archive.name} has no file {inside}.") from None
        # Links are followed by extractfile(): a regular file is asked for.
        stream = tar.extractfile(member) if member.isreg() else None
        if stream is not None:
            data = stream.read()
    if hashlib.sha256(data).hexdigest() != FILES[name]:
        raise FetchError(
            f"{inside} in {archive.name} is not the file that fetch.py expects: "
            "its sha256 differs, so it was not taken."
        )
    return data


def _write(path: Path, data: bytes) -> None:
    """Puts the file there whole, so that a build beside this one never sees half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    partial.write_bytes(data)
    partial.replace(path)


def main() -> None:
    try:
        downloaded = fetch()
    except (FetchError, OSError) as error:
        sys.exit(f"error: {error}")
    if downloaded:
        print("llhttp's sources were downloaded to vendor/llhttp")


if __name__ == "__main__":
    main()

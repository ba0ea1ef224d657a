"""The contract that every application of this folder keeps, and what they share.

    GET  /                    "hello"
    GET  /greet/{name}?times= JSON: name, times
    POST /json                JSON: sum of `numbers`, and `text` as it came
    POST /form                JSON: name, and tags (the field `tag`, as often as given)
    POST /upload              JSON: title, filename, size and sha256 of the file `file`
    POST /digest              JSON: size and sha256 of the body, read in pieces
    GET  /download            the file DOWNLOAD, with its length
    GET  /stream?count=       the numbers below count, a line each, in pieces
    GET  /endless             "tick" for ever; notes "stream ended"
    GET  /fails               raises LookupError("in the view")
    GET  /breaks              "some", then LookupError("in the stream")
    GET  /teapot              418 "short and stout", by the framework's own error
    GET  /cookies             sets a=1 and b=2
    GET  /redirect            303 to /greet/you?times=1
    GET  /peer                JSON: scheme and client, as the framework sees them
    GET  /state               JSON: what the lifespan's startup has made
    POST /after               202 "accepted", and works on: notes "worked" at the gate

A framework's own way of doing each, as its documentation shows it. Nothing here knows
which server runs it. Startup and shutdown are noted, where the framework has them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

DOWNLOAD = Path(os.environ["DOWNLOAD"])
JOURNAL = Path(os.environ["JOURNAL"])
GATE = Path(os.environ["GATE"])  # open when this file exists

POOL = ["connection"]  # what startup makes
WHERE_TO = "/greet/you?times=1"
ACCEPTED, SEE_OTHER, TEAPOT = 202, 303, 418
SHORT_AND_STOUT = "short and stout"


def note(text: str) -> None:
    """Leave a line where the test finds it."""
    with JOURNAL.open("a") as file:
        file.write(text + "\n")


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Starlette's and FastAPI's: what it yields becomes the requests' state."""
    note("startup")
    yield {"pool": POOL}
    note("shutdown")


class Digest:
    """Size and SHA-256 of bytes that come in pieces."""

    def __init__(self, data: bytes = b"") -> None:
        self.size = len(data)
        self._hash = hashlib.sha256(data)

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self._hash.update(data)

    @property
    def result(self) -> dict[str, Any]:
        return {"size": self.size, "sha256": self._hash.hexdigest()}


def about_upload(title: str, filename: str | None, data: bytes) -> dict[str, Any]:
    return {"title": title, "filename": filename, **Digest(data).result}


def sync_numbers(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield b"%d\n" % number


async def numbers(count: int) -> AsyncIterator[bytes]:
    for line in sync_numbers(count):
        yield line
        await asyncio.sleep(0)


async def ticks() -> AsyncIterator[bytes]:
    try:
        while True:
            yield b"tick"
            await asyncio.sleep(0.005)
    finally:
        note("stream ended")


def fail() -> None:
    raise LookupError("in the view")


def sync_broken() -> Iterator[bytes]:
    yield b"some"
    raise LookupError("in the stream")


async def broken() -> AsyncIterator[bytes]:
    for part in sync_broken():
        yield part
        await asyncio.sleep(0)


async def work() -> None:
    """What goes on after the answer."""
    while not GATE.exists():
        await asyncio.sleep(0.01)
    note("worked")


def sync_work() -> None:
    while not GATE.exists():
        time.sleep(0.01)
    note("worked")

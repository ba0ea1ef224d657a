"""The table of workloads: what is asked, and the answer it must get.

Only data. `kind` says how a workload is measured: `load` by wrk (load.py), `idle` by
held connections (idle.py), `start` by starting the server (start.py). Those of
WebSocket stand in websocket.py.
"""

import json
from dataclasses import dataclass

from . import apps
from .websocket import WEBSOCKET_WORKLOADS

BROWSER_HEADERS = (  # with wrk's own Host they are twelve
    ("Connection", "keep-alive"),
    ("Cache-Control", "max-age=0"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Safari/537.36",
    ),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,"
        "image/webp,*/*;q=0.8",
    ),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
    ("Referer", "https://www.example.com/shop/lamps?page=3&sort=price"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.7"),
    (
        "Cookie",
        "session=eyJ1c2VyIjo0MiwiY3NyZiI6IjlmODZkMDgxODg0YzdkNjU5YTJmZWFhMGM1NWFkMDE1"
        "In0; theme=dark; consent=analytics%3D0%26ads%3D0; _ga=GA1.1.1417386325.173100",
    ),
)

ITEM = json.dumps(
    {"id": 7, "name": "lamp", "price": 12.5, "tags": ["light", "home"]},
    separators=(",", ":"),
).encode()

UPLOAD = 1024 * 1024


@dataclass(frozen=True)
class Workload:
    """One row of the comparison for each server."""

    name: str
    title: str
    app: str  # MODULE:ATTRIBUTE, in this directory
    answer: bytes  # the body that every answer must have
    kind: str = "load"
    path: str = "/"
    method: str = "GET"
    headers: tuple = ()
    body_size: int = 0  # bytes of "x" in each request
    connections: int = 64
    depth: int = 1  # requests sent at once on a connection
    ceiling: bool = False  # whether the ceiling's fixed answer is the right one

    @property
    def closes(self):
        """Whether every request has a connection of its own."""
        return ("Connection", "close") in self.headers


def plaintext(name, title, **options):
    """A workload on the plaintext application."""
    return Workload(name, title, "apps:plaintext", apps.PLAINTEXT, **options)


WORKLOADS = (
    plaintext("plaintext", "plaintext, 64 connections", ceiling=True),
    plaintext(
        "headers",
        "12 browser headers with cookie, 64 connections",
        headers=BROWSER_HEADERS,
        ceiling=True,
    ),
    plaintext(
        "connections-512",
        "plaintext, 512 connections",
        connections=512,
        ceiling=True,
    ),
    Workload(
        "echo-1k",
        "POST of 1 KB, echoed, 64 connections",
        "apps:echo",
        b"x" * 1024,
        method="POST",
        body_size=1024,
    ),
    Workload(
        "upload-1m",
        "POST of 1 MiB, drained by receive(), 16 connections",
        "apps:drain",
        b"%d" % UPLOAD,
        method="POST",
        body_size=UPLOAD,
        connections=16,
    ),
    Workload("answer-64k", "64 KiB, 64 connections", "apps:kib64", apps.KIB64),
    Workload(
        "answer-1m", "1 MiB, 16 connections", "apps:mib1", apps.MIB1, connections=16
    ),
    Workload(
        "stream-100",
        "100 chunks, an await between, 64 connections",
        "apps:stream",
        apps.CHUNK * apps.CHUNKS,
    ),
    plaintext("pipelined-16", "plaintext, pipelined 16 deep, 64 connections", depth=16),
    plaintext(
        "new-connection",
        "plaintext, a new connection for each request, 64 at a time",
        headers=(("Connection", "close"),),
    ),
    Workload(
        "fastapi-async",
        "FastAPI, JSON, async def, 64 connections",
        "fastapi_app:app",
        ITEM,
        path="/async",
    ),
    Workload(
        "fastapi-sync",
        "FastAPI, JSON, def (thread pool), 64 connections",
        "fastapi_app:app",
        ITEM,
        path="/sync",
    ),
    plaintext(
        "idle-10k",
        "memory of an idle keep-alive connection, 10,000 held, 12 browser headers",
        kind="idle",
        headers=BROWSER_HEADERS,
        connections=10_000,
        ceiling=True,
    ),
    plaintext(
        "start",
        "import, and start to the first answer",
        kind="start",
        connections=1,
        ceiling=True,
    ),
    *WEBSOCKET_WORKLOADS,
)

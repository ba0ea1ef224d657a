"""The table of workloads: what is asked, and the answer it must get.

Only data. `kind` says how a workload is measured:
load         by wrk (load.py)
upload       large bodies on one connection (upload.py)
sse          clients that listen (sse.py)
handshake    new TLS connections (handshake.py)
idle         held connections (idle.py)
start        by starting the server (start.py)
Those of WebSocket stand in websocket.py.
"""

import json
from dataclasses import dataclass

from . import apps
from .websocket import WEBSOCKET_WORKLOADS
from .work import Work

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

MIB = 1024 * 1024
LARGE_UPLOAD = 100_000_000

# In a path or header: eight digits that are others in each request.
VARYING = "{n}"
VARIED_PATH = "/shop/items/{n}?page={n}"
VARIED_COOKIE = "session={n}{n}{n}{n}; theme=dark; seen={n}"


@dataclass(frozen=True, kw_only=True)
class Workload(Work):
    """Requests over HTTP/1.1 that all get one answer."""

    answer: bytes  # the body that every answer must have
    kind: str = "load"
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body_size: int = 0  # bytes of "x" in each request
    depth: int = 1  # requests sent at once on a connection

    @property
    def closes(self):
        """Whether every request has a connection of its own."""
        return ("Connection", "close") in self.headers

    @property
    def varies(self):
        """Whether no two requests are alike."""
        return VARYING in self.path


CEILING = ("ceiling",)  # where each read is one request with the plaintext answer
NGINX = ("nginx",)
BOTH = CEILING + NGINX


def plaintext(name, title, **options):
    """A workload on the plaintext application."""
    options = {"limits": BOTH} | options
    return Workload(
        name=name, title=title, app="apps:plaintext", answer=apps.PLAINTEXT, **options
    )


WORKLOADS = (
    plaintext("plaintext", "plaintext, 64 connections", rate=True, core=True),
    plaintext(
        "headers",
        "12 browser headers with cookie, 64 connections",
        headers=BROWSER_HEADERS,
        rate=True,
        core=True,
    ),
    Workload(
        name="varied",
        title="browser headers, path, query and cookies differ in every request",
        app="apps:named",
        answer=f"{VARIED_PATH} {VARIED_COOKIE}".encode(),
        path=VARIED_PATH,
        headers=(*BROWSER_HEADERS[:-1], ("Cookie", VARIED_COOKIE)),
        core=True,
    ),
    Workload(
        name="fastapi-async",
        title="FastAPI, JSON, async def, 64 connections",
        app="fastapi_app:app",
        answer=ITEM,
        path="/async",
        rate=True,
        core=True,
    ),
    Workload(
        name="fastapi-sync",
        title="FastAPI, JSON, def (thread pool), 64 connections",
        app="fastapi_app:app",
        answer=ITEM,
        path="/sync",
    ),
    Workload(
        name="echo-1k",
        title="POST of 1 KB, echoed, 64 connections",
        app="apps:echo",
        answer=b"x" * 1024,
        method="POST",
        body_size=1024,
        core=True,
    ),
    Workload(
        name="upload-1m",
        title="POST of 1 MiB, drained by receive(), 16 connections",
        app="apps:drain",
        answer=b"%d" % MIB,
        method="POST",
        body_size=MIB,
        connections=16,
    ),
    Workload(
        name="upload-100m",
        title="POST of 100 MB, drained by receive(), one at a time",
        app="apps:drain",
        answer=b"%d" % LARGE_UPLOAD,
        kind="upload",
        method="POST",
        body_size=LARGE_UPLOAD,
        connections=1,
    ),
    Workload(
        name="stream-100",
        title="100 chunks, an await between, 64 connections",
        app="apps:stream",
        answer=apps.CHUNK * apps.CHUNKS,
        core=True,
    ),
    Work(
        name="sse-1000",
        title="server-sent events: 1,000 clients, ten events a second each",
        app="apps:events",
        kind="sse",
        connections=1000,
    ),
    Workload(
        name="answer-64k",
        title="64 KiB, 64 connections",
        app="apps:kib64",
        answer=apps.KIB64,
        path="/64k",
        limits=NGINX,
        rate=True,
    ),
    Workload(
        name="answer-1m",
        title="1 MiB, 16 connections",
        app="apps:mib1",
        answer=apps.MIB1,
        path="/1m",
        connections=16,
        limits=NGINX,
    ),
    Workload(
        name="file",
        title="a file of 256 KiB by Starlette's FileResponse, 16 connections",
        app="file_app:app",
        answer=apps.FILE,
        path="/file",
        connections=16,
        limits=NGINX,
    ),
    plaintext(
        "pipelined-16",
        "plaintext, pipelined 16 deep, 64 connections",
        depth=16,
        limits=NGINX,
    ),
    plaintext("connections-1", "plaintext, 1 connection", connections=1),
    plaintext("connections-512", "plaintext, 512 connections", connections=512),
    plaintext("connections-4096", "plaintext, 4,096 connections", connections=4096),
    plaintext(
        "new-connection",
        "plaintext, a new connection for each request, 64 at a time",
        headers=(("Connection", "close"),),
        limits=NGINX,
    ),
    plaintext("tls", "plaintext over TLS, 64 connections kept", tls=True, limits=NGINX),
    plaintext(
        "tls-handshake",
        "plaintext over TLS, a full handshake for each request",
        kind="handshake",
        headers=(("Connection", "close"),),
        connections=1,
        tls=True,
        limits=NGINX,
    ),
    plaintext(
        "access-log",
        "plaintext with an access log, to a file, 64 connections",
        access_log=True,
        limits=NGINX,
    ),
    plaintext("workers-2", "plaintext, 2 workers", workers=2, limits=NGINX),
    plaintext(
        "idle-10k",
        "memory of an idle keep-alive connection, 10,000 held, 12 browser headers",
        kind="idle",
        headers=BROWSER_HEADERS,
        connections=10_000,
        core=True,
    ),
    plaintext(
        "start",
        "import, and start to the first answer",
        kind="start",
        connections=1,
        core=True,
    ),
    *WEBSOCKET_WORKLOADS,
)

"""Starlette: its middleware, responses and request helpers over real connections."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import httpx
import pytest
from harness.apps import Gate
from harness.client import REQUEST, request
from harness.fixtures import Site
from harness.server import eventually
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles


async def add_header(req: Request, call_next) -> Response:
    response = await call_next(req)
    response.headers["x-passed"] = "yes"
    return response


def application(endpoint, *middleware: Middleware, **options) -> Starlette:
    methods = ["GET", "POST"]
    return Starlette(
        routes=[Route("/{rest:path}", endpoint, methods=methods)],
        middleware=list(middleware),
        **options,
    )


BASE = Middleware(BaseHTTPMiddleware, dispatch=add_header)
MIDDLEWARES = pytest.mark.parametrize(
    "middleware", [[], [BASE], [BASE] * 3], ids=["plain", "base", "three"]
)


@MIDDLEWARES
def test_json(site: Site, middleware: list) -> None:
    async def endpoint(req: Request) -> Response:
        data = await req.json()
        return JSONResponse({"path": req.url.path, "sum": sum(data)})

    site.app = application(endpoint, *middleware)
    with httpx.Client(base_url=site.server.url, timeout=30) as client:
        for _ in range(5):
            answer = client.post("/a b", json=[1, 2, 3])
            assert answer.json() == {"path": "/a b", "sum": 6}
            assert answer.headers.get("x-passed") == ("yes" if middleware else None)


@MIDDLEWARES
def test_streaming_response(site: Site, middleware: list) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for number in range(20):
            yield b"%d," % number
            await asyncio.sleep(0)

    async def endpoint(req: Request) -> Response:
        content = slow() if req.url.path == "/async" else iter([b"a", b"b"])
        return StreamingResponse(content)

    site.app = application(endpoint, *middleware)
    expected = b"".join(b"%d," % n for n in range(20))
    client = site.connect()
    for _ in range(3):
        assert client.exchange(request(target="/async")).body == expected
        assert client.exchange(request(target="/sync")).body == b"ab"


@MIDDLEWARES
def test_background_task_does_not_hold_the_connection(
    site: Site, middleware: list
) -> None:
    gate = Gate()
    done = []

    async def work() -> None:
        await gate.wait()
        done.append(True)

    async def endpoint(req: Request) -> Response:
        if req.url.path == "/work":
            return PlainTextResponse("started", background=BackgroundTask(work))
        return PlainTextResponse("next")

    site.app = application(endpoint, *middleware)
    client = site.connect()
    client.send(request(target="/work") + REQUEST)
    assert client.answer().body == b"started"
    assert client.answer().body == b"next"
    gate.wait_reached()
    assert client.exchange(REQUEST).body == b"next"
    assert not done
    gate.open()
    eventually(lambda: done)


def test_background_task_in_a_thread(site: Site) -> None:
    done = []

    async def endpoint(req: Request) -> Response:
        return Response(background=BackgroundTask(done.append, True))

    site.app = application(endpoint)
    site.connect().exchange(REQUEST)
    eventually(lambda: done)


def test_file_response(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(bytes(range(256)) * 2000)

    async def endpoint(req: Request) -> Response:
        return FileResponse(path, filename="name.bin")

    site.app = application(endpoint, BASE)
    with httpx.Client(base_url=site.server.url, timeout=30) as client:
        whole = client.get("/")
        assert whole.content == path.read_bytes()
        assert whole.headers["content-length"] == "512000"
        part = client.get("/", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, path.read_bytes()[10:20])
        head = client.head("/")
        assert head.headers["content-length"] == "512000" and head.content == b""


def test_static_files(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    site.app = Starlette(routes=[Mount("/static", StaticFiles(directory=tmp_path))])
    with httpx.Client(base_url=site.server.url, timeout=30) as client:
        found = client.get("/static/a.txt")
        assert found.text == "text"
        fields = {"If-None-Match": found.headers["etag"]}
        again = client.get("/static/a.txt", headers=fields)
        assert (again.status_code, again.content) == (304, b"")
        assert client.get("/static/../secret").status_code == 404
        assert client.get("/static/%2e%2e/%2e%2e/etc/passwd").status_code == 404


def test_request_stream_and_form(site: Site) -> None:
    async def endpoint(req: Request) -> Response:
        if req.url.path == "/stream":
            size = 0
            async for part in req.stream():
                size += len(part)
            return JSONResponse(size)
        async with req.form() as form:
            upload = form["file"]
            content = await upload.read()
            return JSONResponse([form["name"], upload.filename, len(content)])

    site.app = application(endpoint, BASE)
    with httpx.Client(base_url=site.server.url, timeout=30) as client:
        pieces = (b"x" * 1000 for _ in range(300))  # sent in chunks
        assert client.post("/stream", content=pieces).json() == 300_000
        files = {"file": ("u.bin", b"y" * 2_000_000)}
        answer = client.post("/form", data={"name": "n"}, files=files)
        assert answer.json() == ["n", "u.bin", 2_000_000]


@MIDDLEWARES
def test_exception_is_500_and_logged_once(site: Site, middleware: list) -> None:
    async def endpoint(req: Request) -> Response:
        raise LookupError("in the endpoint")

    site.app = application(endpoint, *middleware)
    client = site.connect()
    client.send(REQUEST)
    answer = client.last_answer()
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    (error,) = site.errors
    assert "LookupError('in the endpoint')" in error


def test_exception_inside_a_stream_cuts_it(site: Site) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"some"
        raise LookupError("inside")

    async def endpoint(req: Request) -> Response:
        return StreamingResponse(endless())

    site.app = application(endpoint)
    client = site.connect()
    client.send(REQUEST)
    assert client.cut_answer().body == b"some"
    assert len(site.errors) == 1


@MIDDLEWARES
@pytest.mark.parametrize("how", ["close", "reset"])
def test_endless_stream_ends_when_the_client_leaves(
    site: Site, middleware: list, how: str
) -> None:
    ended = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick"
                await asyncio.sleep(0.001)
        finally:
            ended.append(True)

    async def endpoint(req: Request) -> Response:
        return StreamingResponse(endless())

    site.app = application(endpoint, *middleware)
    client = site.connect()
    client.send(REQUEST)
    client.read_until(b"tick")
    getattr(client, how)()
    site.wait_idle()
    # The middleware may leave the iterator to the collector.
    eventually(lambda: ended or gc.collect() and ended)
    assert site.warnings == []


def test_is_disconnected(site: Site) -> None:
    seen = []

    async def endpoint(req: Request) -> Response:
        seen.append(await req.is_disconnected())
        while not await req.is_disconnected():
            await asyncio.sleep(0.001)
        seen.append(True)
        return Response()

    site.app = application(endpoint)
    client = site.connect()
    client.send(REQUEST)
    eventually(lambda: seen)
    client.close()
    eventually(lambda: len(seen) == 2)
    assert seen == [False, True]


@MIDDLEWARES
def test_client_disconnect_inside_a_body_leaves_no_traceback(
    site: Site, middleware: list
) -> None:
    raised = []

    async def endpoint(req: Request) -> Response:
        try:
            await req.body()
        except ClientDisconnect as exc:
            raised.append(exc)
            raise
        return Response()

    site.app = application(endpoint, *middleware)
    client = site.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello")
    client.assert_silent(0.02)
    client.close()
    eventually(lambda: raised)
    site.wait_idle()
    assert site.warnings == []


def test_middleware_that_times_out(site: Site) -> None:
    async def limit(req: Request, call_next) -> Response:
        try:
            with anyio.fail_after(0.01):
                return await call_next(req)
        except TimeoutError:
            return PlainTextResponse("late", 504)

    async def endpoint(req: Request) -> Response:
        await asyncio.sleep(0.1)
        return Response()

    site.app = application(endpoint, Middleware(BaseHTTPMiddleware, dispatch=limit))
    client = site.connect()
    for _ in range(3):
        assert client.exchange(REQUEST).status == 504


def test_gzip_redirects_and_cookies(site: Site) -> None:
    async def endpoint(req: Request) -> Response:
        if req.url.path == "/go":
            return RedirectResponse("/there?x=1")
        answer = PlainTextResponse("there " * 1000)
        answer.set_cookie("a", "1")
        answer.set_cookie("b", "2")
        return answer

    site.app = application(endpoint, Middleware(GZipMiddleware, minimum_size=100))
    with httpx.Client(
        base_url=site.server.url, follow_redirects=True, timeout=30
    ) as client:
        answer = client.get("/go")
        assert str(answer.url).endswith("/there?x=1")
        assert answer.text == "there " * 1000
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers.get_list("set-cookie") == [
            "a=1; Path=/; SameSite=lax",
            "b=2; Path=/; SameSite=lax",
        ]


def test_lifespan_state(start_server: Callable[..., Site]) -> None:
    ended = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette):
        yield {"pool": ["connection"]}
        ended.append(True)

    async def endpoint(req: Request) -> Response:
        return JSONResponse(req.state.pool)

    app = application(endpoint, BASE, lifespan=lifespan)
    site = start_server(served_as=app, lifespan="on")
    assert site.connect().exchange(REQUEST).body == b'["connection"]'
    site.server.stop()
    assert ended

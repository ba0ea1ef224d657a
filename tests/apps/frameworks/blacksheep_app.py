"""common.py's contract in BlackSheep, which has no background tasks of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import common
from blacksheep import (
    Application,
    Cookie,
    Request,
    Response,
    StreamedContent,
    get,
    head,
    json,
    post,
    see_other,
    text,
)
from blacksheep.exceptions import HTTPException
from blacksheep.server.responses import file as file_response

app = Application()


class Pool(list[str]):
    """What startup makes; found by its type."""


tasks: set[asyncio.Task[None]] = set()


@app.lifespan
async def lifespan() -> AsyncIterator[None]:
    common.note("startup")
    app.services.add_instance(Pool(common.POOL))
    yield
    common.note("shutdown")


@app.exception_handler(common.TEAPOT)
async def on_error(self: Any, request: Request, error: HTTPException) -> Response:
    return text(str(error), error.status)


@get("/")
async def index() -> Response:
    return text("hello")


@head("/")
async def head_of_index() -> Response:
    return text("hello")


@get("/greet/{name}")
async def greet(name: str, times: int) -> dict[str, Any]:
    return {"name": name, "times": times}


@post("/json")
async def add(request: Request) -> dict[str, Any]:
    data = await request.json()
    return {"sum": sum(data["numbers"]), "text": data["text"]}


@post("/form")
async def form(request: Request) -> dict[str, Any]:
    fields: Any = await request.form()
    return {"name": fields["name"], "tags": fields["tag"]}


@post("/upload")
async def upload(request: Request) -> dict[str, Any]:
    fields: Any = await request.form()
    (file,) = await request.files("file")
    name = file.file_name.decode() if file.file_name else None
    return common.about_upload(fields["title"], name, file.data)


@post("/digest")
async def digest(request: Request) -> dict[str, Any]:
    body = common.Digest()
    async for part in request.stream():
        body.add(part)
    return body.result


def attachment() -> Response:
    data = common.DOWNLOAD.read_bytes()
    return file_response(data, "application/octet-stream", file_name="file.bin")


@get("/download")
async def download() -> Response:
    return attachment()


@head("/download")
async def head_of_download() -> Response:
    return attachment()


def streamed(parts: AsyncIterator[bytes]) -> Response:
    async def provider() -> AsyncIterator[bytes]:
        async for part in parts:
            yield part

    return Response(200, content=StreamedContent(b"text/plain", provider))


@get("/stream")
async def stream(count: int) -> Response:
    return streamed(common.numbers(count))


@get("/endless")
async def endless(request: Request) -> Response:
    async def until_gone() -> AsyncIterator[bytes]:
        async with contextlib.aclosing(common.ticks()) as ticks:
            async for tick in ticks:
                if await request.is_disconnected():
                    break
                yield tick

    return streamed(until_gone())


@get("/fails")
def fails() -> None:
    common.fail()


@get("/breaks")
async def breaks() -> Response:
    return streamed(common.broken())


@get("/teapot")
async def teapot() -> None:
    raise HTTPException(common.TEAPOT, common.SHORT_AND_STOUT)


@get("/cookies")
async def cookies() -> Response:
    response = text("")
    response.set_cookies([Cookie("a", "1"), Cookie("b", "2")])
    return response


@get("/redirect")
async def redirect() -> Response:
    return see_other(common.WHERE_TO)


@get("/peer")
async def peer(request: Request) -> dict[str, Any]:
    return {"scheme": request.scheme, "client": request.client_ip}


@get("/state")
async def state(pool: Pool) -> Response:
    return json(pool)


@post("/after")
async def after() -> Response:
    task = asyncio.create_task(common.work())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return text("accepted", common.ACCEPTED)

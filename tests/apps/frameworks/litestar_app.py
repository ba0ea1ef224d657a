"""common.py's contract in Litestar."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import common
from litestar import Litestar, MediaType, Request, Response, get, head, post
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import State, UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException
from litestar.params import Body
from litestar.response import File, Redirect, Stream


@contextlib.asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    common.note("startup")
    app.state.pool = common.POOL
    yield
    common.note("shutdown")


@get("/", media_type=MediaType.TEXT)
async def index() -> str:
    return "hello"


@head("/")
async def head_of_index() -> Response[None]:
    return Response(None, media_type=MediaType.TEXT, headers={"content-length": "5"})


@get("/greet/{name:str}")
async def greet(name: str, times: int) -> dict[str, Any]:
    return {"name": name, "times": times}


@post("/json", status_code=200)
async def add(data: dict[str, Any]) -> dict[str, Any]:
    return {"sum": sum(data["numbers"]), "text": data["text"]}


@post("/form", status_code=200)
async def form(request: Request[Any, Any, Any]) -> dict[str, Any]:
    fields = await request.form()
    return {"name": fields["name"], "tags": fields.getall("tag")}


Multipart = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]


@post("/upload", status_code=200)
async def upload(data: Multipart) -> dict[str, Any]:
    file: UploadFile = data["file"]
    return common.about_upload(data["title"], file.filename, await file.read())


@post("/digest", status_code=200, request_max_body_size=None)
async def digest(request: Request[Any, Any, Any]) -> dict[str, Any]:
    body = common.Digest()
    async for part in request.stream():
        body.add(part)
    return body.result


@get("/download")
async def download() -> File:
    return File(common.DOWNLOAD, filename="file.bin")


@head("/download")
async def head_of_download() -> Response[None]:
    length = str(common.DOWNLOAD.stat().st_size)
    return Response(None, headers={"content-length": length})


@get("/stream")
async def stream(count: int) -> Stream:
    return Stream(common.numbers(count))


@get("/endless")
async def endless() -> Stream:
    return Stream(common.ticks())


@get("/fails", sync_to_thread=True)
def fails() -> None:
    common.fail()


@get("/breaks")
async def breaks() -> Stream:
    return Stream(common.broken())


@get("/teapot")
async def teapot() -> None:
    raise HTTPException(common.SHORT_AND_STOUT, status_code=common.TEAPOT)


@get("/cookies")
async def cookies() -> Response[None]:
    response = Response(None)
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@get("/redirect", status_code=common.SEE_OTHER)
async def redirect() -> Redirect:
    return Redirect(common.WHERE_TO, status_code=common.SEE_OTHER)


@get("/peer")
async def peer(request: Request[Any, Any, Any]) -> dict[str, str]:
    assert request.client is not None
    return {"scheme": request.url.scheme, "client": request.client.host}


@get("/state")
async def get_state(state: State) -> list[str]:
    pool: list[str] = state.pool
    return pool


@post("/after", status_code=common.ACCEPTED, media_type=MediaType.TEXT)
async def after() -> Response[str]:
    return Response("accepted", background=BackgroundTask(common.work))


app = Litestar(
    [index, head_of_index, greet, add, form, upload, digest, download]
    + [head_of_download, stream, endless, fails, breaks, teapot, cookies, redirect]
    + [peer, get_state, after],
    lifespan=[lifespan],
)

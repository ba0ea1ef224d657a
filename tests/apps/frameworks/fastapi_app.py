"""common.py's contract in FastAPI: typed parameters, models, some views in threads."""

from __future__ import annotations

from typing import Annotated, Any

import common
from fastapi import (
    BackgroundTasks,
    FastAPI,
    File,
    Form,
    HTTPException,
    Request,
    Response,
    UploadFile,
)
from fastapi.responses import (
    FileResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from pydantic import BaseModel

app = FastAPI(lifespan=common.lifespan)


class Numbers(BaseModel):
    numbers: list[int]
    text: str


# A view that is no coroutine function runs in a thread. HEAD is not GET here.
@app.api_route("/", methods=["GET", "HEAD"], response_class=PlainTextResponse)
def index() -> str:
    return "hello"


@app.get("/greet/{name}")
async def greet(name: str, times: int) -> dict[str, Any]:
    return {"name": name, "times": times}


@app.post("/json")
async def add(data: Numbers) -> dict[str, Any]:
    return {"sum": sum(data.numbers), "text": data.text}


@app.post("/form")
async def form(
    name: Annotated[str, Form()], tag: Annotated[list[str], Form()]
) -> dict[str, Any]:
    return {"name": name, "tags": tag}


@app.post("/upload")
def upload(
    title: Annotated[str, Form()], file: Annotated[UploadFile, File()]
) -> dict[str, Any]:
    return common.about_upload(title, file.filename, file.file.read())


@app.post("/digest")
async def digest(request: Request) -> dict[str, Any]:
    body = common.Digest()
    async for part in request.stream():
        body.add(part)
    return body.result


@app.api_route("/download", methods=["GET", "HEAD"])
async def download() -> FileResponse:
    return FileResponse(common.DOWNLOAD, filename="file.bin")


@app.get("/stream")
async def stream(count: int) -> StreamingResponse:
    return StreamingResponse(common.sync_numbers(count))


@app.get("/endless")
async def endless() -> StreamingResponse:
    return StreamingResponse(common.ticks())


@app.get("/fails")
def fails() -> None:
    common.fail()


@app.get("/breaks")
async def breaks() -> StreamingResponse:
    return StreamingResponse(common.sync_broken())


@app.get("/teapot")
async def teapot() -> None:
    raise HTTPException(common.TEAPOT, common.SHORT_AND_STOUT)


@app.get("/cookies")
async def cookies(response: Response) -> None:
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")


@app.get("/redirect")
async def redirect() -> RedirectResponse:
    return RedirectResponse(common.WHERE_TO, common.SEE_OTHER)


@app.get("/peer")
async def peer(request: Request) -> dict[str, str]:
    assert request.client is not None
    return {"scheme": request.url.scheme, "client": request.client.host}


@app.get("/state")
async def state(request: Request) -> list[str]:
    pool: list[str] = request.state.pool
    return pool


@app.post("/after", status_code=common.ACCEPTED, response_class=PlainTextResponse)
async def after(tasks: BackgroundTasks) -> str:
    tasks.add_task(common.sync_work)
    return "accepted"

"""common.py's contract in Starlette."""

from __future__ import annotations

from typing import Any

import common
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route


async def index(request: Request) -> Response:
    return PlainTextResponse("hello")


async def greet(request: Request) -> Response:
    times = int(request.query_params["times"])
    return JSONResponse({"name": request.path_params["name"], "times": times})


async def add(request: Request) -> Response:
    data = await request.json()
    return JSONResponse({"sum": sum(data["numbers"]), "text": data["text"]})


async def form(request: Request) -> Response:
    async with request.form() as fields:
        return JSONResponse({"name": fields["name"], "tags": fields.getlist("tag")})


async def upload(request: Request) -> Response:
    async with request.form() as fields:
        file: Any = fields["file"]
        about = common.about_upload(fields["title"], file.filename, await file.read())
        return JSONResponse(about)


async def digest(request: Request) -> Response:
    body = common.Digest()
    async for part in request.stream():
        body.add(part)
    return JSONResponse(body.result)


async def download(request: Request) -> Response:
    return FileResponse(common.DOWNLOAD, filename="file.bin")


async def stream(request: Request) -> Response:
    return StreamingResponse(common.numbers(int(request.query_params["count"])))


async def endless(request: Request) -> Response:
    return StreamingResponse(common.ticks())


async def fails(request: Request) -> Response:
    common.fail()
    return Response()


async def breaks(request: Request) -> Response:
    return StreamingResponse(common.broken())


async def teapot(request: Request) -> Response:
    raise HTTPException(common.TEAPOT, common.SHORT_AND_STOUT)


async def cookies(request: Request) -> Response:
    response = Response()
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


async def redirect(request: Request) -> Response:
    return RedirectResponse(common.WHERE_TO, common.SEE_OTHER)


async def peer(request: Request) -> Response:
    assert request.client is not None
    return JSONResponse({"scheme": request.url.scheme, "client": request.client.host})


async def state(request: Request) -> Response:
    return JSONResponse(request.state.pool)


async def after(request: Request) -> Response:
    task = BackgroundTask(common.work)
    return PlainTextResponse("accepted", common.ACCEPTED, background=task)


def routes() -> list[Route]:
    gets = [download, stream, endless, fails, breaks, teapot, cookies, redirect]
    gets += [peer, state]
    posts = [form, upload, digest, after]
    return [
        Route("/", index),
        Route("/greet/{name}", greet),
        Route("/json", add, methods=["POST"]),
        *(Route(f"/{view.__name__}", view) for view in gets),
        *(Route(f"/{view.__name__}", view, methods=["POST"]) for view in posts),
    ]


app = Starlette(routes=routes(), lifespan=common.lifespan)

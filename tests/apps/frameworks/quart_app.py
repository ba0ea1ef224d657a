"""common.py's contract in Quart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import common
from quart import Quart, Response, abort, redirect, request, send_file

app = Quart(__name__)
app.config["MAX_CONTENT_LENGTH"] = None


@app.while_serving
async def lifespan() -> AsyncIterator[None]:
    common.note("startup")
    app.extensions["pool"] = common.POOL
    yield
    common.note("shutdown")


@app.get("/")
async def index() -> Response:
    return Response("hello", mimetype="text/plain")


@app.get("/greet/<name>")
async def greet(name: str) -> dict[str, Any]:
    return {"name": name, "times": request.args.get("times", type=int)}


@app.post("/json")
async def add() -> dict[str, Any]:
    data = await request.get_json()
    return {"sum": sum(data["numbers"]), "text": data["text"]}


@app.post("/form")
async def form() -> dict[str, Any]:
    fields = await request.form
    return {"name": fields["name"], "tags": fields.getlist("tag")}


@app.post("/upload")
async def upload() -> dict[str, Any]:
    fields = await request.form
    file = (await request.files)["file"]
    return common.about_upload(fields["title"], file.filename, file.read())


@app.post("/digest")
async def digest() -> dict[str, Any]:
    body = common.Digest()
    async for part in request.body:
        body.add(part)
    return body.result


@app.get("/download")
async def download() -> Response:
    return await send_file(
        common.DOWNLOAD, as_attachment=True, attachment_filename="file.bin"
    )


@app.get("/stream")
async def stream() -> Response:
    return Response(common.numbers(int(request.args["count"])))


@app.get("/endless")
async def endless() -> Response:
    return Response(common.ticks())


@app.get("/fails")
def fails() -> str:
    common.fail()
    return ""


@app.get("/breaks")
async def breaks() -> Response:
    return Response(common.broken())


@app.get("/teapot")
async def teapot() -> None:
    abort(common.TEAPOT, common.SHORT_AND_STOUT)


@app.get("/cookies")
async def cookies() -> Response:
    response = Response("")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@app.get("/redirect")
async def redirected() -> Any:
    return redirect(common.WHERE_TO, common.SEE_OTHER)


@app.get("/peer")
async def peer() -> dict[str, Any]:
    return {"scheme": request.scheme, "client": request.remote_addr}


@app.get("/state")
async def state() -> list[str]:
    pool: list[str] = app.extensions["pool"]
    return pool


@app.post("/after")
async def after() -> tuple[str, int]:
    app.add_background_task(common.work)
    return "accepted", common.ACCEPTED

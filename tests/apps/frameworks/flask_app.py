"""common.py's contract in Flask: WSGI, so without a lifespan and its state."""

from __future__ import annotations

from typing import Any

import common
from flask import Flask, Response, abort, redirect, request, send_file

app = Flask(__name__)


@app.get("/")
def index() -> Response:
    return Response("hello", mimetype="text/plain")


@app.get("/greet/<name>")
def greet(name: str) -> dict[str, Any]:
    return {"name": name, "times": request.args.get("times", type=int)}


@app.post("/json")
def add() -> dict[str, Any]:
    data = request.get_json()
    return {"sum": sum(data["numbers"]), "text": data["text"]}


@app.post("/form")
def form() -> dict[str, Any]:
    return {"name": request.form["name"], "tags": request.form.getlist("tag")}


@app.post("/upload")
def upload() -> dict[str, Any]:
    file = request.files["file"]
    return common.about_upload(request.form["title"], file.filename, file.read())


@app.post("/digest")
def digest() -> dict[str, Any]:
    body = common.Digest()
    while part := request.stream.read(65536):
        body.add(part)
    return body.result


@app.get("/download")
def download() -> Response:
    return send_file(common.DOWNLOAD, as_attachment=True, download_name="file.bin")


@app.get("/stream")
def stream() -> Response:
    return Response(common.sync_numbers(int(request.args["count"])))


@app.get("/fails")
def fails() -> str:
    common.fail()
    return ""


@app.get("/breaks")
def breaks() -> Response:
    return Response(common.sync_broken())


@app.get("/teapot")
def teapot() -> None:
    abort(common.TEAPOT, common.SHORT_AND_STOUT)


@app.get("/cookies")
def cookies() -> Response:
    response = Response("")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@app.get("/redirect")
def redirected() -> Any:
    return redirect(common.WHERE_TO, common.SEE_OTHER)


@app.get("/peer")
def peer() -> dict[str, Any]:
    return {"scheme": request.scheme, "client": request.remote_addr}


@app.post("/after")
def after() -> Response:
    response = Response("accepted", common.ACCEPTED)
    response.call_on_close(common.sync_work)
    return response

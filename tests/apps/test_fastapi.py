"""A FastAPI application: what one would write, over a real connection with httpx."""

from __future__ import annotations

import asyncio
import gc
import http
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import (
    BackgroundTasks,
    Depends,
    FastAPI,
    Form,
    Header,
    HTTPException,
    Request,
    UploadFile,
)
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from harness.client import request as raw_request
from harness.fixtures import Site
from harness.server import eventually
from pydantic import BaseModel, Field

app = FastAPI()
log: list[str] = []


class Item(BaseModel):
    name: str
    price: float = Field(gt=0)
    tags: list[str] = []


class Teapot(Exception):
    pass


@app.exception_handler(Teapot)
async def on_teapot(request: Request, exc: Teapot) -> JSONResponse:
    return JSONResponse({"teapot": str(exc)}, 418)


@app.middleware("http")
async def add_time(request: Request, call_next: Any) -> Any:
    response = await call_next(request)
    response.headers["x-middleware"] = "1"
    return response


async def session() -> AsyncIterator[str]:
    log.append("open")
    try:
        yield "session"
    finally:
        log.append("close")


def sync_session() -> Iterator[str]:
    log.append("sync open")
    yield "sync session"
    log.append("sync close")


@app.get("/json")
async def get_json() -> dict[str, Any]:
    return {"text": "déjà vu", "number": 1.5, "list": [1, None, True]}


@app.get("/items/{number}")
async def get_item(number: int, q: str = "none") -> dict[str, Any]:
    return {"number": number, "q": q}


@app.post("/items", status_code=http.HTTPStatus.CREATED)
async def post_item(item: Item) -> Item:
    return item


@app.get("/sync")
def get_sync() -> dict[str, str]:
    return {"thread": threading.current_thread().name}


ten_threads = threading.Barrier(10, timeout=30)


@app.get("/meet")
def meet() -> int:
    return ten_threads.wait()


@app.post("/form")
async def post_form(name: Annotated[str, Form()], age: Annotated[int, Form()]) -> str:
    return f"{name} {age}"


@app.post("/upload")
async def upload(files: list[UploadFile]) -> list[int]:
    return [len(await file.read()) for file in files]


@app.get("/stream")
async def stream(count: int) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for number in range(count):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/events")
async def events() -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        try:
            for number in range(10_000):
                yield f"id: {number}\ndata: tick\n\n"
                await asyncio.sleep(0.002)
        finally:
            log.append("events ended")

    return StreamingResponse(parts(), media_type="text/event-stream")


@app.get("/file")
async def file() -> FileResponse:
    return FileResponse(__file__)


@app.get("/background")
async def background(tasks: BackgroundTasks) -> str:
    async def work() -> None:
        await asyncio.sleep(0.05)
        log.append("worked")

    tasks.add_task(work)
    return "accepted"


@app.get("/depends")
async def depends(
    one: Annotated[str, Depends(session)], two: Annotated[str, Depends(sync_session)]
) -> list[str]:
    log.append("used")
    return [one, two]


@app.get("/header")
async def header(x_token: Annotated[list[str] | None, Header()] = None) -> list[str]:
    return x_token or []


@app.get("/fails/{how}")
async def fails(how: str, one: Annotated[str, Depends(session)]) -> None:
    if how == "http":
        raise HTTPException(403, "no", {"X-Why": "because"})
    if how == "teapot":
        raise Teapot("short and stout")
    raise LookupError("unhandled")


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    log.clear()
    site.app = app
    with httpx.Client(base_url=site.server.url, timeout=30) as client:
        yield client


def test_json(client: httpx.Client) -> None:
    answer = client.get("/json")
    assert answer.json() == {"text": "déjà vu", "number": 1.5, "list": [1, None, True]}
    assert answer.headers["x-middleware"] == "1"
    assert answer.headers["server"] == "fastserve"


def test_path_and_query(client: httpx.Client) -> None:
    assert client.get("/items/7", params={"q": "a b&c"}).json() == {
        "number": 7,
        "q": "a b&c",
    }
    assert client.get("/items/x").status_code == 422
    assert client.get("/nowhere").status_code == 404
    assert client.delete("/json").status_code == 405


def test_pydantic_body(client: httpx.Client) -> None:
    item = {"name": "a", "price": 1.5, "tags": ["x"]}
    answer = client.post("/items", json=item)
    assert (answer.status_code, answer.json()) == (201, item)
    assert client.post("/items", json={"name": "a", "price": -1}).status_code == 422
    assert client.post("/items", content=b"{").status_code == 422


def test_sync_route_runs_in_a_thread(client: httpx.Client) -> None:
    assert client.get("/sync").json()["thread"] != threading.current_thread().name
    names = {client.get("/sync").json()["thread"] for _ in range(5)}
    assert "MainThread" not in names


def test_sync_routes_run_beside_one_another(client: httpx.Client, site: Site) -> None:
    clients = [site.connect() for _ in range(10)]
    for one in clients:
        one.send(raw_request(target="/meet"))
    assert [one.answer().status for one in clients] == [200] * 10


def test_forms_and_uploads(client: httpx.Client) -> None:
    assert client.post("/form", data={"name": "n", "age": "3"}).json() == "n 3"
    files = [("files", b"x" * 1000), ("files", b"y" * 1_500_000)]
    assert client.post("/upload", files=files).json() == [1000, 1_500_000]


def test_stream(client: httpx.Client) -> None:
    with client.stream("GET", "/stream", params={"count": 100}) as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        assert list(answer.iter_lines()) == [str(n) for n in range(100)]
    assert client.get("/json").status_code == 200


def test_server_sent_events(client: httpx.Client, site: Site) -> None:
    with client.stream("GET", "/events") as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(6)] == [
            "id: 0",
            "data: tick",
            "",
            "id: 1",
            "data: tick",
            "",
        ]
    site.wait_idle()
    # The middleware may leave the iterator to the collector.
    eventually(lambda: "events ended" in log or gc.collect() and "events ended" in log)
    assert site.warnings == []


def test_file(client: httpx.Client) -> None:
    assert client.get("/file").content == Path(__file__).read_bytes()


def test_background(client: httpx.Client) -> None:
    assert client.get("/background").json() == "accepted"
    assert client.get("/json").status_code == 200
    assert log == []
    eventually(lambda: log == ["worked"])


def test_dependencies_with_yield(client: httpx.Client) -> None:
    assert client.get("/depends").json() == ["session", "sync session"]
    eventually(lambda: len(log) == 5)
    assert log == ["open", "sync open", "used", "sync close", "close"]


def test_headers(client: httpx.Client) -> None:
    fields = [("X-Token", "a"), ("x-token", "b")]
    assert client.get("/header", headers=fields).json() == ["a", "b"]
    assert client.get("/header").json() == []


def test_exception_handlers(client: httpx.Client, site: Site) -> None:
    answer = client.get("/fails/http")
    assert (answer.status_code, answer.json()) == (403, {"detail": "no"})
    assert answer.headers["x-why"] == "because"
    answer = client.get("/fails/teapot")
    assert (answer.status_code, answer.json()) == (418, {"teapot": "short and stout"})
    answer = client.get("/fails/unhandled")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    site.wait_for_message("Exception in ASGI application")  # raised after the answer
    (error,) = site.errors
    assert "LookupError('unhandled')" in error
    assert log == ["open", "close"] * 3


def test_docs(client: httpx.Client) -> None:
    assert "swagger" in client.get("/docs").text
    assert client.get("/openapi.json").json()["openapi"].startswith("3.")


def test_many_at_once(client: httpx.Client, site: Site) -> None:
    async def gather() -> list[int]:
        limits = httpx.Limits(max_connections=20)
        url = site.server.url
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as many:
            paths = ["/json", "/items/1", "/sync", "/depends"] * 25
            answers = await asyncio.gather(*(many.get(path) for path in paths))
            return [answer.status_code for answer in answers]

    assert asyncio.run(gather()) == [200] * 100

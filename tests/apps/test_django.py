"""A Django project in one file, served through its ASGI handler.

Django waits for the client's leaving and for the view at once, in two tasks, and
cancels the view when the client is first.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import django
import httpx
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.signals import request_finished
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path
from harness.client import request as raw_request
from harness.fixtures import Site
from harness.server import eventually

log: list[str] = []


async def index(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return JsonResponse({"path": request.path, "get": dict(request.GET.items())})


def in_thread(request: HttpRequest) -> HttpResponse:
    return HttpResponse(threading.current_thread().name)


async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type=request.content_type)


def form(request: HttpRequest) -> HttpResponse:
    size = request.FILES["file"].size
    return JsonResponse({"name": request.POST["name"], "size": size})


async def stream(request: HttpRequest) -> HttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(50):
            yield b"%d," % number
            await asyncio.sleep(0)

    return StreamingHttpResponse(parts())


async def endless(request: HttpRequest) -> HttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick"
                await asyncio.sleep(0.001)
        finally:
            log.append("stream ended")

    return StreamingHttpResponse(parts())


async def slow(request: HttpRequest) -> HttpResponse:
    log.append("slow began")
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        log.append("slow cancelled")
        raise
    return HttpResponse()


def download(request: HttpRequest) -> HttpResponse:
    return FileResponse(open(__file__, "rb"))


async def fails(request: HttpRequest) -> HttpResponse:
    raise LookupError("in the view")


urlpatterns = [
    path("", index),
    path("thread", in_thread),
    path("echo", echo),
    path("form", form),
    path("stream", stream),
    path("endless", endless),
    path("slow", slow),
    path("download", download),
    path("fails", fails),
]


@pytest.fixture(scope="module")
def application():
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF=__name__,
            MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
            SECRET_KEY="only for tests",
            LOGGING_CONFIG=None,
            DATA_UPLOAD_MAX_MEMORY_SIZE=10_000_000,
        )
        django.setup()
    return get_asgi_application()


@pytest.fixture
def client(site: Site, application) -> Iterator[httpx.Client]:
    log.clear()
    site.app = application
    with httpx.Client(base_url=site.server.url, timeout=30) as client:
        yield client


def test_async_view(client: httpx.Client) -> None:
    assert client.get("/?a=1&b=%20").json() == {
        "path": "/",
        "get": {"a": "1", "b": " "},
    }
    assert client.get("/nowhere").status_code == 404


def test_sync_view(client: httpx.Client) -> None:
    for _ in range(5):
        assert client.get("/thread").status_code == 200


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
def test_body(client: httpx.Client, size: int) -> None:
    assert client.post("/echo", content=b"x" * size).content == b"x" * size
    if size:
        chunks = (b"y" * (size // 5) for _ in range(5))
        assert client.post("/echo", content=chunks).content == b"y" * (size // 5 * 5)


def test_form_and_file(client: httpx.Client) -> None:
    answer = client.post(
        "/form", data={"name": "n"}, files={"file": ("f", b"z" * 3_000_000)}
    )
    assert answer.json() == {"name": "n", "size": 3_000_000}


def test_stream(client: httpx.Client) -> None:
    for _ in range(3):
        assert client.get("/stream").text == "".join(f"{n}," for n in range(50))


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_download(client: httpx.Client) -> None:
    assert client.get("/download").content == Path(__file__).read_bytes()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_cancels_the_view(
    client: httpx.Client, site: Site, how: str
) -> None:
    raw = site.connect()
    raw.send(raw_request(target="/slow"))
    eventually(lambda: log == ["slow began"])
    getattr(raw, how)()
    eventually(lambda: log == ["slow began", "slow cancelled"])
    site.wait_idle()
    assert site.warnings == []


def test_a_client_that_leaves_lets_database_connections_go(
    client: httpx.Client, site: Site
) -> None:
    """Django closes them at the signal, which a lost CancelledError would cost."""

    def finished(**kwargs: object) -> None:
        log.append("finished")

    request_finished.connect(finished)
    try:
        raw = site.connect()
        raw.send(raw_request(target="/slow"))
        eventually(lambda: log == ["slow began"])
        raw.close()
        eventually(lambda: log == ["slow began", "slow cancelled", "finished"])
    finally:
        request_finished.disconnect(finished)


def test_a_client_that_leaves_ends_the_stream(client: httpx.Client, site: Site) -> None:
    raw = site.connect()
    raw.send(raw_request(target="/endless"))
    raw.read_until(b"tick")
    raw.close()
    eventually(lambda: log == ["stream ended"])
    assert site.warnings == []


def test_fault_in_a_view(client: httpx.Client) -> None:
    assert client.get("/fails").status_code == 500
    assert client.get("/").status_code == 200

"""The application in examples/, route by route, as its page says to try it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets.sync.client
from harness.fixtures import Site
from harness.server import eventually

FILE = Path(__file__).parents[2] / "examples" / "app.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("example_app", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


@pytest.fixture
def client(site: Site, example) -> Iterator[httpx.Client]:
    site.app = example
    with httpx.Client(base_url=site.server.url, timeout=30) as client:
        yield client


def test_page(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for link in re.findall(r'href="([^"]+)"', page.text):
        with client.stream("GET", link) as answer:
            assert answer.status_code == (404 if link == "/books/9" else 200), link


def test_json(client: httpx.Client) -> None:
    books = client.get("/books").json()
    assert books["2"] == client.get("/books/2").json()["title"]


def test_path_parameter(client: httpx.Client) -> None:
    assert client.get("/books/9").json() == {"detail": "no such book"}
    assert client.get("/books/x").status_code == 422


def test_pydantic_body(client: httpx.Client) -> None:
    answer = client.post("/orders", json={"price": 20, "quantity": 3})
    assert (answer.status_code, answer.json()) == (201, {"total": 60})
    assert client.post("/orders", json={"price": -1}).status_code == 422


def test_form(client: httpx.Client) -> None:
    answer = client.post("/greetings", data={"name": "Grace"})
    assert answer.json() == {"greeting": "Hello, Grace!"}
    assert client.post("/greetings", data={"name": ""}).status_code == 422


def test_upload(client: httpx.Client) -> None:
    data = os.urandom(300_000)
    answer = client.post("/files", files={"file": ("data", data)})
    digest = hashlib.sha256(data).hexdigest()
    assert (answer.status_code, answer.json()) == (
        201,
        {"size": len(data), "sha256": digest},
    )


def test_websocket(client: httpx.Client, site: Site) -> None:
    url = site.server.url.replace("http", "ws", 1)
    with websockets.sync.client.connect(f"{url}/echo") as socket:
        for text in ("Hello?", "h\u00e9"):
            socket.send(text)
            assert socket.recv(timeout=30) == text


def test_sync_route(client: httpx.Client) -> None:
    assert client.get("/thread").json()["thread"]


def test_streamed_response(client: httpx.Client) -> None:
    """Line by line: the first is there before the last is made."""
    with client.stream("GET", "/count", params={"to": 3}) as answer:
        assert list(answer.iter_lines()) == ["1", "2", "3"]
    with client.stream("GET", "/count", params={"to": 1_000_000}) as answer:
        assert next(answer.iter_lines()) == "1"


def test_file_download(client: httpx.Client) -> None:
    answer = client.get("/source")
    assert answer.content == FILE.read_bytes()
    assert "attachment" in answer.headers["content-disposition"]


def test_server_sent_events(client: httpx.Client, site: Site) -> None:
    with client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert re.fullmatch(r"data: \d\d:\d\d:\d\d UTC", next(answer.iter_lines()))
    eventually(lambda: not site.server.server.server_state.tasks)
    assert site.warnings == []


def test_docs(client: httpx.Client) -> None:
    assert "swagger" in client.get("/docs").text
    paths = client.get("/openapi.json").json()["paths"]
    assert "/books/{number}" in paths

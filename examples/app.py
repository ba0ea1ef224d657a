"""A FastAPI application with one route of each kind that a server must carry.

    fastserve --app-dir examples app:app

then http://127.0.0.1:8000 in a browser, or the commands that the page lists.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Form, HTTPException, UploadFile, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, Field

# FastAPI whose /docs loads its scripts from here, not from another host.
app = FastAPIOffline(title="fastserve's example")

BOOKS = {
    1: "The C Programming Language",
    2: "TCP/IP Illustrated, Volume 1",
    3: "The Art of Unix Programming",
}

INDEX = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>fastserve's example</title>
<style>body { font: 1rem/1.5 sans-serif; margin: 2rem auto; max-width: 44rem }</style>
<h1>It works</h1>
<ul>
  <li><a href="/books">/books</a>: JSON
  <li><a href="/books/2">/books/2</a>: a path parameter (<a href="/books/9">404</a>)
  <li><code>curl -d '{"price": 20, "quantity": 3}' -H 'Content-Type: application/json'
      http://127.0.0.1:8000/orders</code>: a body, checked by pydantic
  <li><a href="/thread">/thread</a>: a plain <code>def</code>, run in a thread
  <li><a href="/count?to=10">/count?to=10</a>: a streamed answer
      (<code>curl -N</code> shows it line by line)
  <li><a href="/source">/source</a>: a file to download
  <li><a href="/events">/events</a>: server-sent events: <b id="clock">...</b>
  <li><a href="/docs">/docs</a>: the generated documentation
</ul>
<form method="post" action="/greetings">
  A form: <input name="name" value="Ada" required> <button>Greet</button>
</form>
<form method="post" action="/files" enctype="multipart/form-data">
  An upload: <input type="file" name="file" required> <button>Send</button>
</form>
<form id="chat">
  A WebSocket: <input name="text" value="Hello?"> <button>Say</button>
  <b id="echo"></b>
</form>
<script>
  new EventSource("/events").onmessage = (event) => {
    document.getElementById("clock").textContent = event.data;
  };
  const socket = new WebSocket(location.href.replace(/^http/, "ws") + "echo");
  socket.onmessage = (event) => {
    document.getElementById("echo").textContent = event.data;
  };
  document.getElementById("chat").onsubmit = (event) => {
    event.preventDefault();
    socket.send(event.target.text.value);
  };
</script>
</html>
"""


class Order(BaseModel):
    """What POST /orders takes."""

    price: float = Field(gt=0)
    quantity: int = Field(default=1, ge=1)


class Receipt(BaseModel):
    """What POST /orders answers."""

    total: float


@app.get("/", include_in_schema=False)
async def index() -> HTMLResponse:
    return HTMLResponse(INDEX)


@app.get("/books")
async def list_books() -> dict[int, str]:
    return BOOKS


@app.get("/books/{number}")
async def show_book(number: int) -> dict[str, str]:
    if number not in BOOKS:
        raise HTTPException(404, "no such book")
    return {"title": BOOKS[number]}


@app.post("/orders", status_code=201)
async def place_order(order: Order) -> Receipt:
    return Receipt(total=order.price * order.quantity)


@app.post("/greetings")
async def greet(name: Annotated[str, Form(min_length=1)]) -> dict[str, str]:
    return {"greeting": f"Hello, {name}!"}


@app.post("/files", status_code=201)
async def store_file(file: UploadFile) -> dict[str, int | str]:
    """The file's size and digest; it is not kept."""
    size, digest = 0, hashlib.sha256()
    while piece := await file.read(64 * 1024):
        size += len(piece)
        digest.update(piece)
    return {"size": size, "sha256": digest.hexdigest()}


@app.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    with suppress(WebSocketDisconnect):  # the peer may leave at any await
        while True:
            await socket.send_text(await socket.receive_text())


@app.get("/thread")
def name_thread() -> dict[str, str]:
    """A function without async runs in a thread, so that it may block."""
    return {"thread": threading.current_thread().name}


@app.get("/count")
async def count(to: int = 5) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(1, to + 1):
            yield f"{number}\n"
            await asyncio.sleep(0.1)

    return StreamingResponse(lines(), media_type="text/plain")


@app.get("/source")
async def download_source() -> FileResponse:
    return FileResponse(__file__, filename="app.py", media_type="text/x-python")


@app.get("/events")
async def send_events() -> StreamingResponse:
    """The time, once a second, until the client goes away."""

    async def events() -> AsyncIterator[str]:
        while True:
            now = datetime.now(UTC)
            yield f"data: {now:%H:%M:%S} UTC\n\n"
            await asyncio.sleep(1)

    return StreamingResponse(
        events(),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store"},
    )

"""A page whose script uses WebSockets, and the server's side of them.

    /        the page; its load ends when the script has posted what it found
    /echo    sends each message back; "close, please" closes with 4002
    /deny    403
    /seen    JSON: how each WebSocket ended, as the application was told
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>WebSocket</title>
<pre id="found"></pre>
<script>
const MIB = 1 << 20;

function open(path) {
  const socket = new WebSocket(`ws://${location.host}${path}`, ["one", "two"]);
  socket.binaryType = "arraybuffer";
  socket.ended = new Promise(resolve => socket.onclose = event =>
    resolve([event.code, event.reason, event.wasClean]));
  socket.opened = new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("it does not open"));
  });
  return socket;
}

// What comes back is what was sent: "same", or what is wrong.
async function echo(socket, data) {
  const answer = new Promise((resolve, reject) => {
    socket.onmessage = event => resolve(event.data);
    socket.ended.then(end => reject(new Error(`closed: ${end}`)));
  });
  socket.send(data);
  const got = await answer;
  if (typeof data === "string")
    return got === data ? "same" : `${typeof got} of ${got.length}`;
  const bytes = new Uint8Array(got);
  return bytes.length === data.length && bytes.every((byte, at) => byte === data[at])
    ? "same" : `${bytes.length} bytes`;
}

async function run() {
  const found = {};
  const socket = open("/echo");
  await socket.opened;
  found.protocol = socket.protocol;
  found.extensions = socket.extensions;
  found.text = await echo(socket, "κόσμε 😀");
  found.empty = await echo(socket, "");
  found.binary = await echo(socket, Uint8Array.from({length: 256}, (_, at) => at));
  found.large = await echo(socket, new Uint8Array(MIB).map((_, at) => at * at >> 7));
  found.largeText = await echo(socket, "0123456789abcdeß".repeat(MIB / 16));
  socket.close(4001, "enough");
  found.closedByPage = await socket.ended;
  const other = open("/echo");
  await other.opened;
  other.send("close, please");
  found.closedByServer = await other.ended;
  const denied = open("/deny");
  found.denied = await denied.opened.then(() => "open", error => error.message);
  found.deniedEnd = await denied.ended;
  return found;
}

run().catch(error => ({failed: String(error)})).then(found => {
  document.getElementById("found").textContent = JSON.stringify(found);
  fetch("/over", {method: "POST"});
});
</script>
<img src="/wait" alt="">
"""

SEEN: list[list[Any]] = []
OVER = asyncio.Event()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await (deny if scope["path"] == "/deny" else echo)(receive, send)
    elif scope["path"] == "/":
        await answer(send, PAGE.encode(), b"text/html")
    elif scope["path"] == "/wait":
        await asyncio.wait_for(OVER.wait(), 60)
        await answer(send, b"", b"image/png")
    elif scope["path"] == "/seen":
        await answer(send, json.dumps(SEEN).encode(), b"application/json")
    else:
        if scope["path"] == "/over":
            OVER.set()
        await answer(send, b"", b"text/plain")


async def answer(send: Any, body: bytes, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def deny(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.close"})


async def echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "two"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "close, please":
            await send({"type": "websocket.close", "code": 4002, "reason": "grüß"})
        else:
            await send({**message, "type": "websocket.send"})
    SEEN.append([message["code"], message.get("reason")])

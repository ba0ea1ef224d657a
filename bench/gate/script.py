"""The scripted requests that the gate counts the instructions of.

A program for valgrind: `python -P script.py`, and PYTHONPATH names the tree under test.
Of fastserve it knows what Server gives a connection, and nothing more. It calls
getloadavg() at the beginning and at the end of each workload's counted part; callgrind
writes its counts down at every such call, which nothing else makes.

Each workload is one connection, with its own loop in place of an event loop: what is
counted is fastserve, the interpreter, and as little as can be of this file. The
transport's socket is real, so that the answers take their usual way, but has nobody
who reads: what it is given goes nowhere. Each workload's first answers are checked.
"""

import asyncio
import contextvars
import os
import socket
import sys
from asyncio import events

from fastserve.config import Config
from fastserve.protocols.connection import Connection
from fastserve.protocols.shared import Shared
from fastserve.server import ServerState

COUNTED = 1000  # reads of each workload
WARM_UP = 100  # before: what is remembered is remembered, code is specialised
PIPELINED = 16

PLAINTEXT = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"

BROWSER = (
    b"GET /shop/lamps?page=%d&sort=price HTTP/1.1\r\n"
    b"Host: www.example.com\r\n"
    b"Connection: keep-alive\r\n"
    b"Cache-Control: max-age=0\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
    b"(KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Sec-Fetch-Dest: document\r\n"
    b"Referer: https://www.example.com/shop\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-GB,en;q=0.9,de;q=0.7\r\n"
    b"Cookie: session=eyJ1c2VyIjo0MiwiY3NyZiI6IjlmODZkMDgxODg0YzdkNjU5YTJm%04d; "
    b"theme=dark; consent=analytics%%3D0%%26ads%%3D0\r\n"
    b"\r\n"
)

POST = (
    b"POST /items HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1024\r\n\r\n"
) + b"x" * 1024

HANDSHAKE = (
    b"GET /chat HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MASK = b"\x37\xfa\x21\x3d"
TEXT = b'{"type": "update", "user": "user42", "message": "Good morning!"}'
FRAME = (
    bytes([0x81, 0x80 | len(TEXT)])
    + MASK
    + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(TEXT))
)

BODY = b"Hello, World!"


# --- applications -----------------------------------------------------------------


async def hello(scope, receive, send):
    """13 bytes; nothing is read."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


async def store(scope, receive, send):
    """Reads the body, answers as hello does."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await hello(scope, receive, send)


async def echo(scope, receive, send):
    """A WebSocket that gives back what it gets."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


# --- what stands in for an event loop and a transport ------------------------------


class Loop(asyncio.AbstractEventLoop):
    """Callbacks of one turn; timers are taken and never run, the clock stands."""

    def __init__(self):
        self.ready = []

    def call_soon(self, callback, *args, context=None):
        self.ready.append((context or contextvars.copy_context(), callback, args))

    def turn(self):
        """Run what is ready, and what becomes ready by that: the list grows."""
        for context, callback, args in self.ready:
            context.run(callback, *args)
        self.ready.clear()

    def call_at(self, when, callback, *args, context=None):
        return asyncio.TimerHandle(when, callback, args, self, context)

    call_later = call_at

    def create_future(self):
        return asyncio.Future(loop=self)

    def call_exception_handler(self, context):
        raise context.get("exception") or RuntimeError(context["message"])

    def _timer_handle_cancelled(self, handle):
        pass

    def time(self):
        return 1000.0

    def get_debug(self):
        return False

    def get_task_factory(self):
        return None

    def is_running(self):
        return True

    def is_closed(self):
        return False


class Transport:
    """A socket that takes everything and keeps the first datagrams only."""

    def __init__(self):
        self.reader = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.reader.bind(("127.0.0.1", 0))
        self.reader.settimeout(10)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(self.reader.getsockname())
        self.extra = {
            "socket": self.socket,
            "peername": ("127.0.0.1", 50000),
            "sockname": ("127.0.0.1", 8000),
        }

    def get_extra_info(self, name, default=None):
        return self.extra.get(name, default)

    def set_protocol(self, protocol):
        self.protocol = protocol

    def write(self, data):
        self.socket.send(data)

    def get_write_buffer_size(self):
        return 0

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def is_closing(self):
        return False

    def abort(self):
        raise RuntimeError("the connection was aborted")

    def close(self):
        raise RuntimeError("the connection was closed")


# --- workloads --------------------------------------------------------------------


def varied(template):
    """Requests that differ from one to the next, as many as there are reads."""
    return [template % (i, i) for i in range(WARM_UP + COUNTED)]


def same(data):
    """One request again and again."""
    return [data] * (WARM_UP + COUNTED)


# Name: application, the reads, what each is answered with once, requests a read.
WORKLOADS = {
    "plaintext": (hello, same(PLAINTEXT), BODY, 1),
    "12 browser headers": (hello, varied(BROWSER), BODY, 1),
    "POST of 1 KB": (store, same(POST), BODY, 1),
    "16 pipelined": (hello, same(PLAINTEXT * PIPELINED), BODY * PIPELINED, PIPELINED),
    "access line": (hello, same(PLAINTEXT), BODY, 1),
    "WebSocket echo": (echo, same(FRAME), TEXT, 1),
}
LOGGED = "access line"


def connect(app, access_log, loop):
    """A connection of this application, on a transport of its own."""
    config = Config(app, lifespan="off", access_log=access_log)
    config.load()
    shared = Shared(config, ServerState(), {}, loop, contextvars.copy_context())
    transport = Transport()
    transport.protocol = Connection(shared)
    transport.protocol.connection_made(transport)
    return transport


def check(transport, expected):
    """The answers to one read have these bodies or messages, in this order."""
    answer = b""
    while (found := b"".join(bodies(answer))) != expected:
        if not expected.startswith(found):
            raise SystemExit(f"wrong answer: {answer!r}")
        answer += transport.reader.recv(65536)


def bodies(answer):
    """What of an answer's bytes is body or message."""
    if answer[:1] == b"\x81":
        yield answer[2:]
        return
    for part in answer.split(b"HTTP/1.1 200 OK\r\n")[1:]:
        yield part.partition(b"\r\n\r\n")[2]


def run(name, loop):
    """One workload: checked, warmed up, counted."""
    app, reads, expected, _ = WORKLOADS[name]
    transport = connect(app, name == LOGGED, loop)
    if app is echo:
        transport.protocol.data_received(HANDSHAKE)
        loop.turn()
        if not transport.reader.recv(65536).startswith(b"HTTP/1.1 101 "):
            raise SystemExit("the WebSocket was not accepted")
    receive = transport.protocol.data_received
    for data in reads[:WARM_UP]:
        receive(data)
        loop.turn()
    check(transport, expected)
    turn = loop.turn
    counted = reads[WARM_UP:]
    os.getloadavg()
    for data in counted:
        receive(data)
        turn()
    os.getloadavg()
    transport.protocol.connection_lost(None)
    turn()


def main():
    """All workloads; `--list` prints their names and the requests of each instead."""
    if "--list" in sys.argv:
        for name, (_, _, _, requests) in WORKLOADS.items():
            print(f"{name}\t{COUNTED * requests}")
        return
    loop = Loop()
    events._set_running_loop(loop)
    for name in WORKLOADS:
        run(name, loop)


if __name__ == "__main__":
    main()

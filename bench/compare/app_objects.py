"""What the objects of an application that waits in receive() take, without a server.

Run as a script with a number: so many times it makes the scope of a handshake (the
dict, its header list, tuples and values; names are shared), calls the echo application
with it, and runs the coroutine as a task with its own context until it waits for a
future. The growth of PSS divided by the number is printed: that much any server needs.
"""

import asyncio
import os
import sys

import procfs
import uvloop
import websocket_apps

HEADERS = (
    ("host", "127.0.0.1:8000"),
    ("connection", "Upgrade"),
    ("pragma", "no-cache"),
    ("cache-control", "no-cache"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Safari/537.36",
    ),
    ("upgrade", "websocket"),
    ("origin", "http://127.0.0.1:8000"),
    ("sec-websocket-version", "13"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.7"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
)
NAMES = {name: name.encode() for name, _ in HEADERS}
ASGI = {"version": "3.0", "spec_version": "2.4"}


def make_scope(number):
    """A scope of its own for each connection."""
    return {
        "type": "websocket",
        "asgi": ASGI,
        "http_version": "1.1",
        "scheme": "ws",
        "server": ("127.0.0.1", 8000),
        "client": (f"127.0.0.{number % 250}", 1024 + number),
        "root_path": "",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(NAMES[name], value.encode()) for name, value in HEADERS],
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


class Server:
    """receive and send, which all applications share: they are a server's, not theirs.

    Each application's first step asks twice; the second future is never done.
    """

    def __init__(self, loop):
        self.loop = loop
        self.done = loop.create_future()
        self.done.set_result({"type": "websocket.connect"})
        self.is_second = False

    def receive(self):
        second = self.is_second
        self.is_second = not second
        return self.loop.create_future() if second else self.done

    def send(self, message):
        return self.done


async def start(count):
    """So many tasks of the application, when they wait."""
    loop = asyncio.get_running_loop()
    server = Server(loop)
    receive, send = server.receive, server.send
    tasks = [
        loop.create_task(websocket_apps.echo(make_scope(number), receive, send))
        for number in range(count)
    ]
    await asyncio.sleep(0)
    return tasks


async def measure(count):
    """Bytes of each of `count` applications that wait."""
    tasks = await start(100)
    before = procfs.memory({os.getpid()}).pss
    tasks += await start(count)
    grown = procfs.memory({os.getpid()}).pss - before
    if any(task.done() for task in tasks):
        raise RuntimeError("an application has ended")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return grown / count


if __name__ == "__main__":
    print(uvloop.run(measure(int(sys.argv[1]))))

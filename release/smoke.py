"""Does an installed fastserve serve? One request and one WebSocket echo a loop.

    python -P release/smoke.py [--under COMMAND] [LOOP ...]

Without a LOOP: uvloop where it is installed, else what `auto` takes, then asyncio's.
--under starts the server with an emulator: --under "qemu-x86_64 -cpu qemu64".
Each is served by a process of its own, `python -m fastserve`. Wheels are tested with
this where nothing but fastserve is installed, so it needs the standard library alone;
it never takes fastserve from the checkout that it lies in. Ends with 0, or with 1
and one sentence on stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import http.client
import importlib.util
import os
import platform
import re
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastserve

TIMEOUT = 180.0  # seconds, for each wait; emulated processors are slow
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
MODULES = {"uvloop": "uvloop", "asyncio": "asyncio"}


class SmokeError(Exception):
    """What does not work, in one sentence."""


FAULTS = (SmokeError, OSError, http.client.HTTPException, subprocess.TimeoutExpired)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers a request with its event loop's module, a WebSocket with its words."""
    if scope["type"] == "http":
        body = type(asyncio.get_running_loop()).__module__.encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})


def check(loop: str, under: Sequence[str] = ()) -> None:
    """Serves with --loop LOOP; raises one of FAULTS."""
    here = Path(__file__)
    command = [*under, sys.executable, "-P", "-m", "fastserve", f"{here.stem}:app"]
    command += ["--app-dir", str(here.parent), "--no-config", "--port", "0"]
    command += ["--no-access-log", "--loop", loop]
    # A folder of its own: without -P, as under a test runner, it could be a checkout.
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            command, cwd=folder, stderr=subprocess.PIPE, text=True
        )
        # A server that hangs is ended, which ends the reads and waits here.
        watchdog = threading.Timer(TIMEOUT, server.kill)
        watchdog.start()
        try:
            ask(server, loop)
        finally:
            watchdog.cancel()
            server.kill()
            server.communicate()


def ask(server: subprocess.Popen[str], loop: str) -> None:
    port = port_of(server)
    # Not urllib, which would go through a proxy that a variable names.
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    client.request("GET", "/")
    module = client.getresponse().read().decode()
    client.close()
    if not module.startswith(MODULES.get(loop, "")):
        raise SmokeError(f"--loop {loop} served with a loop of {module}.")
    said = f"Grüße, {loop}! " * 4
    if (heard := echo(port, said)) != said:
        raise SmokeError(f"the WebSocket echo of {said!r} was {heard!r}.")
    if os.name == "posix":
        server.send_signal(signal.SIGTERM)
        if (code := server.wait(TIMEOUT)) != -signal.SIGTERM:
            raise SmokeError(f"SIGTERM ended the server with {code}.")
    print(f"  --loop {loop}: served, with {module}")


def port_of(server: subprocess.Popen[str]) -> int:
    """The port in the line that says the server runs."""
    assert server.stderr is not None
    lines = []
    for line in server.stderr:
        lines.append(line)
        if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    raise SmokeError("the server ended, or was too slow:\n" + "".join(lines))


def echo(port: int, text: str) -> str:
    """What comes back for a text message below 126 bytes, RFC 6455 5.2."""
    key = base64.b64encode(os.urandom(16))
    mask = os.urandom(4)
    payload = bytes(b ^ mask[i % 4] for i, b in enumerate(text.encode()))
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as peer:
        peer.sendall(
            b"GET /echo HTTP/1.1\r\nHost: smoke\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        stream = peer.makefile("rb")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                raise SmokeError(f"the WebSocket handshake was answered {head!r}.")
            head += line
        accept = base64.b64encode(hashlib.sha1(key + GUID.encode()).digest())
        if b" 101 " not in head or accept not in head:
            raise SmokeError(f"the WebSocket handshake was answered {head!r}.")
        peer.sendall(bytes([0x81, 0x80 | len(payload)]) + mask + payload)
        first = stream.read(2)
        if len(first) < 2 or first[0] != 0x81:
            raise SmokeError(f"the echo began with {first!r}.")
        return stream.read(first[1]).decode()


def loops() -> Sequence[str]:
    with_uvloop = importlib.util.find_spec("uvloop") is not None
    return ("uvloop" if with_uvloop else "auto", "asyncio")


def gil() -> str:
    """On a free-threaded interpreter, whether fastserve turned the GIL back on."""
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return ""
    return ", the GIL is on" if sys._is_gil_enabled() else ", the GIL is off"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--under", type=shlex.split, default=[], metavar="COMMAND")
    parser.add_argument("loops", nargs="*", metavar="LOOP")
    options = parser.parse_args()
    importlib.import_module("fastserve.protocols.connection")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"fastserve {fastserve.__version__}, {python}, {platform.machine()}{gil()}")
    print(f"  {Path(fastserve.__file__).parent}")
    for loop in options.loops or loops():
        try:
            check(loop, options.under)
        except FAULTS as error:
            sys.exit(f"error: fastserve --loop {loop}: {error}")


if __name__ == "__main__":
    main()

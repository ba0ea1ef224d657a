"""Measures a `websocket` workload: ws_load.c on one core, the server on another.

The client is a program of ours, since it must cost less than the servers: it is
compiled when it is needed, gets the frame that it sends, and only counts what comes
back. Here the frame is made, and one answer is checked whole before anything is timed:
opcode, length, bytes, and for a compressed one what it inflates to.
"""

import base64
import hashlib
import json
import os
import random
import socket
import struct
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

from .answers import WrongAnswer, read_exactly, read_fields
from .servers import clean_environment, free_port, pinned, running, wait_until_listening
from .window import Window

SOURCE = Path(__file__).with_name("ws_load.c")
SOCKET_LIMIT = 10  # seconds for one answer
KEY = base64.b64encode(b"the sample nonce")
ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MASK = b"\x37\xfa\x21\x3d"
TEXT, BINARY, CLOSE, FIN, RSV1 = 1, 2, 8, 0x80, 0x40
OFFER = "permessage-deflate; client_max_window_bits"  # Chrome's
NO_CONTEXT = (
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
)


@dataclass(frozen=True)
class WebSocketWorkload:
    """One row of the comparison for each server."""

    name: str
    title: str
    size: int  # bytes of a message, before it is compressed
    connections: int = 64
    app: str = "websocket_apps:echo"
    kind: str = "websocket"
    binary: bool = False
    offer: str = ""  # permessage-deflate as the client offers it, or nothing
    ceiling: bool = False  # whether the ceiling can do it
    speaks: bool = False  # an idle connection has echoed the message before

    @property
    def mode(self):
        """What ws_load does: the name of the application."""
        return self.app.partition(":")[2]

    @property
    def message(self):
        """The message, alike in every run."""
        return records(self.size)

    @property
    def payload(self):
        """The message as it is in the frame, without its mask."""
        return deflated(self.message) if self.offer else self.message

    @property
    def first_byte(self):
        """The first byte of a message's first frame, without FIN."""
        return (BINARY if self.binary else TEXT) | (RSV1 if self.offer else 0)


WEBSOCKET_WORKLOADS = (
    WebSocketWorkload(
        "ws-16", "WebSocket echo of 16 B, 64 connections", 16, ceiling=True
    ),
    WebSocketWorkload(
        "ws-1k", "WebSocket echo of 1 KB, 64 connections", 1024, ceiling=True
    ),
    WebSocketWorkload(
        "ws-64k",
        "WebSocket echo of 64 KiB, binary, 16 connections",
        64 * 1024,
        connections=16,
        binary=True,
        ceiling=True,
    ),
    WebSocketWorkload(
        "ws-1m",
        "WebSocket echo of 1 MiB, binary, 16 connections",
        1024 * 1024,
        connections=16,
        binary=True,
        ceiling=True,
    ),
    WebSocketWorkload(
        "ws-256",
        "WebSocket echo of 16 B, 256 connections",
        16,
        connections=256,
        ceiling=True,
    ),
    WebSocketWorkload(
        "ws-broadcast",
        "WebSocket broadcast of 16 B to 1,000 connections, by delivery",
        16,
        connections=1000,
        app="websocket_apps:broadcast",
        ceiling=True,
    ),
    WebSocketWorkload(
        "ws-deflate-1k",
        "WebSocket echo of 1 KB of JSON, compressed, 64 connections",
        1024,
        offer=OFFER,
    ),
    WebSocketWorkload(
        "ws-deflate-64k",
        "WebSocket echo of 64 KiB of JSON, compressed, 16 connections",
        64 * 1024,
        connections=16,
        offer=OFFER,
    ),
    WebSocketWorkload(
        "ws-deflate-no-context",
        "WebSocket echo of 1 KB of JSON, compressed without context, 64 connections",
        1024,
        offer=NO_CONTEXT,
    ),
    WebSocketWorkload(
        "ws-idle",
        "memory of an idle WebSocket, 5,000 held",
        16,
        connections=5000,
        kind="websocket-idle",
        ceiling=True,
    ),
    WebSocketWorkload(
        "ws-idle-deflate",
        "memory of an idle WebSocket that has echoed 1 KB compressed, 5,000 held",
        1024,
        connections=5000,
        kind="websocket-idle",
        offer=OFFER,
        speaks=True,
    ),
)


def records(size):
    """`size` bytes of JSON whose lines differ, as those of a feed do."""
    chance = random.Random(size)
    line = '{"id":%d,"name":"lamp %d","price":%.2f,"tags":["light","home"]},\n'
    text = ""
    while len(text) < size:
        number = chance.randrange(1_000_000)
        text += line % (number, number % 97, chance.random() * 1000)
    return text[:size].encode()


def deflated(data):
    """The payload of a compressed message (RFC 7692 7.2.1), good in any context."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -12)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def masked_frame(first, payload):
    """A client's frame; `first` is its first byte."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    keys = (MASK * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")
    return head + MASK + mixed.to_bytes(size, "big")


def handshake_bytes(port, offer):
    """The handshake, with the headers that Chrome's has."""
    lines = [
        "GET / HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: Upgrade",
        "Pragma: no-cache",
        "Cache-Control: no-cache",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like "
        "Gecko) Chrome/131.0.0.0 Safari/537.36",
        "Upgrade: websocket",
        f"Origin: http://127.0.0.1:{port}",
        "Sec-WebSocket-Version: 13",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Accept-Language: en-GB,en;q=0.9,de;q=0.7",
        f"Sec-WebSocket-Key: {KEY.decode()}",
    ]
    if offer:
        lines.append(f"Sec-WebSocket-Extensions: {offer}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


class Client:
    """One connection, for checks and for holding; never for load.

    Raises WrongAnswer when the handshake is refused or deflate is not agreed on.
    """

    def __init__(self, port, offer=""):
        self.socket = socket.create_connection(("127.0.0.1", port), SOCKET_LIMIT)
        self.inflater = zlib.decompressobj(-15)
        self.fresh = False  # every message begins a context of its own
        try:
            self.shake_hands(port, offer)
        except BaseException:
            self.close()
            raise

    def shake_hands(self, port, offer):
        """Send the handshake and check its answer."""
        self.socket.sendall(handshake_bytes(port, offer))
        # Without a buffer: what is held for an idle connection is the server's.
        with self.socket.makefile("rb", buffering=0) as stream:
            line = stream.readline()
            headers = dict(read_fields(stream))
        if not line.startswith(b"HTTP/1.1 101"):
            raise WrongAnswer(f"the handshake was answered with {line!r}")
        wanted = base64.b64encode(hashlib.sha1(KEY + ACCEPT_SALT).digest())
        if headers.get(b"sec-websocket-accept") != wanted:
            raise WrongAnswer("Sec-WebSocket-Accept is wrong")
        agreed = headers.get(b"sec-websocket-extensions", b"")
        if agreed.startswith(b"permessage-deflate") != bool(offer):
            raise WrongAnswer("permessage-deflate was not agreed on")
        self.fresh = b"server_no_context_takeover" in agreed

    def ask(self, frame):
        """Send a frame; the first byte and the payload of the message that answers."""
        self.socket.sendall(frame)
        with self.socket.makefile("rb") as stream:
            first, payload, ends = read_frame(stream)
            while not ends:
                _, more, ends = read_frame(stream)
                payload += more
        if not first & RSV1:
            return first, payload
        if self.fresh:
            self.inflater = zlib.decompressobj(-15)
        return first, self.inflater.decompress(payload + b"\x00\x00\xff\xff")

    def close(self):
        """Without a close frame."""
        self.socket.close()


def read_frame(stream):
    """The next data frame: (first byte without FIN, payload, whether it is last)."""
    while True:
        first, size = read_exactly(stream, 2)
        if size > 125:
            kind, count = ("!H", 2) if size == 126 else ("!Q", 8)
            (size,) = struct.unpack(kind, read_exactly(stream, count))
        payload = read_exactly(stream, size)
        if first & 0x0F == CLOSE:
            raise WrongAnswer(f"the server closes: {payload!r}")
        if not first & 0x08:
            return first & ~FIN, payload, bool(first & FIN)


def check(workload, port):
    """Ask twice on one connection, and compare both answers whole."""
    frame = masked_frame(FIN | workload.first_byte, workload.payload)
    client = Client(port, workload.offer)
    try:
        for _ in range(2):
            first, message = client.ask(frame)
            if first != workload.first_byte:
                raise WrongAnswer(f"a message began with {first:#04x}")
            if message != workload.message:
                raise WrongAnswer(f"{len(message)} bytes came back, not the message")
    finally:
        client.close()


def compiled(directory):
    """The path of ws_load, built from its source unless it is newer than that.

    Raises SystemExit, with the compiler's words, where it cannot be built.
    """
    program = directory / "ws_load"
    if program.exists() and program.stat().st_mtime > SOURCE.stat().st_mtime:
        return program
    command = [os.environ.get("CC", "cc"), "-O2", "-std=c11", str(SOURCE)]
    try:
        subprocess.run([*command, "-o", program], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"{SOURCE.name} could not be compiled: {error}") from None
    return program


def start_load(workload, port, settings):
    """ws_load, given its blocks; it says "ready" after its warm-up."""
    argv = [compiled(settings.bin_dir), port, workload.connections, settings.seconds]
    argv += [workload.mode, f"{workload.first_byte:x}"]
    process = subprocess.Popen(
        pinned(settings.load_core, map(str, argv)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    frame = masked_frame(FIN | workload.first_byte, workload.payload)
    answer = b"" if workload.offer else workload.message
    for block in (handshake_bytes(port, workload.offer), frame, answer):
        process.stdin.write(b"%d\n%b" % (len(block), block))
    process.stdin.flush()
    return process


def measure(server, workload, settings):
    """One round: a dict with the figures of one server on one workload."""
    port = free_port()
    argv = server.argv(settings.bin_dir, workload, port)
    with running(argv, settings.server_core) as process:
        wait_until_listening(process, port)
        check(workload, port)
        load = start_load(workload, port, settings)
        try:
            expect(load, b"ready\n")
            window = Window(process.pid, settings.server_core, settings.load_core)
            load.stdin.write(b"\n")
            load.stdin.flush()
            figures = json.loads(expect(load))
            usage = window.stop()
        finally:
            load.kill()
            load.communicate()
    return sample(figures, usage)


def expect(load, wanted=None):
    """The next line of ws_load, which is `wanted` if that is given."""
    line = load.stdout.readline()
    if not line or wanted not in (None, line):
        load.kill()
        raise WrongAnswer(load.stderr.read().decode(errors="replace").strip())
    return line


def sample(figures, usage):
    """The figures of ws_load and of /proc as one record."""
    return {
        "value": usage.server_cpu * 1e6 / figures["messages"],
        "rate": figures["messages"] / figures["seconds"],
        "requests": figures["messages"],
        "errors": {},  # the first ends ws_load
        "latency_us": figures["latency_us"],
        "usage": usage.as_dict(),
    }

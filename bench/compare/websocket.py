"""Measures a `websocket` workload: ws_load.c on one core, the server on another.

The client is a program of ours, since it must cost less than the servers: it is
compiled when it is needed, gets the frame that it sends, and only counts what comes
back. Here the frame is made, and one answer is checked whole before anything is timed:
opcode, length, bytes, and for a compressed one what it inflates to.
"""

import base64
import hashlib
import random
import socket
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from .answers import SOCKET_LIMIT, WrongAnswer, read_exactly, read_fields
from .process import serving
from .programs import Client
from .samples import record
from .window import Window
from .work import Work

SOURCE = Path(__file__).with_name("ws_load.c")
KEY = base64.b64encode(b"the sample nonce")
ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MASK = b"\x37\xfa\x21\x3d"
TEXT, BINARY, CLOSE, FIN, RSV1 = 1, 2, 8, 0x80, 0x40
OFFER = "permessage-deflate; client_max_window_bits"  # Chrome's
NO_CONTEXT = (
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
)


@dataclass(frozen=True, kw_only=True)
class WebSocketWorkload(Work):
    """Messages on WebSockets."""

    size: int  # bytes of a message, before it is compressed
    app: str = "websocket_apps:echo"
    kind: str = "websocket"
    binary: bool = False
    offer: str = ""  # permessage-deflate as the client offers it, or nothing
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


CEILING = ("ceiling",)
WEBSOCKET_WORKLOADS = (
    WebSocketWorkload(
        name="ws-16",
        title="WebSocket echo of 16 B, 64 connections",
        size=16,
        limits=CEILING,
    ),
    WebSocketWorkload(
        name="ws-1k",
        title="WebSocket echo of 1 KB, 64 connections",
        size=1024,
        limits=CEILING,
    ),
    WebSocketWorkload(
        name="ws-64k",
        title="WebSocket echo of 64 KiB, binary, 16 connections",
        size=64 * 1024,
        connections=16,
        binary=True,
        limits=CEILING,
    ),
    WebSocketWorkload(
        name="ws-1m",
        title="WebSocket echo of 1 MiB, binary, 16 connections",
        size=1024 * 1024,
        connections=16,
        binary=True,
        limits=CEILING,
    ),
    WebSocketWorkload(
        name="ws-256",
        title="WebSocket echo of 16 B, 256 connections",
        size=16,
        connections=256,
        limits=CEILING,
    ),
    WebSocketWorkload(
        name="ws-broadcast",
        title="WebSocket broadcast of 16 B to 1,000 connections, by delivery",
        size=16,
        connections=1000,
        app="websocket_apps:broadcast",
        limits=CEILING,
    ),
    WebSocketWorkload(
        name="ws-deflate-1k",
        title="WebSocket echo of 1 KB of JSON, compressed, 64 connections",
        size=1024,
        offer=OFFER,
    ),
    WebSocketWorkload(
        name="ws-deflate-64k",
        title="WebSocket echo of 64 KiB of JSON, compressed, 16 connections",
        size=64 * 1024,
        connections=16,
        offer=OFFER,
    ),
    WebSocketWorkload(
        name="ws-deflate-no-context",
        title="WebSocket echo of 1 KB, compressed without context, 64 connections",
        size=1024,
        offer=NO_CONTEXT,
    ),
    WebSocketWorkload(
        name="ws-idle",
        title="memory of an idle WebSocket, 5,000 held",
        size=16,
        connections=5000,
        kind="websocket-idle",
        limits=CEILING,
    ),
    WebSocketWorkload(
        name="ws-idle-deflate",
        title="memory of an idle WebSocket that has echoed 1 KB compressed, 5,000 held",
        size=1024,
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


class Connection:
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
    client = Connection(port, workload.offer)
    try:
        for _ in range(2):
            first, message = client.ask(frame)
            if first != workload.first_byte:
                raise WrongAnswer(f"a message began with {first:#04x}")
            if message != workload.message:
                raise WrongAnswer(f"{len(message)} bytes came back, not the message")
    finally:
        client.close()


def measure(server, workload, settings):
    """One round: a dict with the figures of one server on one workload."""
    with serving(server, workload, settings) as served:
        port = served.port
        check(workload, port)
        arguments = [port, workload.connections, settings.seconds]
        arguments += [workload.mode, f"{workload.first_byte:x}"]
        frame = masked_frame(FIN | workload.first_byte, workload.payload)
        answer = b"" if workload.offer else workload.message
        blocks = (handshake_bytes(port, workload.offer), frame, answer)
        with Client(SOURCE, arguments, blocks, settings) as client:
            window = Window(served.process.pid, workload, settings)
            figures = client.go()
            usage = window.stop()
    # There are no errors: the first ends ws_load.
    return record(usage, figures["messages"], figures["seconds"], figures["latency_us"])

"""One WebSocket message in, and one out: fastserve, wsproto and websockets.

In: a client's frame, from the bytes of a read to the str or bytes that an application
gets. Out: from the application's str or bytes to the bytes that are written.
"""

import json
import random
import zlib

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, TextMessage

from fastserve.protocols.websocket import WebSocket

SIZES = {"16": 16, "1k": 1024, "64k": 65536, "1m": 1 << 20}
KEY = b"\x37\xfa\x21\x3d"


def client_frame(payload, opcode, flags=0x80):
    size = len(payload)
    if size < 126:
        head = bytes([flags | opcode, 0x80 | size])
    elif size < 65536:
        head = bytes([flags | opcode, 0xFE]) + size.to_bytes(2, "big")
    else:
        head = bytes([flags | opcode, 0xFF]) + size.to_bytes(8, "big")
    keys = (KEY * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")
    return head + KEY + masked.to_bytes(size, "big")


def text(size):
    """JSON such as applications send, of this many characters."""
    chance = random.Random(size)
    items = []
    for _ in range(size // 50 + 1):  # each is longer than that
        user = "user%d" % chance.randrange(99)
        items.append({"type": "update", "user": user, "at": chance.random()})
    return json.dumps(items)[:size]


class Fastserve:
    """WebSocket as the connection uses it."""

    def __init__(self, deflate=False):
        self.ws = WebSocket()
        if deflate:
            self.ws.enable_deflate(12, 12, True, True)

    def read(self, data):
        """The one message in data."""
        self.ws.feed(data)
        return self.ws.take()

    def write(self, message):
        """The bytes of the frame."""
        if isinstance(message, str):
            return self.ws.text_frame(message)
        return self.ws.binary_frame(message)


class Websockets:
    """websockets without I/O, as uvicorn uses it."""

    def __init__(self, deflate=False):
        self.protocol = ServerProtocol(state=State.OPEN, max_size=1 << 24)
        if deflate:
            extension = PerMessageDeflate(False, False, 12, 12, {"memLevel": 5})
            self.protocol.extensions = [extension]

    def read(self, data):
        """The one message in data."""
        self.protocol.receive_data(data)
        (frame,) = self.protocol.events_received()
        return frame.data.decode() if frame.opcode is Opcode.TEXT else frame.data

    def write(self, message):
        """The bytes of the frame."""
        if isinstance(message, str):
            self.protocol.send_text(message.encode())
        else:
            self.protocol.send_binary(message)
        return b"".join(self.protocol.data_to_send())


class Wsproto:
    """wsproto, as uvicorn uses it; a message may be several events."""

    def __init__(self):
        self.connection = Connection(ConnectionType.SERVER)

    def read(self, data):
        """The one message in data."""
        self.connection.receive_data(data)
        parts = [event.data for event in self.connection.events()]
        return parts[0] if len(parts) == 1 else type(parts[0])().join(parts)

    def write(self, message):
        """The bytes of the frame."""
        kind = TextMessage if isinstance(message, str) else BytesMessage
        return self.connection.send(kind(data=message))


PEERS = {"fastserve": Fastserve, "websockets": Websockets, "wsproto": Wsproto}
DEFLATING = {"fastserve": Fastserve, "websockets": Websockets}


@pytest.fixture(params=["text", "binary"])
def message(request, size):
    """A message of each kind and size."""
    made = text(SIZES[size])
    return made if request.param == "text" else made.encode()


@pytest.fixture(params=SIZES)
def size(request):
    """The name of each size."""
    return request.param


@pytest.mark.parametrize("name", PEERS)
def test_read(benchmark, message, size, name):
    peer = PEERS[name]()
    if isinstance(message, str):
        data = client_frame(message.encode(), Opcode.TEXT)
    else:
        data = client_frame(message, Opcode.BINARY)
    assert peer.read(data) == message
    benchmark.group = f"websocket in, {type(message).__name__}, {size}"
    benchmark(peer.read, data)


@pytest.mark.parametrize("name", PEERS)
def test_write(benchmark, message, size, name):
    peer = PEERS[name]()
    benchmark.group = f"websocket out, {type(message).__name__}, {size}"
    benchmark(peer.write, message)


@pytest.mark.parametrize("name", DEFLATING)
def test_read_deflated(benchmark, size, name):
    peer = DEFLATING[name](deflate=True)
    message = text(SIZES[size])
    packer = zlib.compressobj(wbits=-12)
    packed = packer.compress(message.encode()) + packer.flush(zlib.Z_SYNC_FLUSH)
    # A stream of its own each time, for which the window before it does not matter.
    data = client_frame(packed[:-4], Opcode.TEXT, 0xC0)
    assert peer.read(data) == message
    benchmark.group = f"websocket in, deflated, {size}"
    benchmark(peer.read, data)


@pytest.mark.parametrize("name", DEFLATING)
def test_write_deflated(benchmark, size, name):
    peer = DEFLATING[name](deflate=True)
    message = text(SIZES[size])
    benchmark.group = f"websocket out, deflated, {size}"
    benchmark(peer.write, message)


def test_unmask(benchmark, size):
    """A binary frame read: its mask removed, its bytes copied once."""
    payload = bytes(SIZES[size])
    peer = Fastserve()
    data = client_frame(payload, Opcode.BINARY)
    assert peer.read(data) == payload
    benchmark.group = f"mask, {size}"
    benchmark(peer.read, data)


def test_unmask_by_websockets(benchmark, size):
    """The mask alone, by the C function of websockets."""
    payload = bytes(SIZES[size])
    masked = client_frame(payload, Opcode.BINARY)[-len(payload) :]
    assert apply_mask(masked, KEY) == payload
    benchmark.group = f"mask, {size}"
    benchmark(apply_mask, masked, KEY)

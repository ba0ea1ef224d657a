"""WebSocket understands wsproto and websockets, and they understand it.

Both are clients here, without I/O: whole dialogues of random messages, in random
fragments and reads, with deflate and without; and dialogues with bytes changed, which
must end in the same way.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol

import pytest
from _websocket import (
    GOT_BINARY,
    GOT_CLOSE,
    GOT_PING,
    GOT_PONG,
    GOT_TEXT,
    VIOLATION,
    Got,
    close,
    deflating,
    fragments,
    frame,
    joined,
    pieces,
    read,
)
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Opcode
from websockets.protocol import CLIENT, State
from websockets.protocol import Protocol as Websockets
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate as WsprotoDeflate
from wsproto.utilities import RemoteProtocolError

from fastserve.protocols.websocket import WebSocket

Message = str | bytes


class Deflation:
    """What was agreed on about permessage-deflate."""

    def __init__(self, server_bits: int, client_bits: int, takeover: bool) -> None:
        self.server_bits, self.client_bits = server_bits, client_bits
        self.takeover = takeover

    def ours(self, max_size: int) -> WebSocket:
        return deflating(
            max_size, self.server_bits, self.client_bits, self.takeover, self.takeover
        )


PLAIN = None
DEFLATIONS = [
    pytest.param(PLAIN, id="plain"),
    pytest.param(Deflation(12, 12, True), id="12"),
    pytest.param(Deflation(9, 15, True), id="9-15"),
    pytest.param(Deflation(12, 15, False), id="no-takeover"),
]


class Client(Protocol):
    def __init__(self, deflation: Deflation | None) -> None: ...
    def send(self, parts: list[Message]) -> bytes: ...
    def ping(self, payload: bytes) -> bytes: ...
    def receive(self, data: bytes) -> list[Got]: ...


class WebsocketsClient:
    def __init__(self, deflation: Deflation | None) -> None:
        self.protocol = Websockets(CLIENT, state=State.OPEN, max_size=1 << 24)
        self.parts: list[bytes] = []
        self.kind = Opcode.TEXT
        if deflation is not None:
            alone = not deflation.takeover
            self.protocol.extensions = [
                PerMessageDeflate(
                    alone, alone, deflation.server_bits, deflation.client_bits
                )
            ]

    def _sent(self) -> bytes:
        return b"".join(self.protocol.data_to_send())

    def send(self, parts: list[Message]) -> bytes:
        first, *more = parts
        if isinstance(first, str):
            self.protocol.send_text(first.encode(), fin=not more)
        else:
            self.protocol.send_binary(first, fin=not more)
        for at, part in enumerate(more, 1):
            data = part.encode() if isinstance(part, str) else part
            self.protocol.send_continuation(data, fin=at == len(more))
        return self._sent()

    def ping(self, payload: bytes) -> bytes:
        self.protocol.send_ping(payload)
        return self._sent()

    def receive(self, data: bytes) -> list[Got]:
        got: list[Got] = []
        self.protocol.receive_data(data)
        assert self.protocol.parser_exc is None
        for event in self.protocol.events_received():
            opcode, payload = event.opcode, bytes(event.data)  # type: ignore[union-attr]
            if opcode is Opcode.PONG:
                got.append((GOT_PONG, payload))
            elif opcode is Opcode.TEXT:
                got.append((GOT_TEXT, payload.decode()))
            elif opcode is Opcode.BINARY:
                got.append((GOT_BINARY, payload))
            else:
                assert opcode is Opcode.CLOSE
                rcvd = self.protocol.close_rcvd
                assert rcvd is not None
                got.append((GOT_CLOSE, int(rcvd.code), rcvd.reason))
        return got


class WsprotoClient:
    def __init__(self, deflation: Deflation | None) -> None:
        extensions = []
        if deflation is not None:
            extension = WsprotoDeflate(
                client_no_context_takeover=not deflation.takeover,
                server_no_context_takeover=not deflation.takeover,
                client_max_window_bits=deflation.client_bits,
                server_max_window_bits=deflation.server_bits,
            )
            extension._enabled = True
            extensions = [extension]
        self.connection = Connection(ConnectionType.CLIENT, extensions)  # type: ignore[arg-type]
        self.message: list[Any] = []

    def send(self, parts: list[Message]) -> bytes:
        sent = b""
        for at, part in enumerate(parts, 1):
            last = at == len(parts)
            event: Event
            if isinstance(part, str):
                event = TextMessage(data=part, message_finished=last)
            else:
                event = BytesMessage(data=part, message_finished=last)
            sent += self.connection.send(event)
        return sent

    def ping(self, payload: bytes) -> bytes:
        return self.connection.send(Ping(payload=payload))

    def receive(self, data: bytes) -> list[Got]:
        got: list[Got] = []
        self.connection.receive_data(data)
        for event in self.connection.events():
            if isinstance(event, TextMessage | BytesMessage):
                self.message.append(event.data)
                if event.message_finished:
                    joined = type(event.data)().join(self.message)
                    self.message = []
                    is_text = isinstance(joined, str)
                    got.append((GOT_TEXT if is_text else GOT_BINARY, joined))
            elif isinstance(event, Pong):
                got.append((GOT_PONG, bytes(event.payload)))
            else:
                assert isinstance(event, CloseConnection)
                got.append((GOT_CLOSE, event.code, event.reason))
        return got


CLIENTS: dict[str, Callable[[Deflation | None], Client]] = {
    "websockets": WebsocketsClient,
    "wsproto": WsprotoClient,
}
UNLIMITED = 1 << 62  # wsproto has no limit
SIZES = [0, 1, 5, 40, 125, 126, 300, 3000, 20_000, 70_000]


def random_message(chance: random.Random) -> Message:
    size = chance.choice(SIZES)
    if chance.random() < 0.3:
        return chance.randbytes(size)
    alphabet = chance.choice(["ab {}:0", "aé€😀", "日本語 "])
    text = "".join(chance.choices(alphabet, k=size))
    return text if chance.random() < 0.8 else text.encode()


def random_parts(message: Message, chance: random.Random) -> list[Message]:
    """The message in one to four fragments, cut between characters."""
    number = chance.choice([0, 0, 0, 1, 2, 3])
    at = sorted(chance.randint(0, len(message)) for _ in range(number))
    bounds = zip([0, *at], [*at, len(message)], strict=True)
    return [message[start:end] for start, end in bounds]


def expected(message: Message) -> Got:
    return (GOT_TEXT if isinstance(message, str) else GOT_BINARY, message)


@pytest.mark.parametrize("deflation", DEFLATIONS)
@pytest.mark.parametrize("name", CLIENTS)
def test_dialogues(name: str, deflation: Deflation | None) -> None:
    for seed in range(12):
        chance = random.Random(seed)
        client = CLIENTS[name](deflation)
        ws = WebSocket() if deflation is None else deflation.ours(1 << 24)
        for _ in range(12):
            message = random_message(chance)
            sent = client.send(random_parts(message, chance))
            wanted = [expected(message)]
            if chance.random() < 0.3:
                payload = chance.randbytes(chance.choice([0, 4, 125]))
                sent += client.ping(payload)
                wanted.append((GOT_PING, payload))
                assert read(pieces(sent, chance), ws) == wanted
                assert client.receive(ws.pong_frame(payload)) == [(GOT_PONG, payload)]
            else:
                assert read(pieces(sent, chance), ws) == wanted
            answer = random_message(chance)
            made = joined(
                ws.text_frame(answer)
                if isinstance(answer, str)
                else ws.binary_frame(answer)
            )
            got: list[Got] = []
            for part in pieces(made, chance):
                got += client.receive(part)
            assert got == [expected(answer)]
        made = ws.close_frame(1001, "fin")
        assert client.receive(made) == [(GOT_CLOSE, 1001, "fin")]


# -- the same verdict on what is wrong ------------------------------------------------


def by_wsproto(data: bytes) -> list[Got]:
    """What a server of wsproto makes of data, up to the end."""
    connection = Connection(ConnectionType.SERVER)
    got: list[Got] = []
    parts: list[Any] = []
    try:
        connection.receive_data(data)
        for event in connection.events():
            if isinstance(event, TextMessage | BytesMessage):
                parts.append(event.data)
                if event.message_finished:
                    whole = type(event.data)().join(parts)
                    parts = []
                    got.append(expected(whole))
            elif isinstance(event, Ping | Pong):
                kind = GOT_PING if isinstance(event, Ping) else GOT_PONG
                got.append((kind, bytes(event.payload)))
            elif isinstance(event, CloseConnection):
                if connection.state is ConnectionState.REMOTE_CLOSING:
                    got.append((GOT_CLOSE, int(event.code), event.reason or ""))
                else:
                    got.append((VIOLATION, int(event.code)))
                break
    except RemoteProtocolError as error:
        hint = error.event_hint
        assert isinstance(hint, CloseConnection)
        got.append((VIOLATION, int(hint.code)))
    return got


def spoiled(chance: random.Random) -> bytes:
    """Good frames with some of their bytes changed, lost or added."""
    good = [
        frame(1, b"text"),
        frame(1, "é€😀".encode()),
        frame(2, b"\x00\xff"),
        b"".join(fragments(1, "né".encode(), b"", "e€".encode())),
        frame(9, b"ping").join(fragments(2, b"a", b"b", b"c")),
        frame(10),
        frame(2, bytes(126)),
        close(1000, b"why"),
        close(4000),
        close(),
    ]
    data = bytearray(b"".join(chance.choices(good, k=chance.choice([1, 2, 4]))))
    for _ in range(chance.choice([0, 1, 1, 2])):
        at = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del data[at : at + chance.randint(1, 3)]
        else:
            data[at:at] = chance.randbytes(1)
    return bytes(data)


def test_the_same_verdict_as_wsproto() -> None:
    """Where wsproto waits for bytes that cannot help any more, what came before is the
    same."""
    chance = random.Random(3)
    ends = compared = 0
    for _ in range(10_000):
        data = spoiled(chance)
        ws = WebSocket(UNLIMITED)
        ours = [
            event[:2] if event[0] == VIOLATION else event for event in read([data], ws)
        ]
        theirs = by_wsproto(data)
        if ours[-1:] and ours[-1][0] == VIOLATION:
            ends += 1
            if not theirs or theirs[-1][0] != VIOLATION:
                assert theirs == ours[:-1], data
                continue
        compared += 1
        assert ours == theirs, data
    assert ends > 1500 and compared > 6000


def test_the_same_verdict_however_it_is_cut() -> None:
    chance = random.Random(9)
    for _ in range(10_000):
        data = spoiled(chance)
        assert read(pieces(data, chance)) == read([data]), data

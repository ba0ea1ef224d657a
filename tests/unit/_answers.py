"""Answers as bytes for the tests of the HTTP/1.1 response writer, and h11 to read them.

Nothing here judges what is right but h11, which is not lenient.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import h11

from fastserve.protocols.http1_writer import ResponseWriter

DATE = b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
SERVER = b"server: fastserve\r\n"
SMALL = 16384  # a body up to this size goes out in one piece with what precedes it

Headers = Iterable[Any]


class Bytes(bytes):
    """What a library may give for bytes."""


def start(
    status: Any = 200,
    headers: Headers = (),
    *,
    defaults: bytes = DATE + SERVER,
    date_size: int = len(DATE),
    http10: bool = False,
    to_head: bool = False,
    keep_alive: bool = True,
) -> tuple[ResponseWriter, bytes]:
    writer = ResponseWriter()
    head = writer.start(
        status, headers, defaults, date_size, http10, to_head, keep_alive
    )
    return writer, head


def lines(head: bytes) -> list[bytes]:
    """The lines of a head, without the defaults in front."""
    text, end = head[: -len(b"\r\n\r\n")], head[-len(b"\r\n\r\n") :]
    assert end == b"\r\n\r\n"
    status, date, server, *others = text.split(b"\r\n")
    assert (date + b"\r\n", server + b"\r\n") == (DATE, SERVER)
    return [status, *others]


def joined(piece: bytes | list[bytes] | None) -> bytes:
    if piece is None:
        return b""
    return piece if isinstance(piece, bytes) else b"".join(piece)


def answer(
    headers: Headers, parts: list[Any], status: int = 200, **request: bool
) -> bytes:
    """All bytes of an answer with these parts of a body."""
    writer, head = start(status, headers, **request)
    waiting: bytes | None = head
    out = b""
    for part in parts[:-1]:
        out += joined(writer.body(waiting, part, True))
        waiting = None
    return out + joined(writer.body(waiting, parts[-1], False))


def by_h11(
    data: bytes, method: str = "GET", closed: bool = False
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body as h11 reads them; nothing may be left over."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    if closed:
        client.receive_data(b"")
    event = client.next_event()
    assert isinstance(event, h11.Response)
    body = b""
    while not isinstance(part := client.next_event(), h11.EndOfMessage):
        assert isinstance(part, h11.Data), part
        body += part.data
    assert client.trailing_data[0] == b""
    headers = [(bytes(name), bytes(value)) for name, value in event.headers]
    return event.status_code, headers, body

"""What the parsers of others, h11, httptools and aiohttp, read in bytes of requests."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import h11
import httptools
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser


@dataclass(frozen=True)
class Read:
    """A request as a parser understood it."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def read_by_h11(data: bytes, count: int) -> list[Read]:
    """The first requests in the bytes, as many as h11 finds and no more than count."""
    found: list[Read] = []
    while len(found) < count:
        peer = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        peer.receive_data(data.lstrip(b"\r\n"))
        head, parts = None, []
        while True:
            try:
                event = peer.next_event()
            except h11.RemoteProtocolError:
                return found
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return found
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
        assert head is not None
        headers = tuple((bytes(n), bytes(v)) for n, v in head.headers)
        target = bytes(head.target).removesuffix(b"?")
        found.append(Read(bytes(head.method), target, headers, b"".join(parts)))
        data = peer.trailing_data[0]
    return found


class _Kept:
    """httptools' callbacks: the methods and bodies of whole requests."""

    def __init__(self) -> None:
        self.found: list[tuple[bytes, bytes]] = []
        self.parser: httptools.HttpRequestParser | None = None
        self._body = b""

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        assert self.parser is not None
        self.found.append((self.parser.get_method(), self._body))
        self._body = b""


def framed_by_httptools(data: bytes) -> list[tuple[bytes, bytes]]:
    """Method and body of each request, up to the first that it refuses."""
    kept = _Kept()
    kept.parser = httptools.HttpRequestParser(kept)
    with contextlib.suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
        kept.parser.feed_data(data)
    return kept.found


def framed_by_aiohttp(data: bytes) -> list[tuple[bytes, bytes]]:
    """The same by aiohttp's parser, read request by request: it refuses whole reads."""
    found: list[tuple[bytes, bytes]] = []
    loop = _Loop()
    parser = HttpRequestParser(
        BaseProtocol(loop), loop, 1 << 16, max_line_size=1 << 16, max_field_size=1 << 16
    )
    messages = []
    for at in range(len(data)):
        try:
            more, upgraded, _ = parser.feed_data(data[at : at + 1])
        except Exception:  # its errors have no common class
            break
        messages += more
        if upgraded:
            break
    for message, body in messages:
        if not body.is_eof() or body.exception() is not None:
            break
        text = b"".join(getattr(body, "_buffer", None) or ())
        found.append((message.method.encode(), text))
    return found


class _Loop:
    """What aiohttp's parser asks of a loop while it only parses."""

    def get_debug(self) -> bool:
        return False

    def time(self) -> float:
        return 0.0

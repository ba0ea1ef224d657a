"""What h11, a strict parser of its own, reads in the bytes of requests."""

from __future__ import annotations

from dataclasses import dataclass

import h11


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

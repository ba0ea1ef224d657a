"""A good message means the same however its bytes are cut into reads.

Each message goes to a server three ways: cut in two at every place, one byte at a
time, and behind another request in one write. Answer, scope and body are those of the
message in one piece. test_cases.py does so with bad ones, without sockets.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from harness.apps import Receive, Scope, Send, read_body, respond
from harness.client import REQUEST, Answer, Client, request
from harness.fixtures import Site

GOOD = {
    "get": b"GET /a%20b?q=1 HTTP/1.1\r\nHost: h\r\nX-A:  v \r\nX-B:\r\n\r\n",
    "http 1.0": b"GET / HTTP/1.0\r\nX-A: v\r\n\r\n",
    "length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello world",
    "chunked": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n",
    "expect": b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
    b"Content-Length: 2\r\n\r\nhi",
    "upgrade": b"POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    b"Content-Length: 5\r\n\r\nhello",
    "absolute": b"GET http://h.example:80/p?q HTTP/1.1\r\nHost: h\r\n\r\n",
    "options": b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    "token": b"M-SEARCH_1 / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "empty lines": b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
}

@dataclass
class Summary:
    """What the application saw and the client got, without what may vary."""

    scope: dict[str, object]
    status: int
    body: bytes

    @classmethod
    def of(cls, scope: Scope, answer: Answer) -> Summary:
        kept = {k: v for k, v in scope.items() if k not in ("client", "state")}
        return cls(kept, answer.status, answer.body)


class Collector:
    """Answers with the body; keeps the scope of each connection's last request."""

    def __init__(self) -> None:
        self.scopes: dict[object, Scope] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes[tuple(scope["client"])] = scope
        try:
            data = await read_body(receive)
        except ConnectionError:
            return
        await respond(send, data)

    def summary(self, client: Client) -> Summary:
        answer = client.answer()
        return Summary.of(self.scopes[client.name], answer)


def send_in_parts(site: Site, cuts: list[list[bytes]]) -> list[Client]:
    """One connection for each list of parts; a pause after each round of parts, so
    that the server reads them one by one."""
    clients = [site.connect() for _ in cuts]
    for turn in range(max(len(parts) for parts in cuts)):
        for client, parts in zip(clients, cuts, strict=True):
            if turn < len(parts):
                client.send(parts[turn])
        time.sleep(0.001 if len(cuts) == 1 else 0.01)
    return clients


def two_way_cuts(data: bytes) -> list[list[bytes]]:
    return [[data[:at], data[at:]] for at in range(1, len(data))]


def single_bytes(data: bytes) -> list[list[bytes]]:
    return [[data[at : at + 1] for at in range(len(data))]]


def whole(site: Site, data: bytes) -> Summary:
    site.app = app = Collector()
    client = site.connect()
    client.send(data)
    summary = app.summary(client)
    client.close()
    return summary


@pytest.mark.parametrize("cut", [two_way_cuts, single_bytes])
@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_good_message(site: Site, data: bytes, cut) -> None:
    expected = whole(site, data)
    assert expected.status == 200
    site.app = app = Collector()
    for client in send_in_parts(site, cut(data)):
        assert app.summary(client) == expected
        client.close()


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_good_message_behind_another(site: Site, data: bytes) -> None:
    expected = whole(site, data)
    site.app = app = Collector()
    client = site.connect()
    client.send(request("POST", "/before", body=b"before") + data)
    assert client.answer().body == b"before"
    assert app.summary(client) == expected


def test_pipelined_requests_cut_in_two_everywhere(site: Site) -> None:
    site.app = Collector()
    one, two = request("POST", "/1", body=b"one"), request("POST", "/2", body=b"two")
    for client in send_in_parts(site, two_way_cuts(one + two)):
        assert client.answer().body == b"one"
        assert client.answer().body == b"two"
        client.close()


def test_a_megabyte_body_in_small_pieces(site: Site) -> None:
    """Chunks of one byte, as fast as the socket takes them; linear in time."""
    site.app = Collector()
    client = site.connect()
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send(head + b"1\r\nx\r\n" * (1 << 17) + b"0\r\n\r\n")
    assert client.answer().body == b"x" * (1 << 17)
    assert client.exchange(REQUEST).status == 200

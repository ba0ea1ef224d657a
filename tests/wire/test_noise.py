"""Mutated requests: nothing a peer sends ends the server, and what is served is what
h11, a strict parser of its own, reads in the same bytes."""

from __future__ import annotations

import random

import pytest
from harness.apps import Receive, Scope, Send, read_body, respond
from harness.client import REQUEST
from harness.fixtures import Site
from harness.oracles import Read, read_by_h11

CORPUS = [
    b"GET /path?query=1 HTTP/1.1\r\nHost: example.com:80\r\nAccept: */*\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello world",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n",
    b"PUT /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    b"GET / HTTP/1.0\r\nX-A: b\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
]
BYTES = [b"\r", b"\n", b"\r\n", b"\x00", b" ", b"\t", b":", b",", b"0", b"5", b"\xff"]
BYTES += [b";", b"-", b"chunked", b"Content-Length: 3\r\n", b"Host: h\r\n", b"\x7f"]
MUTANTS = 400


def mutate(chance: random.Random) -> bytes:
    data = bytearray(chance.choice(CORPUS) + chance.choice([b"", *CORPUS]))
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        at = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind == 0:
            data[at : at + chance.choice([1, 1, 4])] = b""
        elif kind == 1:
            data[at:at] = chance.choice(BYTES)
        elif kind == 2:
            data[at : at + 1] = chance.choice(BYTES)
        else:
            end = min(len(data), at + chance.randrange(40))
            data[at:at] = data[at:end]
    return bytes(data)


class Reader:
    """Records each request with its whole body."""

    def __init__(self) -> None:
        self.read: list[Read] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            data = await read_body(receive)
        except ConnectionError:
            return
        target = scope["raw_path"]
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        headers = tuple(scope["headers"])
        self.read.append(Read(scope["method"].encode(), target, headers, data))
        await respond(send)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_served_is_what_h11_reads(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(MUTANTS // 8):
        data = mutate(chance)
        site.app = reader = Reader()
        client = site.connect()
        client.send(data)
        client.finish()
        answer = client.read_to_eof()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 "), data
        assert reader.read == read_by_h11(data, len(reader.read)), data
        client.close()
    assert site.connect().exchange(REQUEST).status == 200


@pytest.mark.parametrize("seed", range(4))
def test_noise_without_any_form(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    site.app = reader = Reader()
    for _ in range(50):
        client = site.connect()
        client.send(chance.randbytes(chance.randrange(1, 400)))
        client.finish()
        answer = client.read_to_eof()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
        client.close()
    assert reader.read == []
    assert site.connect().exchange(REQUEST).status == 200

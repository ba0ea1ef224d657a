"""make soak: a server that has served for long holds what it held in the beginning.

    python tests/isolated/soak.py [--loop uvloop] [--requests 1000000]
                                  [--aborts 100000] [--websockets 10000]

Mixed requests, each answer compared to the byte; clients that leave by FIN or by RST,
before a byte, inside a head, a body or an answer, and while idle; WebSocket sessions,
with permessage-deflate and without, that close or are reset. All in ten rounds. After
the first, and after each, the server's memory, descriptors, tasks, objects known to the
collector and blocks of the interpreter are counted. Exit code 1, and a line, for what
has grown since the first round by more than SPARE. Needs Linux's /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import random
import socket
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "server")]

from _process import ServerProcess, serve  # noqa: E402
from counting import read_to_eof, read_until, reset  # noqa: E402
from harness.frames import BINARY, RSV1, TEXT, Deflater, close, frame  # noqa: E402
from harness.websocket import DEFLATE, handshake  # noqa: E402

ROUNDS = 10
BATCH = 32  # requests that are pipelined
TIMEOUT = 60.0  # seconds of one wait
# What may have been added since the first round: the allocator's own, grown tables, and
# the 450 blocks by which CPython 3.13 grows until it has warmed up. A leak of one small
# object a request is 5 to 500 times as much; of one a client that leaves, or a session,
# the short form sees what the collector knows, the long form all.
SPARE = {
    "rss": 3 << 20,
    "descriptors": 0,
    "tasks": 0,
    "objects": 100,
    "blocks": 2_000,
}
BROWSER = b"".join(
    b"%b: %b\r\n" % pair
    for pair in [
        (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101"),
        (b"Accept", b"text/html,application/xhtml+xml,*/*;q=0.8"),
        (b"Accept-Encoding", b"gzip, deflate, br"),
        (b"Cookie", b"session=0123456789abcdef; theme=dark"),
    ]
)


def request(line: bytes, fields: bytes = b"", body: bytes = b"") -> bytes:
    return line + b" HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n" + body


def sized(body: bytes) -> bytes:
    return request(b"POST /echo", b"Content-Length: %d\r\n" % len(body), body)


CHUNKED = b"".join(b"%x\r\n%b\r\n" % (size, b"c" * size) for size in (5, 1000, 1))
REQUESTS = [
    request(b"GET /"),
    request(b"GET /?q=%20a", BROWSER),
    request(b"HEAD /"),
    sized(b"p" * 1024),
    sized(b""),
    request(b"POST /echo", b"Transfer-Encoding: chunked\r\n", CHUNKED + b"0\r\n\r\n"),
    request(b"GET /parts"),
    request(b"GET /later"),
    request(b"GET /missing"),
]
HALVES = [b"", b"GET /", request(b"GET /")[:-2], sized(b"p" * 1024)[:-9]]
ANSWERED, CUT = request(b"GET /"), request(b"GET /waits")
LARGE = b"a large message, " * 400
sources = itertools.cycle(range(1, 255))


def connect(server: ServerProcess) -> socket.socket:
    """From one of many addresses: a port left by FIN is taken for a minute."""
    source = (f"127.0.0.{next(sources)}", 0)
    sock = socket.create_connection((server.host, server.port), TIMEOUT, source)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def read_exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = sock.recv(size - len(data))
        assert more, f"the server closed behind {bytes(data[-100:])!r}"
        data += more
    return bytes(data)


def learn(server: ServerProcess) -> list[tuple[bytes, bytes]]:
    """Each request, and the answer that it gets alone on a connection."""
    known = []
    for data in REQUESTS:
        with connect(server) as sock:
            last = data.replace(b"Host: h\r\n", b"Host: h\r\nConnection: close\r\n")
            sock.sendall(last)
            told = read_to_eof(sock).replace(b"connection: close\r\n", b"")
        assert told.startswith(b"HTTP/1.1 "), told
        known.append((data, told))
    return known


def ask(
    server: ServerProcess,
    known: list[tuple[bytes, bytes]],
    count: int,
    chance: random.Random,
) -> None:
    """So many requests, on eight connections, some of them pipelined."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(server)) for _ in range(8)]
        for sock in itertools.cycle(socks):
            if count <= 0:
                break
            batch = chance.choices(known, k=min(count, chance.choice((1, BATCH))))
            sock.sendall(b"".join(asked for asked, _ in batch))
            wanted = b"".join(told for _, told in batch)
            assert read_exactly(sock, len(wanted)) == wanted
            count -= len(batch)


def abort(server: ServerProcess, count: int, chance: random.Random) -> None:
    """So many clients that leave, each at some point, by FIN or by RST."""
    for _ in range(count):
        with connect(server) as sock:
            point = chance.randrange(6)
            if point < 4:
                sock.sendall(HALVES[point])
            elif point == 4:
                sock.sendall(ANSWERED)
                read_until(sock, b"world!\n")
            else:
                sock.sendall(CUT)
                sock.recv(1000)
            if chance.random() < 0.5:
                reset(sock)


def talk(server: ServerProcess, count: int, chance: random.Random) -> None:
    """So many WebSocket sessions."""
    for _ in range(count):
        deflates, resets = chance.random() < 0.5, chance.random() < 0.3
        with connect(server) as sock:
            sock.sendall(handshake("/", [DEFLATE] if deflates else []))
            read_until(sock, b"\r\n\r\n")
            sock.sendall(frame(TEXT, b"hello"))
            assert read_exactly(sock, 7) == b"\x81\x05hello"
            if deflates:
                sock.sendall(frame(BINARY, Deflater()(LARGE), flags=0x80 | RSV1))
                head = read_exactly(sock, 2)
                assert head[0] == 0xC2 and head[1] < 126
                read_exactly(sock, head[1])
            else:
                sock.sendall(frame(BINARY, LARGE))
                assert read_exactly(sock, 4 + len(LARGE)).endswith(LARGE)
            if resets:
                reset(sock)
            else:
                sock.sendall(close(1000))
                assert read_to_eof(sock) == b"\x88\x02\x03\xe8"


def alive(server: ServerProcess) -> dict[str, int]:
    found: dict[str, int] = json.loads(server.get("/alive").body)
    return found


def settled(server: ServerProcess, idle: dict[str, int]) -> dict[str, int]:
    """What is alive when the last connections and tasks have ended, if they do."""
    deadline = time.monotonic() + TIMEOUT
    found = alive(server)
    while any(found[name] > idle[name] for name in ("descriptors", "tasks")):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
        found = alive(server)
    return found


def soak(server: ServerProcess, requests: int, aborts: int, websockets: int) -> bool:
    """Whether nothing has grown."""
    chance = random.Random(1)
    known = learn(server)
    idle = alive(server)
    first: dict[str, int] = {}
    for number in range(1, ROUNDS + 1):
        ask(server, known, requests // ROUNDS, chance)
        abort(server, aborts // ROUNDS, chance)
        talk(server, websockets // ROUNDS, chance)
        found = settled(server, idle)
        first = first or {**found, "descriptors": idle["descriptors"]}
        told = ", ".join(f"{found[name]:,} {name}" for name in SPARE)
        print(f"round {number}: {told}", flush=True)
    grown = [name for name in SPARE if found[name] > first[name] + SPARE[name]]
    for name in grown:
        print(f"GROWN: {name}, from {first[name]:,} to {found[name]:,}")
    return not grown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", default="auto")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--aborts", type=int, default=100_000)
    parser.add_argument("--websockets", type=int, default=10_000)
    given = parser.parse_args()
    options = ["--app-dir", str(HERE), "--loop", given.loop, "--lifespan", "off"]
    options += ["--no-access-log", "--no-date-header"]  # answers that are alike
    # A machine that stands still for a while changes nothing.
    options += ["--timeout-keep-alive", "600", "--timeout-request-header", "0"]
    options += ["--ws-ping-interval", "0"]
    with serve("soaked:app", *options) as server:
        flat = soak(server, given.requests, given.aborts, given.websockets)
    print("flat" if flat else "not flat")
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())

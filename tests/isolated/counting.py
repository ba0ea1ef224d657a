"""Counts what stays behind when a server in this process has served one kind of
exchange many times. Run by the leak_*.py scripts, each in a process of its own.

Two counts: what is still there after a collection, and what only the collector could
free. The second must be no more than the loop itself leaves: asyncio's own transports
are cycles, uvloop's are not; a server of nothing shows how much that is. A kind is a
function that plays ROUNDS exchanges against an address and ends its connections.

Never imports pytest, h11 or anything else that makes cycles of its own.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from harness.server import TIMEOUT, ServerThread, eventually  # noqa: E402

ROUNDS = 100
# What the interpreter itself may keep: grown tables, free lists, cached names.
SPARE_BLOCKS = 50
SPARE_OBJECTS = 20
# A leak comes with every exchange; what the interpreter caches comes now and then.
# CPython 3.11 keeps a string in its method cache for many a call of a C function that
# names its method by characters, as asyncio's tasks ask a future for its result.
ATTEMPTS = 3

Address = tuple[str, int]
Kind = Callable[[Address], None]


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, timeout=TIMEOUT)


def reset(sock: socket.socket) -> None:
    """Close with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def read_until(sock: socket.socket, end: bytes) -> None:
    data = b""
    while not data.endswith(end):
        more = sock.recv(1 << 16)
        assert more, data
        data += more


def read_to_eof(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


def over_one_connection(data: bytes, end: bytes = b"ok") -> Kind:
    """Requests one after another on a connection that stays open."""

    def play(address: Address) -> None:
        with connect(address) as sock:
            for _ in range(ROUNDS):
                sock.sendall(data)
                read_until(sock, end)

    return play


def over_many_connections(exchange: Callable[[socket.socket], Any]) -> Kind:
    """One exchange a connection."""

    def play(address: Address) -> None:
        for _ in range(ROUNDS):
            with connect(address) as sock:
                exchange(sock)

    return play


def settle(server: ServerThread) -> None:
    """Until the server knows nothing of the exchanges and its loop went round."""
    state = server.server.server_state
    eventually(lambda: not state.connections and not state.tasks)
    time.sleep(0.02)


def count() -> tuple[int, int]:
    return sys.getallocatedblocks(), len(gc.get_objects())


def cycles_of_the_loop(server: ServerThread, rough: bool) -> int:
    """Objects in cycles after ROUNDS connections to a protocol that does nothing."""
    lost = []

    class Nothing(asyncio.Protocol):
        def connection_lost(self, error: Exception | None) -> None:
            lost.append(None)

    async def listen() -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(Nothing, "127.0.0.1", 0)

    async def close() -> None:
        listener.close()

    listener = server.run(listen())
    address = listener.sockets[0].getsockname()
    for rounds in (1, ROUNDS):  # the first connection fills what is kept for all
        gc.collect()
        lost.clear()
        for _ in range(rounds):
            sock = connect(address)
            if rough:
                time.sleep(0.0005)
                reset(sock)
            sock.close()
        eventually(lambda rounds=rounds: len(lost) == rounds)
        time.sleep(0.02)
    server.run(close())
    return gc.collect()


def measure(server: ServerThread, kind: Kind, max_cycles: int) -> tuple[str, bool]:
    """What stays of this kind, and whether that is too much."""
    for _ in range(2):  # fills caches and free lists
        kind(server.address)
        settle(server)
    for _ in range(ATTEMPTS):
        told, leaks = measure_once(server, kind, max_cycles)
        if not leaks:
            break
    return told, leaks


def measure_once(server: ServerThread, kind: Kind, max_cycles: int) -> tuple[str, bool]:
    gc.collect()
    blocks, objects = count()
    kind(server.address)
    settle(server)
    cycles = gc.collect()
    blocks_after, objects_after = count()
    blocks = blocks_after - blocks
    objects = objects_after - objects
    leaks = blocks > SPARE_BLOCKS or objects > SPARE_OBJECTS or cycles > max_cycles
    told = f"{blocks} blocks, {objects} objects, {cycles} in cycles"
    return told, leaks


def main(app: Any, kinds: dict[str, Kind], rough: bool = False) -> None:
    """Measure each kind on the loop that the command names; exit 1 if one leaks.

    `rough` is for clients that reset: asyncio keeps the exceptions in cycles.
    """
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    logging.getLogger("uvicorn").propagate = False
    gc.disable()
    leaks = 0
    with ServerThread(app, loop=sys.argv[1], lifespan="off") as server:
        own_cycles = cycles_of_the_loop(server, rough)
        print(f"the loop itself: {own_cycles} in cycles")
        # Some more or less of asyncio's; a cycle of ours has two objects or more.
        max_cycles = own_cycles + ROUNDS if own_cycles else SPARE_OBJECTS
        for name, kind in kinds.items():
            told, leaking = measure(server, kind, max_cycles)
            leaks += leaking
            print(f"{name}: {told}{' LEAK' if leaking else ''}", flush=True)
    print(f"{len(kinds)} kinds, {ROUNDS} exchanges each, {leaks} leak")
    sys.exit(1 if leaks else 0)

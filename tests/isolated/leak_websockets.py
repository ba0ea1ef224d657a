"""WebSockets that end in every way: nothing of them stays."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from counting import main, over_many_connections, read_to_eof, read_until, reset
from harness.frames import BINARY, RSV1, TEXT, Deflater, close, frame
from harness.websocket import DEFLATE, echo, handshake

HELLO = b"\x81\x05hello"
LARGE = b"large " * 2000


async def app(scope, receive, send):
    if scope["path"] == "/deny":
        await send({"type": "websocket.close"})
    else:
        await echo(scope, receive, send)


def open_it(sock, target="/", headers=()) -> None:
    sock.sendall(handshake(target, headers))
    read_until(sock, b"\r\n\r\n")


def say_hello(sock) -> None:
    open_it(sock)
    sock.sendall(frame(TEXT, b"hello"))
    read_until(sock, HELLO)


def close_it(sock) -> None:
    say_hello(sock)
    sock.sendall(close(1000))
    read_to_eof(sock)


def deflated(sock) -> None:
    open_it(sock, headers=[DEFLATE])
    sock.sendall(frame(BINARY, Deflater()(LARGE), flags=0x80 | RSV1))
    assert sock.recv(1 << 16)[0] == 0xC2
    sock.sendall(close(1000))
    read_to_eof(sock)


def violate(sock) -> None:
    say_hello(sock)
    sock.sendall(b"\x81\x00")
    assert read_to_eof(sock)[2:4] == b"\x03\xea"


def denied(sock) -> None:
    sock.sendall(handshake("/deny"))
    assert read_to_eof(sock).startswith(b"HTTP/1.1 403 ")


def refused(sock) -> None:
    sock.sendall(handshake(sec_websocket_key=None))
    assert read_to_eof(sock).startswith(b"HTTP/1.1 400 ")


def half(sock) -> None:
    say_hello(sock)
    sock.sendall(frame(BINARY, LARGE)[:-1])


def left(sock) -> None:
    say_hello(sock)


def aborted(sock) -> None:
    say_hello(sock)
    reset(sock)


if __name__ == "__main__":
    kinds = (close_it, deflated, violate, denied, refused, half, left)
    named = {each.__name__: over_many_connections(each) for each in kinds}
    if sys.argv[1] == "uvloop":
        # asyncio keeps what a reset raises in cycles of its own.
        named["aborted"] = over_many_connections(aborted)
    main(app, named)

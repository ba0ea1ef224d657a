"""One end of a pair of sockets where a transport's would be, and who has the other."""

from __future__ import annotations

import socket
from typing import Any

from _fakes import FakeTransport

Pair = tuple[socket.socket, socket.socket]


class SocketTransport(FakeTransport):
    """A transport over one of a pair of sockets; what it is given it holds back.

    `drain` sends it, in order, as far as the socket takes it.
    """

    def __init__(self, sock: socket.socket, **extra: Any) -> None:
        super().__init__(socket=sock, **extra)
        self.sock = sock
        self.held = b""

    def write(self, data: Any) -> None:
        assert len(data)
        self._wrote(bytes(data))
        self.held += bytes(data)

    def get_write_buffer_size(self) -> int:
        return len(self.held)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def drain(self) -> None:
        while self.held:
            try:
                self.held = self.held[self.sock.send(self.held) :]
            except BlockingIOError:
                return


class Peer:
    """The other end; `got` is all that has come."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.got = b""

    def read(self, size: int = 1 << 20) -> bytes:
        """What comes now, at most this many bytes; all that came is kept too."""
        part = b""
        while len(part) < size:
            try:
                more = self.sock.recv(min(65536, size - len(part)))
            except BlockingIOError:
                break
            if not more:
                break
            part += more
        self.got += part
        return part

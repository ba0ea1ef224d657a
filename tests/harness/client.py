"""A client that sends exactly the bytes it is told to, and reads answers with h11.

h11 is the oracle: an answer that it refuses fails the test. Every wait has a time
limit, TIMEOUT. Never retries, never reconnects, never follows anything.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import h11

from .server import TIMEOUT

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@dataclass
class Answer:
    """One response; `complete` is False when the connection ended inside it."""

    status: int = 0
    reason: bytes = b""
    http_version: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False
    interim: list[int] = field(default_factory=list)

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: bytes) -> bytes | None:
        """The value of a field that comes at most once."""
        values = self.all(name)
        assert len(values) <= 1, f"{name!r} comes {len(values)} times"
        return values[0] if values else None


class Client:
    """A TCP or Unix connection; `address` is what socket.connect() takes."""

    def __init__(self, address: Any, timeout: float = TIMEOUT) -> None:
        local = isinstance(address, (str, bytes))
        self.sock = socket.socket(socket.AF_UNIX if local else socket.AF_INET)
        self.sock.settimeout(timeout)
        self.sock.connect(address)
        if not local:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""  # read, and not yet part of an answer
        self.at_eof = False
        self.was_reset = False

    @property
    def name(self) -> tuple[str, int]:
        host, port = self.sock.getsockname()
        return host, port

    def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Each piece in a write of its own, `pause` seconds apart."""
        for piece in pieces:
            self.sock.sendall(piece)
            if pause:
                time.sleep(pause)

    def send_while_accepted(self, data: bytes, limit: int, stall: float = 0.3) -> int:
        """Repeat `data` up to `limit` bytes, until no byte was taken for `stall`
        seconds; return how many were taken."""
        timeout = self.sock.gettimeout()
        self.sock.settimeout(stall)
        view, sent = memoryview(data), 0
        try:
            while sent < limit:
                sent += self.sock.send(view[sent % len(data) :][: limit - sent])
        except TimeoutError:
            pass
        finally:
            self.sock.settimeout(timeout)
        return sent

    def receive(self) -> bytes:
        """The next bytes; b"" at the end. A reset counts as the end, and is noted."""
        if self.buffer:
            data, self.buffer = self.buffer, b""
            return data
        if self.at_eof:
            return b""
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            self.was_reset = True
            data = b""
        self.at_eof = not data
        return data

    def read_to_eof(self) -> bytes:
        """All bytes up to an orderly end."""
        data = b"".join(iter(self.receive, b""))
        assert not self.was_reset, f"reset by the server after {data!r}"
        return data

    def read_until(self, mark: bytes) -> bytes:
        """Bytes up to and with the mark; what follows stays for the next read."""
        data = b""
        while mark not in data:
            more = self.receive()
            assert more, f"the connection ended after {data!r}"
            data += more
        end = data.index(mark) + len(mark)
        self.buffer = data[end:] + self.buffer
        return data[:end]

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, whole and well formed."""
        answer = self._parse(method)
        assert answer.complete, f"cut: {answer}"
        return answer

    def last_answer(self, method: str = "GET") -> Answer:
        """The next answer, after which the server ends the connection in order."""
        answer = self.answer(method)
        assert self.read_to_eof() == b""
        return answer

    def refused(self, status: int = 400) -> Answer:
        """A refusal: that status, Connection: close, and the end in order."""
        answer = self.answer()
        assert answer.status == status
        assert answer.header(b"connection") == b"close"
        assert self.read_to_eof() == b""
        return answer

    def cut_answer(self, method: str = "GET") -> Answer:
        """What came of an answer that the server cut; status 0 if not even a head."""
        answer = self._parse(method)
        assert not answer.complete, f"looks whole: {answer}"
        return answer

    def _parse(self, method: str) -> Answer:
        peer = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        peer.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
        peer.send(h11.EndOfMessage())
        answer = Answer()
        parts: list[bytes] = []
        while True:
            try:
                event = peer.next_event()
            except h11.RemoteProtocolError:
                if not self.at_eof:
                    raise
                break
            if event is h11.NEED_DATA:
                peer.receive_data(self.receive())
            elif isinstance(event, h11.InformationalResponse):
                answer.interim.append(event.status_code)
            elif isinstance(event, h11.Response):
                answer.status, answer.reason = event.status_code, bytes(event.reason)
                answer.http_version = bytes(event.http_version)
                answer.headers = [(bytes(n), bytes(v)) for n, v in event.headers]
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                # A body that goes up to the end needs an orderly one.
                answer.complete = not self.was_reset
                self.buffer = peer.trailing_data[0]
                break
            else:
                break  # the end, before any head
        answer.body = b"".join(parts)
        return answer

    def exchange(self, request: bytes, method: str = "GET") -> Answer:
        self.send(request)
        return self.answer(method)

    def assert_silent(self, seconds: float = 0.05) -> None:
        """Nothing arrives and the connection stays open for so long."""
        assert self.buffer == b""
        timeout = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            data = self.sock.recv(1 << 16)
        except TimeoutError:
            return
        finally:
            self.sock.settimeout(timeout)
        raise AssertionError(f"received {data!r}" if data else "closed")

    def assert_not_progressing(
        self, count: Callable[[], int], seconds: float = 0.1, limit: float = TIMEOUT
    ) -> None:
        """Wait, reading nothing, until a count stood still for so long."""
        deadline = time.monotonic() + limit
        last = -1
        while last != (last := count()):
            assert time.monotonic() < deadline, "it goes on"
            time.sleep(seconds)

    def finish(self) -> None:
        """Send FIN, and go on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Send RST and close."""
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.sock.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def request(
    method: str = "GET",
    target: str = "/",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    version: str = "1.1",
) -> bytes:
    """The bytes of a well-formed request; Content-Length is added to a body."""
    lines = [f"{method} {target} HTTP/{version}", "Host: h"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    """A chunked body with its last chunk."""
    parts = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
    return b"".join(parts) + b"0\r\n" + trailers + b"\r\n"

"""No file descriptor is left: new connections wait, and nobody is cut."""

from __future__ import annotations

import functools
import os
import resource
import socket
import time
from collections.abc import Callable

import pytest
from _process import ServerProcess, serve

GET = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
CONTROL = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
WAITS = "new connections wait"


def limited(soft: int, hard: int) -> Callable[[], None]:
    limits = (soft, hard)
    return functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, limits)


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def told(server: ServerProcess) -> list[str]:
    return [line for line in server.log_lines() if WAITS in line]


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(functools.partial(client.recv, 65_536), b""))


class Control:
    """A request that goes on, whose application takes descriptors."""

    def __init__(self, server: ServerProcess) -> None:
        self.sock = server.connect()
        self.sock.sendall(CONTROL)
        self._answer = self.sock.makefile("rb")
        while self._answer.readline() != b"\r\n":
            pass

    def take(self, number: int) -> int:
        line = b"%d\n" % number
        self.sock.sendall(b"%x\r\n%s\r\n" % (len(line), line))
        self._answer.readline()  # the chunk's size
        limit = int(self._answer.readline())
        self._answer.readline()
        return limit


def test_more_clients_than_descriptors(loop_name: str) -> None:
    options = ("--loop", loop_name, "--timeout-request-header", "0")
    with serve("_apps:hello", *options, preexec_fn=limited(64, 128)) as server:
        silent = [server.connect() for _ in range(200)]
        server.wait_for_log(f"Hardly one of 128 file descriptors.*{WAITS}")
        client = server.connect()
        client.sendall(GET)
        before = cpu_seconds(server.pid)
        time.sleep(1)
        assert cpu_seconds(server.pid) - before < 0.5
        for each in silent:
            each.close()
        assert read_all(client).endswith(b"hello")
        assert len(told(server)) == 1
        assert not [line for line in server.log_lines() if "ERROR" in line]


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 10_000, reason="a low hard limit"
)
def test_the_application_takes_all_of_them(loop_name: str) -> None:
    """While there are many, the event loop's own server accepts."""
    options = ("--loop", loop_name)
    preexec = limited(1024, 10_000)
    with serve("_apps:descriptors", *options, preexec_fn=preexec) as server:
        control = Control(server)
        assert control.take(0) == 10_000
        control.take(6000)
        control.take(9950)
        clients = []
        while not told(server) and len(clients) < 200:
            clients.append(server.connect())
            time.sleep(0.02)
        server.wait_for_log(WAITS)
        control.take(0)
        for client in clients:
            client.sendall(GET)
            assert b"HTTP/1.1 200 OK\r\n" in read_all(client)
        assert len(told(server)) == 1


def test_accept_itself_fails(loop_name: str) -> None:
    """Others may lower what a process has: the kernel's word is heard too."""
    options = ("--loop", loop_name)
    with serve("_apps:hello", *options, preexec_fn=limited(64, 4096)) as server:
        assert server.get("/").text == "hello"
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (4, 4096))
        client = server.connect()
        client.sendall(GET)
        server.wait_for_log(f"Too many open files: {WAITS}")
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert read_all(client).endswith(b"hello")

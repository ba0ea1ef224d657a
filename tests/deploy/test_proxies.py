"""Real nginx and HAProxy in front of fastserve, with the configurations of deploy/."""

from __future__ import annotations

import contextlib
import getpass
import http.client
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from _deploy import ADDRESS, hang_up_until_replaced, program, text_of, workers_of
from _load import load
from _process import ServerProcess, free_port, serve, start, wait_until

# As the heads of both configurations say.
OPTIONS = ("--timeout-keep-alive", "75")


class Proxied:
    """fastserve, and the proxy in front of it, which listens on `port`."""

    def __init__(self, server: ServerProcess, proxy: ServerProcess, port: int) -> None:
        self.server, self.proxy, self.port = server, proxy, port

    def connect(self, source: str = "127.0.0.1") -> http.client.HTTPConnection:
        """A client whose own address is `source`."""
        return http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=20, source_address=(source, 0)
        )

    def is_open(self) -> bool:
        try:
            return ask(self.connect(), "/pid").isdigit()
        except (OSError, AssertionError):
            return False


def ask(
    connection: http.client.HTTPConnection, target: str = "/", **headers: str
) -> bytes:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", target, headers=fields)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    return body


def start_nginx(folder: Path, behind: int, port: int) -> ServerProcess:
    """nginx with its files in `folder` and one process, in front of port `behind`."""
    site = folder / "app.conf"
    addresses = {
        ADDRESS: f"127.0.0.1:{behind}",
        "listen 80;": f"listen 0.0.0.0:{port};",
    }
    site.write_text(text_of("nginx.conf", addresses))
    temporary = "".join(
        f"  {kind}_temp_path {folder};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    frame = (
        f"user {getpass.getuser()};\ndaemon off;\n"
        f"pid {folder}/nginx.pid;\nerror_log stderr;\n"
        "worker_processes 1;\nevents {}\n"
        f"http {{\n{temporary}  access_log off;\n  include {site};\n}}\n"
    )
    (folder / "nginx.conf").write_text(frame)
    args = ("-p", str(folder), "-c", str(folder / "nginx.conf"))
    return start(*args, command=(), python=program("nginx"), cwd=folder)


def start_haproxy(folder: Path, behind: int, port: int) -> ServerProcess:
    addresses = {ADDRESS: f"127.0.0.1:{behind}", "bind :80": f"bind 0.0.0.0:{port}"}
    (folder / "haproxy.cfg").write_text(text_of("haproxy.cfg", addresses))
    return start(
        *("-db", "-f", "haproxy.cfg"),
        command=(),
        python=program("haproxy"),
        cwd=folder,
    )


PROXIES = {"nginx": start_nginx, "haproxy": start_haproxy}


@pytest.fixture
def options() -> tuple[str, ...]:
    """More options for fastserve; tests give their own."""
    return ()


@pytest.fixture(params=PROXIES)
def proxied(
    request: pytest.FixtureRequest, folder: Path, options: tuple[str, ...]
) -> Iterator[Proxied]:
    """Each proxy in front of a fastserve."""
    program(request.param)
    with serve("main:app", *OPTIONS, *options, cwd=folder) as server:
        port = free_port()
        proxy = PROXIES[request.param](folder, server.port, port)
        try:
            proxied = Proxied(server, proxy, port)
            wait_until(proxied.is_open)
            yield proxied
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                proxy.stop(signal.SIGTERM)  # killed, it would leave its children
            proxy.close()


def test_connections_are_kept_on_both_sides(folder: Path, proxied: Proxied) -> None:
    client = proxied.connect()
    client.connect()
    own_port = client.sock.getsockname()[1]
    accepted = []
    for _ in range(20):
        ask(client)
        assert client.sock.getsockname()[1] == own_port
        accepted.append(established(proxied.server))
    # Nor has there been another connection for each request, closed since.
    assert len(set.union(*accepted)) <= 3


def established(server: ServerProcess) -> set[int]:
    """The ports of the peers that are connected to the server."""
    connections = psutil.Process(server.pid).net_connections("tcp")
    return {
        c.raddr.port for c in connections if c.raddr and c.laddr.port == server.port
    }


def test_the_application_sees_the_client(proxied: Proxied) -> None:
    client = proxied.connect(source="127.0.0.2")
    seen = json.loads(ask(client, Host="example.org"))
    assert seen["client"] == ["127.0.0.2", 0]
    assert seen["scheme"] == "http"
    assert seen["http_version"] == "1.1"
    assert ["host", "example.org"] in seen["headers"]
    assert proxied.server.stdout.search('127.0.0.2:0 - "GET / HTTP/1.1" 200 OK')


def test_the_application_is_not_lied_to(proxied: Proxied) -> None:
    lies = {"X_Forwarded_For": "203.0.113.9", "X_Forwarded_Proto": "https"}
    seen = json.loads(ask(proxied.connect(source="127.0.0.2"), **lies))
    assert seen["client"] == ["127.0.0.2", 0]
    assert seen["scheme"] == "http"


def test_bodies_pass_whole(proxied: Proxied) -> None:
    client = proxied.connect()
    body = bytes(range(256)) * 8192  # 2 MiB
    for sent in (body, iter([body[:70000], b"x", body])):
        client.request("POST", "/echo", sent)
        answer = client.getresponse()
        expected = body if sent is body else body[:70000] + b"x" + body
        assert answer.status == 200
        assert answer.read() == expected


def test_pieces_come_as_they_are_sent(proxied: Proxied) -> None:
    client = proxied.connect()
    client.request("GET", "/slowly")
    answer = client.getresponse()
    assert [answer.read1(100) for _ in range(3)] == [b"one", b"two", b"three"]
    assert answer.read() == b""


def test_many_clients_at_once(proxied: Proxied) -> None:
    with load(proxied.port, clients=16, target="/pid") as clients:
        wait_until(lambda: clients.answered > 1000, timeout=60)
    assert clients.failures == []


@pytest.mark.parametrize("options", [("--workers", "2")])
def test_no_request_is_lost_when_workers_are_replaced(proxied: Proxied) -> None:
    pid = proxied.server.pid
    with load(proxied.port, clients=16, target="/pid") as clients:
        wait_until(lambda: len(clients.bodies) >= 1)
        hang_up_until_replaced(pid, times=3)
        answered = clients.answered
        wait_until(lambda: clients.answered > answered + 100)
    assert clients.failures == []
    assert {body.decode() for body in clients.bodies} & set(map(str, workers_of(pid)))

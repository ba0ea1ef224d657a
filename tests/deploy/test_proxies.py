"""Real nginx and HAProxy in front of fastserve: what they and it make of each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from _deploy import hang_up_until_replaced, workers_of
from _load import load
from _process import ServerProcess, wait_until
from _proxies import PROXIES, Proxied, ask, proxied_by


@pytest.fixture
def options() -> tuple[str, ...]:
    """More options for fastserve; tests give their own."""
    return ()


@pytest.fixture(params=PROXIES)
def proxied(
    request: pytest.FixtureRequest, folder: Path, options: tuple[str, ...]
) -> Iterator[Proxied]:
    """Each proxy in front of a fastserve."""
    with proxied_by(request.param, folder, *options) as proxied:
        yield proxied


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

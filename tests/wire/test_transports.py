"""The same over Unix sockets, inherited and given descriptors, and in debug mode."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from harness.apps import Recorder, echo, replies, respond
from harness.client import REQUEST, Client, chunked, request
from harness.fixtures import Site
from harness.server import eventually

Start = Callable[..., Site]


@pytest.fixture
def socket_path() -> Iterator[str]:
    """Short: the path of a Unix socket has about a hundred bytes."""
    with TemporaryDirectory(prefix="fs-") as folder:
        yield str(Path(folder) / "s")


def check_serving(site: Site) -> None:
    """One of each: body, chunks, pipelining, stream, refusal, half-close."""
    site.app = echo
    client = site.connect()
    assert client.exchange(request("POST", body=b"hello")).body == b"hello"
    head = request("POST", headers=[("Transfer-Encoding", "chunked")])
    assert client.exchange(head + chunked(b"a", b"b")).body == b"ab"
    large = request("POST", body=b"x" * 1_000_000)
    assert len(client.exchange(large).body) == 1_000_000
    client.send(request("POST", body=b"x" * 10_000) * 3)
    assert [len(client.answer().body) for _ in range(3)] == [10_000] * 3
    bad = site.connect()
    bad.send(b"garbage\r\n\r\n")
    bad.refused()
    half = site.connect()
    half.send(request("POST", body=b"half"))
    half.finish()
    assert half.last_answer().body == b"half"
    gone = site.connect()
    gone.send(REQUEST[:10])
    gone.close()


def test_unix_socket(start_server: Start, socket_path: str) -> None:
    site = start_server(uds=socket_path)
    check_serving(site)
    site.app = recorder = Recorder(replies())
    assert site.connect().exchange(REQUEST).status == 200
    assert recorder.scope["server"] == (socket_path, None)
    assert recorder.scope["client"] is None
    eventually(lambda: site.records("uvicorn.access"))
    record = site.records("uvicorn.access")[-1]
    assert record.args == ("", "GET", "/", "1.1", 200)
    assert record.getMessage() == ' - "GET / HTTP/1.1" 200'


def test_refusal_on_a_unix_socket(start_server: Start, socket_path: str) -> None:
    site = start_server(uds=socket_path)
    client = site.connect()
    client.send(b"garbage\r\n\r\n")
    client.refused()
    site.wait_for_message("Invalid HTTP request received.")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_inherited_descriptor(
    start_server: Start, socket_path: str, family: socket.AddressFamily
) -> None:
    listener = socket.socket(family)
    listener.bind(("127.0.0.1", 0) if family == socket.AF_INET else socket_path)
    listener.listen(16)
    address = listener.getsockname()
    with listener:
        site = start_server(echo, fd=listener.fileno())
        clients = [Client(address) for _ in range(2)]
        for client in clients:
            with client:
                answer = client.exchange(request("POST", body=b"hello"))
                assert answer.body == b"hello"
        site.wait_idle()


def test_given_sockets(start_server: Start) -> None:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    site = start_server(sockets=listeners)
    site.app = recorder = Recorder(echo)
    for listener in listeners:
        address = listener.getsockname()
        with Client(address) as client:
            client.exchange(REQUEST)
        assert recorder.scopes[-1]["server"] == address


def test_ipv6(start_server: Start) -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    site = start_server(sockets=[listener])
    site.app = recorder = Recorder(replies())
    host, port = listener.getsockname()[:2]
    with socket.create_connection((host, port), timeout=30) as sock:
        sock.sendall(request(headers=[("Connection", "close")]))
        assert b"".join(iter(lambda: sock.recv(4096), b"")).startswith(b"HTTP/1.1 200")
        own = sock.getsockname()[:2]
    assert recorder.scope["server"] == (host, port)
    assert recorder.scope["client"] == own
    assert site.records("uvicorn.access")[-1].args[0] == f"{own[0]}:{own[1]}"


def test_asyncio_debug_mode(
    start_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYTHONASYNCIODEBUG=1: every check of the loop on, and nothing found."""
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    site = start_server(timeout_keep_alive=3)
    assert site.server.run(is_debug())
    check_serving(site)

    async def app(scope, receive, send):
        await asyncio.sleep(0.001)
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(3)))
        await asyncio.wait_for(asyncio.to_thread(len, "abc"), 30)
        await respond(send)

    site.app = app
    client = site.connect()
    client.send(REQUEST * 40)
    assert [client.answer().status for _ in range(40)] == [200] * 40
    assert client.read_to_eof() == b""  # the keep-alive time
    assert site.warnings[0] == "Invalid HTTP request received."  # check_serving's
    assert len(site.warnings) <= 2


async def is_debug() -> bool:
    return asyncio.get_running_loop().get_debug()

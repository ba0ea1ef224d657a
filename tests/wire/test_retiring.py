"""A server that ends while others serve on its sockets: a worker that is replaced.

Its clients see nothing but `Connection: close`: kept connections have a second in
which a request is still answered, and what was accepted is served.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from harness.apps import Gate, Recorder, body, replies, sends, start
from harness.client import REQUEST, Client
from harness.fixtures import Site
from harness.server import eventually

GRACE = 1.0  # seconds


@pytest.fixture
def worker(start_server: Callable[..., Site]) -> Iterator[Site]:
    """Listens on a socket that the test holds open, as the parent of workers does."""
    listener = socket.create_server(("127.0.0.1", 0))
    site = start_server(sockets=[listener.dup()], timeout_graceful_shutdown=60)
    yield site
    site.server.server.force_exit = True
    listener.close()


@pytest.fixture
def patient(worker: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Its grace is not over while a test is held up."""
    monkeypatch.setattr("fastserve.server.GRACE", 50.0)
    return worker


def retire(site: Site) -> float:
    """Tell the server to end, and wait until it does; the time of that."""
    began = time.monotonic()
    site.server.server.retiring = True
    site.server.server.should_exit = True
    site.wait_for_message("Shutting down")
    return began


def wait_closed(client: Client, began: float) -> None:
    """It is closed in order, after the second of grace."""
    assert client.read_to_eof() == b""
    assert time.monotonic() - began >= GRACE


def test_a_late_request_on_a_kept_connection_is_answered(patient: Site) -> None:
    client = patient.connect()
    assert client.exchange(REQUEST).header(b"connection") is None
    retire(patient)
    time.sleep(0.1)
    client.send(REQUEST)
    answer = client.last_answer()
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.header(b"connection") == b"close"


@pytest.mark.parametrize("served", [True, False], ids=["kept", "fresh"])
def test_an_idle_connection_has_one_second(worker: Site, served: bool) -> None:
    client = worker.connect()
    if served:
        client.exchange(REQUEST)
    state = worker.server.server.server_state
    eventually(lambda: len(state.connections) == 1)
    wait_closed(client, retire(worker))


def test_an_answer_not_begun_says_close(worker: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await gate.wait()
        await replies(b"late")(scope, receive, send)

    worker.app = app
    client = worker.connect()
    client.send(REQUEST)
    gate.wait_reached()
    retire(worker)
    gate.open()
    answer = client.last_answer()
    assert (answer.body, answer.header(b"connection")) == (b"late", b"close")


def test_who_was_told_that_it_is_kept_can_ask_once_more(patient: Site) -> None:
    # The answer's head is out when the worker is told; the client does not know.
    gate = Gate()

    async def app(scope, receive, send):
        if scope["path"] == "/first":
            await send(start())
            await send(body(b"begun", more=True))
            await gate.wait()
            await send(body(b", ended"))
        else:
            await replies(b"second")(scope, receive, send)

    patient.app = app
    client = patient.connect()
    client.send(b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n")
    gate.wait_reached()
    head = client.read_until(b"begun")
    assert b"connection: close" not in head.lower()
    retire(patient)
    gate.open()
    client.read_until(b"0\r\n\r\n")
    client.send(REQUEST)
    answer = client.last_answer()
    assert (answer.body, answer.header(b"connection")) == (b"second", b"close")


def test_pipelined_requests_are_answered_up_to_the_first_close(worker: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await send(start(headers=[(b"content-length", b"2")]))
        await send(body(b"o", more=True))
        if not recorder.ended:
            await gate.wait()
        await send(body(b"k"))

    worker.app = recorder = Recorder(app)
    client = worker.connect()
    client.send(REQUEST * 3)
    gate.wait_reached()
    retire(worker)
    gate.open()
    assert client.answer().header(b"connection") is None
    assert client.last_answer().header(b"connection") == b"close"
    assert recorder.started == 2


def test_connections_that_come_while_it_ends_are_served(worker: Site) -> None:
    """Whatever of them it has accepted; the rest waits for the other workers."""
    address = worker.server.address
    stop = threading.Event()
    answers: list[int] = []
    waiting: list[Client] = []

    def ask() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):  # the queue was full for long
                client = Client(address)
                client.send(REQUEST)
                waiting.append(client)

    asking = threading.Thread(target=ask)
    asking.start()
    eventually(lambda: worker.server.server.server_state.total_requests > 50)
    retire(worker)
    time.sleep(0.02)
    stop.set()
    asking.join()
    worker.wait_for_message("Finished server process")
    for client in waiting:
        client.sock.settimeout(0.01)
        try:
            answers.append(client.answer().status)
        except TimeoutError:  # never accepted: it is in the queue still
            break
        finally:
            client.close()
    assert len(answers) >= 50
    assert set(answers) == {200}


def test_a_server_that_is_not_replaced_closes_idle_ones_at_once(
    start_server: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastserve.server.GRACE", 50.0)
    site = start_server(sends(start(), body()))
    client = site.connect()
    client.exchange(REQUEST)
    site.server.server.should_exit = True
    assert client.read_to_eof() == b""

"""The access log: the record that filters and formatters read, and the lines of the
stock handler and formatter."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Iterator

import pytest
from harness.apps import Gate, echo_path, replies, sends, start
from harness.client import REQUEST, Client, request
from harness.fixtures import Site
from harness.server import eventually

from fastserve.logging import AccessFormatter

ACCESS = logging.getLogger("uvicorn.access")
FORMAT = '%(levelprefix)s %(client_addr)s - "%(request_line)s" %(status_code)s'


def records(site: Site, count: int) -> list[logging.LogRecord]:
    eventually(lambda: len(site.records("uvicorn.access")) == count)
    return site.records("uvicorn.access")


def test_record(site: Site) -> None:
    client = site.connect()
    client.exchange(request("POST", "/a%20b?q=1&r=%20", body=b"x"))
    (record,) = records(site, 1)
    peer = "%s:%d" % client.name
    assert record.levelno == logging.INFO
    assert record.msg == '%s - "%s %s HTTP/%s" %d'
    assert record.args == (peer, "POST", "/a%20b?q=1&r=%20", "1.1", 200)
    assert record.getMessage() == f'{peer} - "POST /a%20b?q=1&r=%20 HTTP/1.1" 200'


def test_http_1_0_and_status(site: Site) -> None:
    site.app = replies(status=404)
    site.connect().exchange(request(version="1.0"))
    assert records(site, 1)[0].args[1:] == ("GET", "/", "1.0", 404)


@pytest.mark.parametrize(
    ("target", "logged"),
    [
        ("/a%2Fb", "/a/b"),
        ("/%41", "/A"),
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/%ff", "/%EF%BF%BD"),
        ("/%00%0d%0a%1b[31m", "/%00%0D%0A%1B%5B31m"),
        ("/~a!b*c", "/~a%21b%2Ac"),
        ("/x?a=%1b", "/x?a=%1b"),
        ("/?", "/"),
        ("/%22", "/%22"),
    ],
)
def test_path_is_the_decoded_one_quoted_again(
    site: Site, target: str, logged: str
) -> None:
    """So no control byte that a client sends gets into the log."""
    site.connect().exchange(request(target=target))
    assert records(site, 1)[0].args[2] == logged


def test_scope_as_the_application_left_it_is_logged(site: Site) -> None:
    """A proxy middleware changes the client; a router may change the path."""

    async def app(scope, receive, send):
        scope["client"] = ("192.0.2.7", 1234)
        scope["path"] = "/changed"
        await replies()(scope, receive, send)

    site.app = app
    site.connect().exchange(REQUEST)
    assert records(site, 1)[0].args[:3] == ("192.0.2.7:1234", "GET", "/changed")


def test_logged_at_the_start_of_the_answer(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await send(start(200, [(b"content-length", b"0")]))
        await gate.wait()
        await send({"type": "http.response.body"})

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    gate.wait_reached()
    assert len(records(site, 1)) == 1
    gate.open()
    client.answer()


def test_one_line_a_request_in_order(site: Site) -> None:
    site.app = echo_path
    client = site.connect()
    client.send(b"".join(request(target=f"/{n}") for n in range(50)))
    for _ in range(50):
        client.answer()
    assert [r.args[2] for r in records(site, 50)] == [f"/{n}" for n in range(50)]


def test_what_has_no_answer_has_no_line(site: Site) -> None:
    """Refused bytes, and a start that was refused."""
    client = site.connect()
    client.send(b"garbage\r\n\r\n")
    client.refused()
    site.app = sends(start(99))
    broken = site.connect()
    broken.send(REQUEST)
    assert broken.read_to_eof() == b""
    assert len(site.errors) == 1
    time.sleep(0.01)
    assert site.records("uvicorn.access") == []


def test_the_server_s_own_500_has_a_line(site: Site) -> None:
    site.app = sends()
    client = site.connect()
    client.send(REQUEST)
    client.last_answer()
    assert records(site, 1)[0].args[4] == 500
    assert len(site.errors) == 1


def test_no_line_without_access_log(start_server: Callable[..., Site]) -> None:
    site = start_server(access_log=False)
    site.connect().exchange(REQUEST)
    time.sleep(0.01)
    assert site.records("uvicorn.access") == []


class Sink:
    """uvicorn.access with one handler of the stock kind, as LOGGING_CONFIG has it."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(AccessFormatter(FORMAT, use_colors=False))

    def lines(self, count: int) -> list[str]:
        eventually(lambda: self.stream.getvalue().count("\n") >= count)
        return self.stream.getvalue().splitlines()


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    sink = Sink()
    monkeypatch.setattr(ACCESS, "handlers", [sink.handler])
    monkeypatch.setattr(ACCESS, "propagate", False)
    ACCESS.setLevel(logging.INFO)
    yield sink
    ACCESS.setLevel(logging.NOTSET)


def send_all(site: Site) -> list[str]:
    """Requests of every kind; returns what each was from, in order."""
    peers = []
    for data, status in (
        (REQUEST, 200),
        (request("POST", "/a%20b?q=1", body=b"x"), 201),
        (request(target="/caf%C3%A9/%ff%00%1b"), 404),
        (request(target="/" + "x" * 5000 + "?" + "y" * 5000), 500),
        (request("M-SEARCH", "/~a!b*c(d)?%22'"), 599),
        (request("OPTIONS", "*"), 204),
        (request(version="1.0"), 301),
        (request(target="http://h/p?q"), 418),
    ):
        site.app = replies(b"", status)
        client: Client = site.connect()
        client.exchange(data)
        peers.append("%s:%d" % client.name)
    return peers


@pytest.mark.parametrize("colors", [False, True])
def test_lines_are_the_same_with_and_without_a_filter(
    start_server: Callable[..., Site], sink: Sink, colors: bool
) -> None:
    """A filter needs a record; without one the server may do without."""
    sink.handler.setFormatter(AccessFormatter(FORMAT, use_colors=colors))
    site = start_server()
    peers = send_all(site)
    lines = sink.lines(8)
    filtered = []
    sink.handler.addFilter(lambda record: filtered.append(record) or True)
    later_peers = send_all(site)
    later_lines = sink.lines(16)[8:]
    assert len(lines) == len(later_lines) == len(filtered) == 8
    assert [line.replace(p, "PEER") for line, p in zip(lines, peers, strict=True)] == [
        line.replace(p, "PEER")
        for line, p in zip(later_lines, later_peers, strict=True)
    ]


def test_a_line(start_server: Callable[..., Site], sink: Sink) -> None:
    site = start_server()
    client = site.connect()
    client.exchange(request(target="/a%20b?q"))
    peer = "%s:%d" % client.name
    assert sink.lines(1) == [f'INFO:     {peer} - "GET /a%20b?q HTTP/1.1" 200 OK']


def test_a_filter_added_while_serving_sees_the_next_request(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    seen = []
    site = start_server()
    client = site.connect()
    client.exchange(request(target="/1"))
    sink.handler.addFilter(lambda record: seen.append(record.args[2]) or True)
    client.exchange(request(target="/2"))
    assert [line.split()[4] for line in sink.lines(2)] == ["/1", "/2"]
    assert seen == ["/2"]


def test_a_level_raised_while_serving_silences_the_next_request(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    site = start_server()
    client = site.connect()
    client.exchange(request(target="/1"))
    sink.lines(1)
    ACCESS.setLevel(logging.WARNING)
    client.exchange(request(target="/2"))
    ACCESS.setLevel(logging.INFO)
    client.exchange(request(target="/3"))
    assert [line.split()[4] for line in sink.lines(2)] == ["/1", "/3"]


def test_another_formatter_is_used(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    fmt = "[%(levelname)s] %(client_addr)s %(request_line)s %(status_code)s"
    sink.handler.setFormatter(AccessFormatter(fmt, use_colors=False))
    site = start_server()
    client = site.connect()
    client.exchange(REQUEST)
    peer = "%s:%d" % client.name
    assert sink.lines(1) == [f"[INFO] {peer} GET / HTTP/1.1 200 OK"]


def test_lines_are_whole_and_all_there(
    start_server: Callable[..., Site], sink: Sink
) -> None:
    site = start_server(echo_path)
    clients = [site.connect() for _ in range(4)]
    for client in clients:
        client.send(b"".join(request(target=f"/{n}") for n in range(250)))
    for client in clients:
        for _ in range(250):
            client.answer()
    lines = sink.lines(1000)
    assert len(lines) == 1000
    for client in clients:
        peer = "%s:%d" % client.name
        own = [line for line in lines if peer in line]
        assert [line.split()[4] for line in own] == [f"/{n}" for n in range(250)]


def test_a_failing_stream_does_not_stop_serving(
    start_server: Callable[..., Site],
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As StreamHandler.handleError: told on stderr while raiseExceptions is set."""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    site = start_server()
    client = site.connect()
    client.exchange(REQUEST)
    sink.lines(1)
    sink.stream.close()
    for _ in range(3):
        assert client.exchange(REQUEST).status == 200
    eventually(lambda: "--- Logging error ---" in capsys.readouterr().err)


def test_a_failing_stream_is_silent_when_logging_is_told_so(
    start_server: Callable[..., Site],
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    site = start_server()
    sink.stream.close()
    client = site.connect()
    for _ in range(3):
        assert client.exchange(REQUEST).status == 200
    time.sleep(0.01)
    assert capsys.readouterr().err == ""

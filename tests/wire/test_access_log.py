"""The access log's record, which filters and formatters read; its lines are in
test_access_lines.py."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest
from harness.apps import Gate, echo_path, replies, sends, start
from harness.client import REQUEST, request
from harness.fixtures import Site
from harness.server import eventually


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

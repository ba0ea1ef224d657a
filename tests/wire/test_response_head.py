"""Status line and header fields of an answer: what is added, what is refused."""

from __future__ import annotations

import http
import re
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import pytest
from harness.apps import Recorder, body, replies, sends, start
from harness.client import REQUEST, request
from harness.fixtures import Site

LENGTH = (b"content-length", b"2")
NAME = "Invalid HTTP header name."
VALUE = "Invalid HTTP header value."


def head(site: Site, message: dict) -> bytes:
    """The head of the answer to one request, without its last empty line."""
    site.app = sends(message, body(b"ok"))
    client = site.connect()
    client.send(REQUEST)
    return client.read_until(b"\r\n\r\n")[:-4]


def test_default_fields_then_the_app_s(site: Site) -> None:
    """Date, Server, then the application's in its order, names in lower case."""
    fields = [LENGTH, (b"X-B", b"1"), (b"x-a", b"2"), (b"X-B", b"3")]
    lines = head(site, start(200, fields)).split(b"\r\n")
    assert re.fullmatch(rb"date: \w{3}, \d{2} \w{3} \d{4} \d\d:\d\d:\d\d GMT", lines[1])
    assert [lines[0], *lines[2:]] == [
        b"HTTP/1.1 200 OK",
        b"server: fastserve",
        b"content-length: 2",
        b"x-b: 1",
        b"x-a: 2",
        b"x-b: 3",
    ]


def test_date_is_now(site: Site) -> None:
    answer = site.connect().exchange(REQUEST)
    date = parsedate_to_datetime((answer.header(b"date") or b"").decode())
    assert abs(date.timestamp() - time.time()) < 60


def test_app_s_own_date_replaces_ours(site: Site) -> None:
    own = b"Sun, 06 Nov 1994 08:49:37 GMT"
    lines = head(site, start(200, [LENGTH, (b"Date", own)])).split(b"\r\n")
    assert [line for line in lines if line.startswith(b"date:")] == [b"date: " + own]


def test_configured_fields(start_server: Callable[..., Site]) -> None:
    site = start_server(
        headers=[("Server", "mine"), ("X-Extra", " v "), ("x-extra", "w")],
        date_header=False,
    )
    lines = head(site, start(200, [LENGTH])).split(b"\r\n")
    assert lines[1:] == [
        b"server: mine",
        b"x-extra:  v ",
        b"x-extra: w",
        b"content-length: 2",
    ]


def test_no_server_header(start_server: Callable[..., Site]) -> None:
    site = start_server(server_header=False, date_header=False)
    assert head(site, start(200, [LENGTH])).split(b"\r\n")[1:] == [b"content-length: 2"]


@pytest.mark.parametrize("status", [200, 201, 301, 404, 418, 429, 500, 503])
def test_status_line(site: Site, status: int) -> None:
    line = head(site, start(status, [LENGTH])).split(b"\r\n")[0]
    phrase = http.HTTPStatus(status).phrase.encode()
    assert line == b"HTTP/1.1 %d %b" % (status, phrase)


@pytest.mark.parametrize("status", [299, 420, 599])
def test_status_without_a_phrase(site: Site, status: int) -> None:
    line = head(site, start(status, [LENGTH])).split(b"\r\n")[0]
    assert line == b"HTTP/1.1 %d " % status


def test_status_may_be_an_http_status(site: Site) -> None:
    message = start(http.HTTPStatus.NOT_FOUND, [LENGTH])
    assert head(site, message).startswith(b"HTTP/1.1 404 Not Found\r\n")


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        iter,
        lambda fields: (field for field in fields),
        lambda fields: [list(field) for field in fields],
    ],
    ids=["list", "tuple", "iterator", "generator", "lists"],
)
def test_headers_may_be_any_iterable(site: Site, make) -> None:
    lines = head(site, start(200, make([LENGTH, (b"x-a", b"1")]))).split(b"\r\n")
    assert lines[-2:] == [b"content-length: 2", b"x-a: 1"]


def test_headers_may_be_left_out(site: Site) -> None:
    message = {"type": "http.response.start", "status": 200}
    assert head(site, message).endswith(b"\r\ntransfer-encoding: chunked")


@pytest.mark.parametrize(
    "value",
    [b"", b"a\tb", b" padded ", b"\x80\xff", b"caf\xc3\xa9", b'"', b"x" * 70_000],
)
def test_values_go_out_as_they_are(site: Site, value: bytes) -> None:
    lines = head(site, start(200, [LENGTH, (b"x-v", value)])).split(b"\r\n")
    assert lines[-1] == b"x-v: " + value


def test_many_fields(site: Site) -> None:
    fields = [(b"x-%d" % n, b"v" * 100) for n in range(1000)]
    lines = head(site, start(200, [LENGTH, *fields])).split(b"\r\n")
    assert lines[-1000:] == [b"%b: %b" % field for field in fields]


def refused(site: Site, message: dict) -> str:
    """The error that the application gets; nothing goes out, the connection ends."""
    site.app = recorder = Recorder(sends(message, body(b"ok")))
    client = site.connect()
    client.send(REQUEST)
    assert client.read_to_eof() == b""
    (raised,) = recorder.raised
    assert isinstance(raised, RuntimeError), repr(raised)
    assert site.errors == [f"Exception in ASGI application\n{raised!r}"]
    return str(raised)


@pytest.mark.parametrize(
    "name",
    [b"", b"a b", b"a:", b":a", b"a\r", b"a\n", b"a\r\nb", b"a\x00", b"a\x7f", b"a\xff"]
    + [b"a(", b"a,", b'a"', b"a/", b"a@", b"a[", b"a{", b"a\\", b"a\t", b" a", b"\x1b"],
)
def test_header_name_that_is_no_token(site: Site, name: bytes) -> None:
    assert refused(site, start(200, [LENGTH, (name, b"v")])) == NAME


@pytest.mark.parametrize(
    "value",
    [b"\r", b"\n", b"a\r\nSet-Cookie: b", b"a\rb", b"a\nb", b"\x00", b"a\x00b"]
    + [b"\x01", b"\x0b", b"\x0c", b"\x1b[31m", b"\x7f"],
)
def test_header_value_with_control_bytes(site: Site, value: bytes) -> None:
    assert refused(site, start(200, [LENGTH, (b"x-v", value)])) == VALUE


@pytest.mark.parametrize(
    "field",
    [
        ("x-v", b"v"),
        (b"x-v", "v"),
        (b"x-v", None),
        (None, b"v"),
        (b"x-v", 1),
        (b"x-v",),
        (b"x-v", b"v", b"w"),
        (),
        None,
        b"xv",
        "x-v: v",
        5,
    ],
)
def test_header_of_another_type(site: Site, field) -> None:
    assert refused(site, start(200, [LENGTH, field]))


@pytest.mark.parametrize("headers", [None, 5, "ab", b"ab", {b"a": b"b"}])
def test_headers_of_another_type(site: Site, headers) -> None:
    assert refused(site, start(200, headers))


@pytest.mark.parametrize(
    "status", [99, 600, 0, -1, 1000, 2**31, 2**64, -(2**64), "200", None, b"200", "abc"]
)
def test_status_that_is_none(site: Site, status) -> None:
    assert refused(site, start(status, [LENGTH]))


def test_status_left_out(site: Site) -> None:
    assert refused(site, {"type": "http.response.start", "headers": [LENGTH]})


def test_a_refused_start_may_not_be_tried_again(site: Site) -> None:
    errors = []

    async def app(scope, receive, send):
        for message in (start(99), start(200, [LENGTH]), body(b"ok")):
            try:
                await send(message)
            except RuntimeError as exc:
                errors.append(exc)

    site.app = app
    client = site.connect()
    client.send(REQUEST + REQUEST)
    assert client.read_to_eof() == b""
    assert errors
    site.allow_errors()


def test_a_refused_answer_does_not_touch_other_connections(site: Site) -> None:
    other = site.connect()
    assert other.exchange(REQUEST).status == 200
    refused(site, start(200, [(b"x\r\ny", b"v")]))
    site.app = replies()
    assert other.exchange(REQUEST).status == 200


def test_connection_close_is_added_last_and_once(site: Site) -> None:
    site.app = sends(start(200, [LENGTH, (b"x-a", b"1")]), body(b"ok"))
    client = site.connect()
    client.send(request(headers=[("Connection", "close")]))
    lines = client.read_to_eof().partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert lines[-1] == b"connection: close"
    assert lines.count(b"connection: close") == 1

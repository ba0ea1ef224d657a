"""Bounds on what a peer may make the server hold: 414, 431, chunk extensions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from harness.apps import Recorder, body, replies, start
from harness.client import REQUEST, chunked, request
from harness.fixtures import Site

KIB = 1 << 10
CHUNKED_HEAD = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_request_line_of_31_kib_is_served(site: Site) -> None:
    site.app = recorder = Recorder(replies())
    target = "/" + "x" * (31 * KIB - len("GET / HTTP/1.1"))
    assert site.connect().exchange(request(target=target)).status == 200
    assert recorder.scope["path"] == target


@pytest.mark.parametrize("size", [33 * KIB, 65_535, 65_536, 65_537, 200_000])
def test_longer_request_line_is_414(site: Site, size: int) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    target = "/" + "x" * (size - len("GET / HTTP/1.1"))
    client.send(request(target=target))
    client.refused(414)
    assert recorder.scopes == []


def test_request_line_without_end_is_414(site: Site) -> None:
    client = site.connect()
    client.send(b"GET /" + b"x" * 33 * KIB)
    client.refused(414)


def test_query_counts_as_request_line(site: Site) -> None:
    client = site.connect()
    client.send(request(target="/?" + "q" * 33 * KIB))
    client.refused(414)


def test_method_without_end_is_refused(site: Site) -> None:
    client = site.connect()
    client.send(b"X" * 33 * KIB)
    assert client.last_answer().status in (400, 414)


@pytest.mark.parametrize("count", [1, 2, 8])
def test_120_kib_of_headers_are_served(site: Site, count: int) -> None:
    site.app = recorder = Recorder(replies())
    fields = [(f"X-{n}", "v" * (120 * KIB // count)) for n in range(count)]
    assert site.connect().exchange(request(headers=fields)).status == 200
    assert len(recorder.scope["headers"]) == count + 1
    assert sum(len(v) for _, v in recorder.scope["headers"][1:]) > 119 * KIB


@pytest.mark.parametrize("count", [1, 2, 8])
def test_more_than_128_kib_of_headers_is_431(site: Site, count: int) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    fields = [(f"X-{n}", "v" * (129 * KIB // count)) for n in range(count)]
    client.send(request(headers=fields))
    client.refused(431)
    assert recorder.scopes == []


@pytest.mark.parametrize("data", [b"X-A: " + b"v" * 130 * KIB, b"N" * 130 * KIB])
def test_header_without_end_is_431(site: Site, data: bytes) -> None:
    client = site.connect()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n" + data)
    client.refused(431)


def test_256_fields_are_served_and_257_are_431(site: Site) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    fields = [(f"X-{n}", "v") for n in range(255)]  # and Host
    assert client.exchange(request(headers=fields)).status == 200
    assert len(recorder.scope["headers"]) == 256
    client.send(request(headers=[*fields, ("X-255", "v")]))
    client.refused(431)


def test_limits_count_anew_for_each_request(site: Site) -> None:
    site.app = replies()
    client = site.connect()
    large = request(target="/" + "x" * 20 * KIB, headers=[("X", "v" * 90 * KIB)])
    for _ in range(4):
        assert client.exchange(large).status == 200


def test_a_refusal_for_size_looks_like_every_refusal(site: Site) -> None:
    client = site.connect()
    client.send(request(target="/" + "x" * 33 * KIB))
    answer = client.refused(414)
    assert answer.header(b"content-type") == b"text/plain; charset=utf-8"
    assert answer.header(b"date") and answer.header(b"server") == b"fastserve"
    site.wait_for_message("Invalid HTTP request received.")


def test_small_chunk_extensions_are_served(site: Site) -> None:
    site.app = Recorder()
    body = b"5;name=" + b"v" * KIB + b"\r\nhello\r\n0;last\r\n\r\n"
    assert site.connect().exchange(CHUNKED_HEAD + body).body == b"hello"


@pytest.mark.parametrize(
    "body",
    [
        b"5;" + b"x" * 17 * KIB + b"\r\nhello\r\n0\r\n\r\n",
        b"5;a=" + b"x" * 17 * KIB + b"\r\nhello\r\n0\r\n\r\n",
        b'5;a="' + b"x" * 17 * KIB + b'"\r\nhello\r\n0\r\n\r\n',
        b"0;" + b"x" * 17 * KIB + b"\r\n\r\n",
        b"5;" + b"x" * 17 * KIB,
        (b"1;" + b"x" * KIB + b"\r\na\r\n") * 17 + b"0\r\n\r\n",
    ],
    ids=["name", "value", "quoted", "last chunk", "endless", "in sum"],
)
def test_chunk_extensions_over_16_kib_of_a_body_are_refused(
    site: Site, body: bytes
) -> None:
    site.app = recorder = Recorder()
    client = site.connect()
    client.send(CHUNKED_HEAD + body)
    assert 400 <= client.last_answer().status < 500
    assert all(message.get("more_body", True) for message in recorder.received)


def test_chunk_extensions_count_anew_for_each_body(site: Site) -> None:
    site.app = Recorder()
    client = site.connect()
    body = b"5;" + b"x" * 10 * KIB + b"\r\nhello\r\n0\r\n\r\n"
    for _ in range(4):
        assert client.exchange(CHUNKED_HEAD + body).body == b"hello"


def test_trailers_stay_out_of_the_headers(site: Site) -> None:
    site.app = recorder = Recorder()
    client = site.connect()
    trailers = b"X-Trailer: 1\r\nHost: other\r\nX-Trailer: 2\r\n"
    answer = client.exchange(CHUNKED_HEAD + chunked(b"hello", trailers=trailers))
    assert (answer.status, answer.body) == (200, b"hello")
    assert client.exchange(REQUEST).status == 200
    assert [scope["headers"] for scope in recorder.scopes] == [
        [(b"host", b"h"), (b"transfer-encoding", b"chunked")],
        [(b"host", b"h")],
    ]


@pytest.mark.parametrize(
    "trailers",
    [
        b"X: " + b"v" * 130 * KIB + b"\r\n",
        b"X: v\r\n" * 300,
        b"X" * 130 * KIB + b": v\r\n",
    ],
    ids=["value", "fields", "name"],
)
def test_trailers_are_bounded(site: Site, trailers: bytes) -> None:
    site.app = recorder = Recorder()
    client = site.connect()
    client.send(CHUNKED_HEAD + chunked(b"hello", trailers=trailers))
    assert client.last_answer().status == 431
    assert all(message.get("more_body", True) for message in recorder.received)


def test_empty_lines_before_a_request_are_bounded(site: Site) -> None:
    client = site.connect()
    client.send(b"\r\n" * 100 * KIB)
    assert 400 <= client.last_answer().status < 500


# --- the settings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "data", "status"),
    [
        ("limit_request_line", request(target="/" + "x" * 100), 414),
        ("limit_header_size", request(headers=[("X", "v" * 100)]), 431),
        ("limit_header_count", request(headers=[("X", "v")] * 100), 431),
        ("limit_request_body", request("POST", body=b"x" * 101), 413),
        ("limit_chunk_extensions", CHUNKED_HEAD + b"1;" + b"x" * 100, 400),
    ],
)
def test_each_limit_is_a_setting(
    start_server: Callable[..., Site], setting: str, data: bytes, status: int
) -> None:
    site = start_server(recorder := Recorder(), **{setting: 50})
    assert site.connect().exchange(REQUEST).status == 200
    client = site.connect()
    client.send(data)
    client.refused(status)
    assert site.server.server.server_state.limits_met == {setting: 1}
    site.wait_for_message(f"(--{setting.replace('_', '-')})")
    assert all("more_body" not in m or not m["body"] for m in recorder.received)


def test_a_body_of_the_limit_is_served(start_server: Callable[..., Site]) -> None:
    site = start_server(Recorder(), limit_request_body=10)
    client = site.connect()
    for _ in range(3):  # each request counts anew
        assert client.exchange(request("POST", body=b"x" * 10)).body == b"x" * 10
        assert client.exchange(CHUNKED_HEAD + chunked(b"x" * 4, b"y" * 6)).status == 200


@pytest.mark.parametrize(
    "chunks", [[b"x" * 11], [b"x"] * 11, [b"x" * 10, b"y"]], ids=len
)
def test_a_chunked_body_over_the_limit_is_413(
    start_server: Callable[..., Site], chunks: list[bytes]
) -> None:
    """As soon as it is too large: the application never sees its end."""
    site = start_server(recorder := Recorder(), limit_request_body=10)
    client = site.connect()
    client.send(CHUNKED_HEAD, *(chunked(each)[:-5] for each in chunks))
    client.refused(413)
    assert all(message.get("more_body", True) for message in recorder.received)
    assert len(recorder.body) <= 10


def test_an_announced_body_over_the_limit_never_reaches_the_app(
    start_server: Callable[..., Site],
) -> None:
    site = start_server(recorder := Recorder(), limit_request_body=10)
    client = site.connect()
    fields = [("Content-Length", "11"), ("Expect", "100-continue")]
    client.send(request("POST", headers=fields))
    assert client.refused(413).interim == []
    assert recorder.scopes == []


def test_an_answer_that_has_begun_is_cut_by_a_large_body(
    start_server: Callable[..., Site],
) -> None:
    async def app(scope, receive, send):
        await send(start())
        await send(body(b"first", more=True))
        while (await receive())["type"] == "http.request":
            pass

    site = start_server(app, limit_request_body=10)
    client = site.connect()
    client.send(CHUNKED_HEAD)
    client.read_until(b"first\r\n")
    client.send(chunked(b"x" * 11))
    assert client.read_to_eof() == b""

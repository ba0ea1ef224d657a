"""Trailer fields: http.response.trailers, and those of requests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from harness.apps import Gate, Message, Recorder, body, read_body, respond, sends
from harness.client import REQUEST, chunked, request
from harness.fixtures import Site

NAME = "http.response.trailers"
OF_REQUESTS = "fastserve.request.trailers"
ASKING = request(headers=[("TE", "trailers")])
SUM = (b"X-Checksum", b"abc")


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    message = {"type": "http.response.start", "status": status, "headers": headers}
    return {**message, "trailers": True}


def trailers(*headers: object, more: bool = False) -> Message:
    return {"type": NAME, "headers": headers, "more_trailers": more}


def raw(site: Site, asked: bytes = ASKING) -> bytes:
    """The body of the one answer, as it is on the wire."""
    client = site.connect()
    client.send(asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    return client.read_to_eof().partition(b"\r\n\r\n")[2]


# -- of answers -----------------------------------------------------------------------


def test_they_follow_the_last_chunk(site: Site) -> None:
    announced = (b"trailer", b"X-Checksum")
    site.app = sends(start(announced), body(b"hello"), trailers(SUM))
    assert raw(site) == b"5\r\nhello\r\n0\r\nx-checksum: abc\r\n\r\n"
    client = site.connect()
    for _ in range(2):
        answer = client.exchange(ASKING)
        assert answer.header(b"trailer") == b"X-Checksum"
        assert (answer.body, answer.header(b"x-checksum")) == (b"hello", None)


@pytest.mark.parametrize(
    ("sent", "on_the_wire"),
    [
        ([trailers()], b"0\r\n\r\n"),
        ([trailers(more=True), trailers()], b"0\r\n\r\n"),
        (
            [trailers(SUM, more=True), trailers((b"b", b""), SUM)],
            b"0\r\nx-checksum: abc\r\nb: \r\nx-checksum: abc\r\n\r\n",
        ),
        ([{"type": NAME, "headers": [[bytearray(b"a"), b"1"]]}], b"0\r\na: 1\r\n\r\n"),
        ([{"type": NAME}], b"0\r\n\r\n"),
    ],
)
def test_in_any_number_of_messages(
    site: Site, sent: list[Message], on_the_wire: bytes
) -> None:
    site.app = sends(start(), body(b"a", more=True), body(b""), *sent)
    assert raw(site) == b"1\r\na\r\n" + on_the_wire


def test_the_answer_ends_with_them(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await send(start())
        await send(body(b"hello"))
        await gate.wait()
        await send(trailers(SUM, more=True))
        await send(trailers())

    site.app = app
    client = site.connect()
    client.send(ASKING)
    client.read_until(b"\r\n\r\n5\r\nhello\r\n")
    client.assert_silent()
    gate.open()
    assert client.read_until(b"\r\n\r\n") == b"0\r\nx-checksum: abc\r\n\r\n"


@pytest.mark.parametrize(
    ("field", "offered"),
    [
        ("trailers", True),
        ("Trailers", True),
        ("gzip;q=0.5, trailers", True),
        ("deflate,trailers ", True),
        ("gzip", False),
        ("trailer", False),
        ("", False),
    ],
)
def test_they_are_offered_to_who_asks(site: Site, field: str, offered: bool) -> None:
    site.app = recorder = Recorder()
    site.connect().exchange(request(headers=[("TE", field)]))
    assert (NAME in recorder.scope["extensions"]) is offered


def test_from_one_request_to_the_next(site: Site) -> None:
    seen = []

    async def app(scope, receive, send):
        seen.append(NAME in scope["extensions"])
        await respond(send)

    site.app = app
    client = site.connect()
    twice = request(headers=[("TE", "gzip"), ("TE", "trailers")])
    for asked in (REQUEST, ASKING, ASKING, REQUEST, twice, REQUEST):
        client.exchange(asked)
    assert seen == [False, True, True, False, True, False]


@pytest.mark.parametrize(
    "asked",
    [REQUEST, request(headers=[("TE", "trailers")], version="1.0")],
    ids=["unasked", "http_1_0"],
)
def test_where_they_are_not_offered_the_body_ends_the_answer(
    site: Site, asked: bytes
) -> None:
    async def app(scope, receive, send):
        assert NAME not in scope["extensions"]
        await send(start())
        await send(body(b"hello"))
        with pytest.raises(RuntimeError, match="after response already completed"):
            await send(trailers(SUM))

    site.app = app
    assert site.connect().exchange(asked).body == b"hello"


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", start()),
        ("GET", start(status=204)),
        ("GET", start(status=304)),
        ("GET", start((b"content-length", b"5"))),
    ],
    ids=["HEAD", "204", "304", "length"],
)
def test_an_answer_that_is_not_chunked_has_none(
    site: Site, method: str, head: Message
) -> None:
    site.app = sends(head, body(b"hello"), trailers(SUM))
    client = site.connect()
    asked = ASKING.replace(b"GET", method.encode(), 1)
    for _ in range(2):
        client.send(asked)
        answer = client.answer(method)
        assert answer.complete
        assert b"checksum" not in client.buffer


def test_a_body_that_is_too_short_for_its_length_is_cut(site: Site) -> None:
    short = start((b"content-length", b"9"))
    site.app = sends(short, body(b"hello"), trailers(SUM))
    client = site.connect()
    client.send(ASKING)
    assert client.cut_answer().body == b"hello"
    [error] = site.errors
    assert "Response content shorter than Content-Length" in error


FORBIDDEN = [
    b"Transfer-Encoding",
    b"content-length",
    b"Host",
    b"set-cookie",
    b"Content-Type",
    b"content-encoding",
    b"content-range",
    b"trailer",
    b"Cache-Control",
    b"authorization",
    b"connection",
    b"TE",
    b"location",
]


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        *(((name, b"x"), "must not be a trailer") for name in FORBIDDEN),
        ((b"a", b"x\r\nset-cookie: a=b"), "Invalid HTTP header value."),
        ((b"a\r\n", b"x"), "Invalid HTTP header name."),
        ((b"", b"x"), "Invalid HTTP header name."),
        (("a", "x"), "pairs of bytes"),
        (1, "pairs of bytes"),
    ],
)
def test_what_cannot_be_a_trailer_cuts_the_answer(
    site: Site, bad: object, text: str
) -> None:
    site.app = sends(start(), body(b"hello"), trailers(SUM, bad))
    client = site.connect()
    client.send(ASKING)
    answer = client.cut_answer()
    assert answer.body == b"hello"
    [error] = site.errors
    assert text in error


def test_nothing_of_a_refused_message_is_sent(site: Site) -> None:
    async def app(scope, receive, send):
        await send(start())
        await send(body(b"hello"))
        with pytest.raises(RuntimeError, match="must not be a trailer"):
            await send(trailers(SUM, (b"host", b"x")))
        await send(trailers((b"a", b"1")))

    site.app = app
    assert raw(site) == b"5\r\nhello\r\n0\r\na: 1\r\n\r\n"


def test_out_of_order_they_raise(site: Site) -> None:
    async def app(scope, receive, send):
        with pytest.raises(RuntimeError, match=r"Expected .*start', but got '.*trai"):
            await send(trailers(SUM))
        await send(start())
        with pytest.raises(RuntimeError, match=r"Expected .*body', but got '.*trai"):
            await send(trailers(SUM))
        await send(body(b"hello"))
        with pytest.raises(RuntimeError, match=r"Expected .*trailers', but got '.*bod"):
            await send(body(b"more"))
        await send(trailers(SUM))
        with pytest.raises(RuntimeError, match="after response already completed"):
            await send(trailers(SUM))

    site.app = app
    assert raw(site) == b"5\r\nhello\r\n0\r\nx-checksum: abc\r\n\r\n"


def test_an_app_that_promises_them_and_returns_is_cut(site: Site) -> None:
    site.app = sends(start(), body(b"hello"))
    client = site.connect()
    client.send(ASKING)
    assert client.cut_answer().body == b"hello"
    assert site.errors == ["ASGI callable returned without completing response."]


# -- of requests ----------------------------------------------------------------------


def chunked_request(*chunks: bytes, trailers: bytes = b"") -> bytes:
    head = request("POST", headers=[("Transfer-Encoding", "chunked")])
    return head + chunked(*chunks, trailers=trailers)


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (b"", []),
        (b"X-Sum: abc\r\n", [(b"x-sum", b"abc")]),
        (b"b:\r\nHost:  x \r\n", [(b"b", b""), (b"host", b"x")]),
        (b"b: 1\r\nB: \xff\r\n", [(b"b", b"1"), (b"b", b"\xff")]),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_the_last_message_has_them(
    site: Site, sent: bytes, found: list[tuple[bytes, bytes]], step: int
) -> None:
    messages = []

    async def app(scope, receive, send):
        assert scope["extensions"][OF_REQUESTS] == {}
        headers = scope["headers"].copy()
        messages.append(await receive())
        while messages[-1]["more_body"]:
            messages.append(await receive())
        assert scope["headers"] == headers
        await respond(send)

    site.app = app
    data = chunked_request(b"hello", b"you", trailers=sent)
    client = site.connect()
    client.send(*(data[at : at + step] for at in range(0, len(data), step)))
    assert client.answer().status == 200
    assert b"".join(message["body"] for message in messages) == b"helloyou"
    assert messages.pop()["trailers"] == found
    assert not any("trailers" in message for message in messages)


def test_they_are_the_requests_own(site: Site) -> None:
    seen = []

    async def app(scope, receive, send):
        offered = OF_REQUESTS in scope["extensions"]
        seen.append((offered, (await receive()).get("trailers")))
        await respond(send)

    site.app = app
    client = site.connect()
    client.send(
        chunked_request(trailers=b"a: 1\r\n"),
        request("POST", body=b"hello"),
        chunked_request(b"x"),
        REQUEST,
    )
    assert [client.answer().status for _ in range(4)] == [200] * 4
    assert seen == [(True, [(b"a", b"1")]), (False, None), (True, []), (False, None)]


def test_disabled_both_are_neither_listed_nor_given(
    start_server: Callable[..., Site],
) -> None:
    async def app(scope, receive, send):
        assert not {NAME, OF_REQUESTS} & scope["extensions"].keys()
        assert await receive() == {
            "type": "http.request",
            "body": b"x",
            "more_body": False,
        }
        await send(start())
        await send(body(b"hello"))

    site = start_server(app, disable_extensions=[NAME, OF_REQUESTS])
    asked = chunked_request(b"x", trailers=b"a: 1\r\n")
    asked = asked.replace(b"\r\n", b"\r\nTE: trailers\r\n", 1)
    assert site.connect().exchange(asked).body == b"hello"


def test_a_body_in_many_reads_is_whole(site: Site) -> None:
    async def app(scope, receive, send):
        await respond(send, await read_body(receive))

    site.app = app
    sent = [b"x" * 50_000] * 8
    data = chunked_request(*sent, trailers=b"a: 1\r\n")
    assert site.connect().exchange(data).body == b"".join(sent)

"""How an answer's length is told: Content-Length, chunks, or the end of the connection.

RFC 9112 6.3 and 7.1, RFC 9110 6.4.1 (answers that never have a body).
"""

from __future__ import annotations

import asyncio

import pytest
from harness.apps import Gate, Recorder, body, echo, sends, start
from harness.client import REQUEST, Client, request
from harness.fixtures import Site

LENGTH_2 = [(b"content-length", b"2")]
LENGTH_5 = [(b"content-length", b"5")]


def raw(site: Site, data: bytes, app) -> bytes:
    """All that the server sends for this request, up to the end it makes itself."""
    site.app = app
    client = site.connect()
    client.send(data)
    return client.read_to_eof()


def closing(method: str = "GET", version: str = "1.1") -> bytes:
    return request(method, headers=[("Connection", "close")], version=version)


def test_content_length_is_kept(site: Site) -> None:
    site.app = sends(start(200, LENGTH_5), body(b"he", True), body(b"llo"))
    client = site.connect()
    answer = client.exchange(REQUEST)
    assert answer.header(b"content-length") == b"5"
    assert answer.header(b"transfer-encoding") is None
    assert answer.body == b"hello"
    assert client.exchange(REQUEST).body == b"hello"


def test_no_length_is_chunked(site: Site) -> None:
    messages = [start(), body(b"he", True), body(b"", True), body(b"llo", True), body()]
    data = raw(site, closing(), sends(*messages))
    head, _, rest = data.partition(b"\r\n\r\n")
    assert b"\r\ntransfer-encoding: chunked" in head
    assert b"content-length" not in head
    assert rest == b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


def test_one_chunk_a_message_in_lower_case_hex(site: Site) -> None:
    data = raw(
        site, closing(), sends(start(), body(b"x" * 171, True), body(b"y" * 4080))
    )
    assert data.endswith(
        b"\r\n\r\nab\r\n" + b"x" * 171 + b"\r\nff0\r\n" + b"y" * 4080 + b"\r\n0\r\n\r\n"
    )


def test_empty_answer_without_length(site: Site) -> None:
    assert raw(site, closing(), sends(start(), body())).endswith(b"\r\n\r\n0\r\n\r\n")


def test_app_s_own_chunked_is_said_once(site: Site) -> None:
    fields = [(b"Transfer-Encoding", b"Chunked")]
    site.app = sends(start(200, fields), body(b"he", True), body(b"llo"))
    client = site.connect()
    answer = client.exchange(REQUEST)
    assert len(answer.all(b"transfer-encoding")) == 1
    assert answer.body == b"hello"
    assert client.exchange(REQUEST).body == b"hello"


def test_length_and_transfer_encoding_of_the_app_never_both_go_out(site: Site) -> None:
    """RFC 9112 6.2; whichever the server keeps, the answer is not misread."""
    fields = [*LENGTH_5, (b"transfer-encoding", b"chunked")]
    data = raw(site, closing(), sends(start(200, fields), body(b"hello")))
    site.allow_errors()  # either is allowed
    head = data.partition(b"\r\n\r\n")[0]
    assert not (b"content-length" in head and b"transfer-encoding" in head)


@pytest.mark.parametrize(
    "messages", [[body(b"hello")], [body(b"he", True), body(b"llo")]]
)
def test_http_1_0_ends_with_the_connection(site: Site, messages: list) -> None:
    data = raw(site, request(version="1.0"), sends(start(), *messages))
    head, _, rest = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"transfer-encoding" not in head and b"content-length" not in head
    assert head.endswith(b"connection: close")
    assert rest == b"hello"


def test_http_1_0_keeps_a_length(site: Site) -> None:
    site.app = sends(start(200, LENGTH_5), body(b"hello"))
    client = site.connect()
    client.send(request(version="1.0"))
    answer = client.last_answer()
    assert (answer.header(b"content-length"), answer.body) == (b"5", b"hello")


def test_http_1_0_drops_the_app_s_chunked(site: Site) -> None:
    fields = [(b"transfer-encoding", b"chunked")]
    app = sends(start(200, fields), body(b"hello"))
    head, _, rest = raw(site, request(version="1.0"), app).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert rest == b"hello"


@pytest.mark.parametrize("fields", [[], LENGTH_5])
def test_head_has_no_body(site: Site, fields: list) -> None:
    """The length stays: it is what GET would have (RFC 9110 9.3.2)."""
    site.app = sends(start(200, fields), body(b"he", True), body(b"llo"))
    client = site.connect()
    answer = client.exchange(request("HEAD"), "HEAD")
    assert answer.all(b"content-length") == [value for _, value in fields]
    client.send(closing("HEAD"))
    assert client.last_answer("HEAD").body == b""


def test_head_s_length_is_not_enforced(site: Site) -> None:
    site.app = sends(start(200, LENGTH_5), body())
    client = site.connect()
    assert client.exchange(request("HEAD"), "HEAD").header(b"content-length") == b"5"
    assert client.exchange(request("HEAD"), "HEAD").status == 200


@pytest.mark.parametrize("status", [204, 304])
def test_204_and_304_say_no_length(site: Site, status: int) -> None:
    data = raw(site, closing(), sends(start(status), body()))
    assert data.startswith(b"HTTP/1.1 %d " % status)
    assert data.endswith(b"\r\n\r\n") and data.count(b"\r\n\r\n") == 1
    assert b"transfer-encoding" not in data and b"content-length" not in data


@pytest.mark.parametrize("status", [204, 304])
def test_a_body_on_204_and_304_stays_off_the_wire(site: Site, status: int) -> None:
    data = raw(site, closing(), sends(start(status), body(b"hello")))
    site.allow_errors()  # an error to the application is one way
    assert b"hello" not in data


@pytest.mark.parametrize("status", [204, 304])
def test_connection_goes_on_after_204_and_304(site: Site, status: int) -> None:
    site.app = sends(start(status), body())
    client = site.connect()
    for _ in range(3):
        assert client.exchange(REQUEST).status == status


@pytest.mark.parametrize(
    ("status", "fields", "kept"),
    [
        (204, [(b"transfer-encoding", b"chunked")], []),
        (304, [(b"transfer-encoding", b"chunked")], []),
        (204, [(b"content-length", b"0")], []),
        (204, LENGTH_5, []),
        (304, LENGTH_5, [b"5"]),
        (304, [*LENGTH_5, (b"transfer-encoding", b"chunked")], [b"5"]),
    ],
)
def test_framing_fields_on_204_and_304_are_dropped_without_an_error(
    site: Site, status: int, fields: list, kept: list
) -> None:
    site.app = sends(start(status, fields), body())
    client = site.connect()
    answer = client.exchange(REQUEST)
    assert answer.status == status
    assert answer.all(b"transfer-encoding") == []
    assert answer.all(b"content-length") == kept
    assert client.exchange(REQUEST).status == status


@pytest.mark.parametrize("status", [100, 103, 199])
def test_1xx_has_no_body(site: Site, status: int) -> None:
    site.app = sends(start(status), body(b"hello"))
    client = site.connect()
    client.send(closing())
    client.finish()
    data = client.read_to_eof()
    site.allow_errors()  # a refusal of such a status is allowed
    assert b"hello" not in data
    assert b"transfer-encoding" not in data and b"content-length" not in data


def assert_cut(site: Site, app, error: str, method: str = "GET") -> Recorder:
    """The application gets the error; the client sees an answer that is not whole."""
    site.app = recorder = Recorder(app)
    client: Client = site.connect()
    client.send(request(method))
    client.cut_answer(method)
    (raised,) = recorder.raised
    assert isinstance(raised, RuntimeError) and str(raised) == error
    assert site.errors == [f"Exception in ASGI application\n{raised!r}"]
    return recorder


@pytest.mark.parametrize(
    "messages",
    [
        [body(b"too long")],
        [body(b"hello!")],
        [body(b"he", True), body(b"llo!")],
        [body(b"hello!", True), body()],
    ],
)
def test_longer_than_content_length(site: Site, messages: list) -> None:
    app = sends(start(200, LENGTH_5), *messages)
    assert_cut(site, app, "Response content longer than Content-Length")


@pytest.mark.parametrize(
    "messages", [[body()], [body(b"hell")], [body(b"he", True), body(b"l")]]
)
def test_shorter_than_content_length(site: Site, messages: list) -> None:
    app = sends(start(200, LENGTH_5), *messages)
    assert_cut(site, app, "Response content shorter than Content-Length")


def test_more_than_content_length_after_all_of_it_closes(site: Site) -> None:
    """Those five bytes were right and are out; nothing may follow them."""
    app = sends(start(200, LENGTH_5), body(b"hello", True), body(b"GET "))
    data = raw(site, REQUEST, app)
    assert data.endswith(b"\r\n\r\nhello")
    assert "longer than Content-Length" in site.errors[0]


def test_two_differing_lengths_are_an_error_to_the_app(site: Site) -> None:
    site.app = recorder = Recorder(
        sends(start(200, LENGTH_5 + LENGTH_2), body(b"hello"))
    )
    client = site.connect()
    client.send(REQUEST)
    assert client.read_to_eof() == b""
    assert isinstance(recorder.raised[0], RuntimeError)
    assert len(site.errors) == 1


def test_the_same_length_twice_is_not_misread(site: Site) -> None:
    site.app = sends(start(200, LENGTH_5 * 2), body(b"hello"))
    client = site.connect()
    client.send(closing())
    answer = client.last_answer()
    assert answer.body == b"hello"
    assert set(answer.all(b"content-length")) == {b"5"}


@pytest.mark.parametrize("value", [b"five", b"-5", b"+5", b"5 5", b"", b"0x5", b"5.0"])
def test_a_length_that_is_no_number_is_an_error_to_the_app(
    site: Site, value: bytes
) -> None:
    app = sends(start(200, [(b"content-length", value)]), body(b"hello"))
    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(REQUEST)
    assert client.read_to_eof() == b""
    assert len(recorder.raised) == 1
    assert len(site.errors) == 1


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("fields", [[], LENGTH_5])
def test_body_may_be_any_bytes(site: Site, kind, fields: list) -> None:
    site.app = sends(start(200, fields), body(kind(b"hello")))
    assert site.connect().exchange(REQUEST).body == b"hello"


@pytest.mark.parametrize("value", ["text", 5, [b"hello"]])
def test_body_of_another_type_is_an_error_to_the_app(site: Site, value) -> None:
    site.app = recorder = Recorder(sends(start(200, LENGTH_5), body(value)))
    client = site.connect()
    client.send(REQUEST)
    client.cut_answer()
    assert len(recorder.raised) == 1
    assert len(site.errors) == 1


def test_missing_body_and_more_body_mean_the_empty_end(site: Site) -> None:
    site.app = sends({"type": "http.response.start", "status": 200},
                     {"type": "http.response.body"})  # fmt: skip
    assert site.connect().exchange(REQUEST).body == b""


def test_a_buffer_changed_after_send_is_not_seen(site: Site) -> None:
    async def app(scope, receive, send):
        await send(start(200, [(b"content-length", b"2000000")]))
        buffer = bytearray(b"a" * 1_000_000)
        await send(body(buffer, True))
        buffer[:] = b"b" * len(buffer)
        await send(body(buffer))

    site.app = app
    answer = site.connect().exchange(REQUEST)
    assert answer.body == b"a" * 1_000_000 + b"b" * 1_000_000


@pytest.mark.parametrize("first", [[start()], [start(), body(b"", True)]])
@pytest.mark.parametrize("wait", ["sleep", "receive", "task", "thread"])
def test_a_head_goes_out_when_the_app_waits(site: Site, first: list, wait: str) -> None:
    """Head and body go together only if the body comes at once."""
    gate = Gate()

    async def app(scope, receive, send):
        if wait == "task":
            for message in first:
                await asyncio.create_task(send(message))
        else:
            for message in first:
                await send(message)
        if wait == "receive":
            await receive()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(receive(), 0.01)
        elif wait == "thread":
            await asyncio.to_thread(int)
        await gate.wait()
        await send(body(b"late"))

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    head = client.read_until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    client.assert_silent()
    gate.open()
    assert client.read_until(b"0\r\n\r\n") == b"4\r\nlate\r\n0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 300_000, 5_000_000])
@pytest.mark.parametrize("with_length", [True, False])
def test_large_answers(site: Site, size: int, with_length: bool) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    fields = [(b"content-length", b"%d" % size)] if with_length else []
    site.app = sends(start(200, fields), body(data[:size]))
    client = site.connect()
    assert client.exchange(REQUEST).body == data[:size]
    site.app = echo
    assert client.exchange(request("POST", body=b"next")).body == b"next"

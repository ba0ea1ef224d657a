"""The opening handshake on the wire (RFC 6455 4.2): what is refused and how, what a 101
says, what came with the handshake or before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from harness.apps import Recorder, replies, respond
from harness.client import REQUEST
from harness.fixtures import Site
from harness.frames import PONG, TEXT, frame
from harness.server import eventually
from harness.websocket import (
    ACCEPT,
    ACCEPT_KEY,
    CLOSE_IT,
    DEFLATE,
    KEY,
    Peer,
    echo,
    gone,
    handshake,
    received,
    say,
)

REFUSED = {
    "no key": (handshake(sec_websocket_key=None), 400, "Missing Sec-WebSocket-Key"),
    "an empty key": (handshake(sec_websocket_key=""), 400, "Sec-WebSocket-Key"),
    "a short key": (handshake(sec_websocket_key="abc="), 400, "Sec-WebSocket-Key"),
    "a long key": (handshake(sec_websocket_key=KEY * 2), 400, "Sec-WebSocket-Key"),
    "two keys": (
        handshake(headers=[("Sec-WebSocket-Key", KEY)]),
        400,
        "Sec-WebSocket-Key",
    ),
    "no version": (
        handshake(sec_websocket_version=None),
        400,
        "Missing Sec-WebSocket-Version",
    ),
    "an old version": (handshake(sec_websocket_version="8"), 426, "version 13"),
    "two versions": (handshake(sec_websocket_version="13, 8"), 426, "version 13"),
    "another method": (handshake(method="POST"), 400, "GET"),
    "HTTP/1.0": (handshake(version="1.0"), 400, "HTTP/1.1"),
    "HTTP/1.0 with a body": (handshake(version="1.0", body=b"x" * 99), 400, "HTTP/1.1"),
    "a body": (handshake(body=b"hello"), 400, "no body"),
    "a chunked body": (
        handshake(headers=[("Transfer-Encoding", "chunked")]) + b"0\r\n\r\n",
        400,
        "no body",
    ),
    "a bad subprotocol": (
        handshake(headers=[("Sec-WebSocket-Protocol", "a b")]),
        400,
        "Sec-WebSocket-Protocol",
    ),
    "a subprotocol beyond ASCII": (
        handshake(headers=[("Sec-WebSocket-Protocol", "chät")]),
        400,
        "Sec-WebSocket-Protocol",
    ),
    "a bad extension": (
        handshake(headers=[("Sec-WebSocket-Extensions", "permessage-deflate; =1")]),
        400,
        "Sec-WebSocket-Extensions",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_handshake_is_refused_with_a_sentence(site: Site, case: str) -> None:
    data, status, text = REFUSED[case]
    site.app = recorder = Recorder(echo)
    client = site.connect()
    client.send(data)
    answer = client.refused(status) if status == 400 else client.last_answer()
    assert answer.status == status
    assert text in answer.body.decode()
    assert answer.header(b"server") == b"fastserve"
    assert answer.header(b"date")
    assert answer.header(b"content-type") == b"text/plain; charset=utf-8"
    assert recorder.started == 0
    assert [text in warning for warning in site.warnings] == [True]


@pytest.mark.parametrize("version", [None, "7", "14", "013"])
def test_a_bad_version_is_told_the_good_one(site: Site, version: str | None) -> None:
    client = site.connect()
    client.send(handshake(sec_websocket_version=version))
    assert client.last_answer().header(b"sec-websocket-version") == b"13"


def test_a_handshake_that_is_a_head_request_is_refused_without_a_body(
    site: Site,
) -> None:
    client = site.connect()
    client.send(handshake(method="HEAD"))
    answer = client.last_answer("HEAD")
    assert (answer.status, answer.body) == (400, b"")


@pytest.mark.parametrize("changed", [{"connection": "close"}, {"upgrade": "h2c"}])
def test_http_1_0_that_does_not_ask_for_a_websocket_is_http(
    site: Site, changed: dict
) -> None:
    """RFC 9110 7.8: its Upgrade is ignored."""
    site.app = recorder = Recorder(replies())
    client = site.connect()
    client.send(handshake(version="1.0", **changed))
    assert client.last_answer().status == 200
    assert recorder.scope["type"] == "http"
    assert site.warnings == []


@pytest.mark.parametrize(
    "changed", [{"connection": "close"}, {"connection": None}, {"upgrade": None}]
)
def test_half_a_handshake_is_http(site: Site, changed: dict) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    client.send(handshake(**changed))
    assert client.answer().status == 200
    assert recorder.scope["type"] == "http"


def test_ws_none_answers_as_http(start_server: Callable[..., Site]) -> None:
    recorder = Recorder(replies())
    site = start_server(recorder, ws="none")
    assert site.connect().exchange(handshake(version="1.0")).status == 200
    recorder.scopes.clear()
    client = site.connect()
    for _ in range(2):
        assert client.exchange(handshake()).status == 200
    assert [scope["type"] for scope in recorder.scopes] == ["http"] * 2
    assert site.warnings == ["Unsupported upgrade request."] * 2


@pytest.mark.parametrize(
    "changed",
    [
        {"connection": "keep-alive, Upgrade"},
        {"connection": "UPGRADE"},
        {"upgrade": "WebSocket"},
        {"upgrade": "h2c, websocket"},
    ],
)
def test_tokens_in_lists_and_in_any_case(site: Site, changed: dict) -> None:
    site.app = echo
    client = site.connect()
    client.send(handshake(**changed))
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")


def test_the_head_of_a_101(site: Site) -> None:
    async def app(scope, receive, send):
        headers = [(b"X-One", b"1"), (b"Server", b"mine"), (b"x-one", b"2")]
        await send({**ACCEPT, "headers": iter(headers)})
        await receive()
        await receive()

    site.app = app
    peer = Peer(site.connect())
    assert [name for name, _ in peer.headers[:2]] == [b"date", b"server"]
    assert peer.all(b"server") == [b"fastserve", b"mine"]
    assert peer.all(b"x-one") == [b"1", b"2"]
    assert peer.all(b"connection") == [b"Upgrade"]
    assert peer.all(b"upgrade") == [b"websocket"]
    assert peer.all(b"sec-websocket-accept") == [ACCEPT_KEY]
    for absent in (b"content-length", b"transfer-encoding", b"sec-websocket-protocol"):
        assert peer.all(absent) == []
    peer.leave()


def test_configured_headers_are_in_the_101(start_server: Callable[..., Site]) -> None:
    site = start_server(
        echo, headers=[("X-Set", "yes")], server_header=False, date_header=False
    )
    peer = Peer(site.connect())
    assert peer.all(b"x-set") == [b"yes"]
    assert peer.all(b"server") == peer.all(b"date") == []


@pytest.mark.parametrize("value", ["close", "keep-alive, Close"])
def test_a_configured_close_is_not_in_the_101(
    start_server: Callable[..., Site], value: str
) -> None:
    """RFC 9110 7.8: the connection goes on. Whoever denies it closes it as ever."""

    async def app(scope, receive, send):
        await (echo(scope, receive, send) if scope["path"] == "/" else send(CLOSE_IT))

    site = start_server(app, headers=[("X-Set", "yes"), ("Connection", value)])
    peer = Peer(site.connect())
    assert peer.all(b"connection") == [b"Upgrade"]
    assert peer.all(b"x-set") == [b"yes"]
    peer.text("hello")
    assert peer.message() == "hello"
    peer.leave()
    client = site.connect()
    client.send(handshake("/no"))
    answer = client.last_answer()
    assert (answer.status, answer.all(b"connection")) == (403, [value.encode()])


# -- what came with it, and before it ----------------------------------------------


def test_frames_that_came_with_the_handshake(site: Site) -> None:
    site.app = recorder = Recorder(echo)
    peer = Peer(
        site.connect(), behind=frame(TEXT, b"one") + frame(0x9, b"?") + frame(TEXT)
    )
    assert peer.control(PONG) == b"?"
    assert [peer.message() for _ in range(2)] == ["one", ""]
    peer.leave()
    eventually(lambda: recorder.ended)
    assert recorder.received[1:3] == [received("one"), received("")]


def test_a_frame_in_pieces_before_the_app_accepts(site: Site) -> None:
    """What comes meanwhile is kept, in order, also if it is much."""
    data = bytes(range(256)) * 1200

    async def app(scope, receive, send):
        while not data_sent:
            await asyncio.sleep(0.002)
        await echo(scope, receive, send)

    data_sent: list[int] = []
    site.app = app
    client = site.connect()
    whole = handshake() + frame(TEXT, b"one") + frame(0x2, data)
    client.send(whole[:-300_000], whole[-300_000:-10], pause=0.02)
    client.assert_silent()
    data_sent.append(1)
    client.send(whole[-10:])
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    assert client.read_until(data) == b"\x81\x03one" + (
        b"\x82\x7f" + len(data).to_bytes(8, "big") + data
    )


def test_what_comes_before_the_app_accepts_is_bounded(site: Site) -> None:
    opened: list[int] = []

    async def app(scope, receive, send):
        while not opened:
            await asyncio.sleep(0.002)
        await echo(scope, receive, send)

    site.app = app
    client = site.connect()
    client.send(handshake())
    piece = frame(0x2, b"x" * 65_536)
    limit = 64 << 20
    sent = client.send_while_accepted(piece, limit)
    assert sent < 20 << 20
    opened.append(1)
    client.reset()
    site.wait_idle()


@pytest.mark.parametrize("cut", range(1, 200, 23))
def test_a_handshake_in_two_reads(site: Site, cut: int) -> None:
    site.app = echo
    client = site.connect()
    data = handshake() + frame(TEXT, b"hello")
    client.send(data[:cut], data[cut:], pause=0.002)
    client.read_until(b"\x81\x05hello")


def test_requests_before_the_handshake(site: Site) -> None:
    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            return await echo(scope, receive, send)
        await asyncio.sleep(0.01)
        await respond(send, scope["path"].encode())

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(REQUEST * 2 + handshake("/ws") + frame(TEXT, b"hello"))
    assert [client.answer().status for _ in range(2)] == [200, 200]
    client.read_until(b"\x81\x05hello")
    assert recorder.paths == ["/", "/", "/ws"]


def test_fin_with_a_handshake_behind_another_request(site: Site) -> None:
    """The end of input was read before the handshake's turn came."""
    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            return await echo(scope, receive, send)
        await asyncio.sleep(0.05)
        await respond(send)

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(REQUEST + handshake())
    client.finish()
    assert client.answer().status == 200
    eventually(lambda: recorder.ended == 2)
    assert recorder.received[-1] == gone(1006)


# -- subprotocols ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], []),
        (["chat"], ["chat"]),
        (["a, b"], ["a", "b"]),
        (["a,b ,\tc"], ["a", "b", "c"]),
        (["a", "b, c"], ["a", "b", "c"]),
        (["a,,b,"], ["a", "b"]),
    ],
)
def test_offered_subprotocols(
    site: Site, lines: list[str], expected: list[str]
) -> None:
    site.app = recorder = Recorder(echo)
    Peer(
        site.connect(), headers=[("Sec-WebSocket-Protocol", line) for line in lines]
    ).leave()
    assert recorder.scope["subprotocols"] == expected


def test_the_chosen_subprotocol(site: Site) -> None:
    async def app(scope, receive, send):
        await send({**ACCEPT, "subprotocol": scope["subprotocols"][1]})
        await receive()
        await receive()

    site.app = app
    peer = Peer(site.connect(), headers=[("Sec-WebSocket-Protocol", "one, two")])
    assert peer.all(b"sec-websocket-protocol") == [b"two"]
    peer.leave()


# -- what an app must not put into a 101 -------------------------------------------

BAD_ACCEPTS = {
    "CR LF in a value": {"headers": [(b"x", b"a\r\nset-cookie: b")]},
    "LF in a value": {"headers": [(b"x", b"a\nb")]},
    "CR in a value": {"headers": [(b"x", b"a\rb")]},
    "NUL in a value": {"headers": [(b"x", b"a\0b")]},
    "LF in a name": {"headers": [(b"x\ny", b"a")]},
    "a name with a blank": {"headers": [(b"x y", b"a")]},
    "an empty name": {"headers": [(b"", b"a")]},
    "str": {"headers": [("x", "y")]},
    "no pairs": {"headers": [b"x"]},
    "CR LF in the subprotocol": {"subprotocol": "a\r\nset-cookie: b"},
    "NUL in the subprotocol": {"subprotocol": "a\0"},
    "a subprotocol beyond ASCII": {"subprotocol": "chät"},
    "a subprotocol of bytes": {"subprotocol": b"chat"},
    "the server's own": {"headers": [(b"Sec-WebSocket-Accept", b"x")]},
    "another extension": {"headers": [(b"sec-websocket-extensions", b"x")]},
    "another upgrade": {"headers": [(b"Upgrade", b"h2c")]},
}


@pytest.mark.parametrize("case", BAD_ACCEPTS)
def test_a_bad_accept_is_an_error_and_a_500(site: Site, case: str) -> None:
    async def app(scope, receive, send):
        await send({**ACCEPT, **BAD_ACCEPTS[case]})

    site.app = recorder = Recorder(app)
    client = site.connect()
    client.send(handshake())
    answer = client.refused(500)
    assert answer.body == b"Internal Server Error"
    assert answer.header(b"set-cookie") is None
    assert answer.header(b"upgrade") is None
    (error,) = recorder.raised
    assert isinstance(error, (RuntimeError, TypeError, ValueError))
    assert len(site.errors) == 1


def test_an_accept_after_a_bad_one(site: Site) -> None:
    """Nothing of the bad one was sent: the app may still do it right."""

    async def app(scope, receive, send):
        with pytest.raises(RuntimeError):
            await send({**ACCEPT, "headers": [(b"x", b"a\nb")]})
        await echo(scope, receive, send)

    site.app = app
    peer = Peer(site.connect())
    assert peer.all(b"connection") == [b"Upgrade"]
    peer.text("hello")
    assert peer.message() == "hello"
    peer.leave()


# -- permessage-deflate ------------------------------------------------------------


def test_deflate_is_agreed_on_when_offered(site: Site) -> None:
    site.app = echo
    peer = Peer(site.connect(), headers=[DEFLATE])
    assert peer.all(b"sec-websocket-extensions") == [
        b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
    ]
    peer.text("small")
    assert peer.frame() == (TEXT, b"small", False)
    peer.text("large " * 1000)
    assert peer.message() == "large " * 1000
    peer.leave()


def test_deflate_is_not_offered_by_the_server(site: Site) -> None:
    site.app = echo
    peer = Peer(site.connect())
    assert peer.all(b"sec-websocket-extensions") == []
    peer.text("large " * 1000)
    assert peer.frame().compressed is False


def test_deflate_switched_off(start_server: Callable[..., Site]) -> None:
    site = start_server(echo, ws_per_message_deflate=False)
    peer = Peer(site.connect(), headers=[DEFLATE])
    assert peer.all(b"sec-websocket-extensions") == []
    peer.text("large " * 1000)
    assert peer.frame().compressed is False


def test_accept_sends_first_what_is_sent_with_it(site: Site) -> None:
    async def app(scope, receive, send):
        await send(ACCEPT)
        await send(say("hello"))
        await send(say(b"\x00\xff"))
        await receive()
        await receive()

    site.app = app
    peer = Peer(site.connect())
    assert (peer.message(), peer.message()) == ("hello", b"\x00\xff")
    peer.leave()

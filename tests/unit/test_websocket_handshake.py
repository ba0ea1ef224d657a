"""The opening handshake of a WebSocket: what is refused, and what is agreed on."""

from __future__ import annotations

import random

import pytest
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Headers as OracleHeaders
from websockets.http11 import Request
from websockets.server import ServerProtocol

from fastserve.protocols.websocket import WebSocket
from fastserve.protocols.websocket_handshake import (
    Deflate,
    Handshake,
    HandshakeRefused,
    asks_for_websocket,
    read_handshake,
    without_connection,
)

Headers = list[tuple[bytes, bytes]]

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
GOOD: dict[bytes, bytes] = {
    b"host": b"server.example.com",
    b"upgrade": b"websocket",
    b"connection": b"Upgrade",
    b"sec-websocket-key": KEY,
    b"sec-websocket-version": b"13",
}
EXTENSIONS = b"sec-websocket-extensions"
PROTOCOL = b"sec-websocket-protocol"


def request(*more: tuple[bytes, bytes], **changed: bytes | None) -> Headers:
    """A good request's headers, with these replaced, left out (None) or added."""
    fields: dict[bytes, bytes | None] = {**GOOD}
    for name, value in changed.items():
        fields[name.replace("_", "-").encode()] = value
    kept = [(name, value) for name, value in fields.items() if value is not None]
    return [*kept, *more]


def accept(headers: Headers) -> Handshake:
    return read_handshake("GET", False, headers, True)


def refused(
    headers: Headers, method: str = "GET", http10: bool = False
) -> HandshakeRefused:
    with pytest.raises(HandshakeRefused) as caught:
        read_handshake(method, http10, headers, True)
    error = caught.value
    assert error.status in (400, 426)
    assert error.text.endswith(".") and error.text.isascii()
    return error


def negotiated(*lines: bytes) -> tuple[Deflate | None, bytes | None]:
    handshake = accept(request(*((EXTENSIONS, line) for line in lines)))
    answer = dict(handshake.response_headers(None, []))
    return handshake.deflate, answer.get(EXTENSIONS)


# -- RFC 6455 4.2.1 -------------------------------------------------------------------


def test_the_example_of_the_rfc() -> None:
    handshake = accept(request((PROTOCOL, b"chat, superchat")))
    assert handshake.subprotocols == ["chat", "superchat"]
    assert handshake.deflate is None
    assert handshake.response_headers("chat", []) == [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        (b"sec-websocket-protocol", b"chat"),
    ]


def test_what_asks_for_a_websocket() -> None:
    for value in (b"websocket", b"WebSocket", b"h2c, websocket", b" WEBSOCKET ,"):
        assert asks_for_websocket([(b"upgrade", value)])
        accept(request(upgrade=value))
    for value in (b"h2c", b"websocket2", b"web socket", b"", b"websocket/13"):
        assert not asks_for_websocket([(b"upgrade", value)])
    assert not asks_for_websocket([(b"connection", b"upgrade, websocket")])
    assert asks_for_websocket([(b"upgrade", b"h2c"), (b"upgrade", b"websocket")])


def test_upgrade_and_connection() -> None:
    for value in (b"upgrade", b"keep-alive, Upgrade", b"UPGRADE,close", b",upgrade,"):
        accept(request(connection=value))
    accept(request((b"connection", b"upgrade"), connection=b"keep-alive"))
    upgrade = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
    for value in (None, b"", b"keep-alive", b"upgraded", b"up grade"):
        error = refused(request(connection=value))
        assert (error.status, error.headers) == (426, upgrade)
        assert error.text == "Missing Connection: upgrade header."
    for value in (None, b"h2c"):
        error = refused(request(upgrade=value))
        assert (error.status, error.headers) == (426, upgrade)
        assert error.text == "Missing Upgrade: websocket header."


@pytest.mark.parametrize("method", ["POST", "HEAD", "get", "PUT", "OPTIONS"])
def test_methods(method: str) -> None:
    error = refused(request(), method=method)
    assert error.status == 400
    assert error.text == "A WebSocket handshake is a GET request."


def test_http10() -> None:
    error = refused(request(), http10=True)
    assert error.status == 400
    assert error.text.startswith("A WebSocket handshake needs HTTP/1.1;")


def test_versions() -> None:
    error = refused(request(sec_websocket_version=None))
    assert (error.status, error.headers) == (400, [(b"sec-websocket-version", b"13")])
    assert error.text == "Missing Sec-WebSocket-Version header."
    for value in (b"12", b"8", b"14", b"013", b"13, 8", b"13 13", b"", b"x"):
        error = refused(request(sec_websocket_version=value))
        assert error.status == 426
        assert error.headers == [
            (b"sec-websocket-version", b"13"),
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
        ]
        assert "Sec-WebSocket-Version" in error.text
    assert refused(request((b"sec-websocket-version", b"13"))).status == 426


def test_keys() -> None:
    error = refused(request(sec_websocket_key=None))
    assert (error.status, error.text) == (400, "Missing Sec-WebSocket-Key header.")
    accept(request(sec_websocket_key=b"//////////+++++++++++w=="))
    bad = [b"", b"x", KEY[:-1], KEY + b"=", KEY[:-2] + b"AA", KEY[:-3] + b"==="]
    bad += [b"=" * 24, KEY.replace(b"G", b"-"), KEY[:-2] + b"= ", b" " + KEY[1:]]
    for value in bad:
        error = refused(request(sec_websocket_key=value))
        assert (error.status, error.text) == (400, "Invalid Sec-WebSocket-Key header.")
    assert refused(request((b"sec-websocket-key", KEY))).status == 400


def test_a_handshake_has_no_body() -> None:
    accept(request((b"content-length", b"0")))
    for field in ((b"content-length", b"5"), (b"transfer-encoding", b"chunked")):
        error = refused(request(field))
        assert (error.status, error.text) == (400, "A WebSocket handshake has no body.")


def test_subprotocols_over_commas_and_lines() -> None:
    lines = [b"a, b", b"", b" c ,\t,d", b","]
    handshake = accept(request(*((PROTOCOL, line) for line in lines)))
    assert handshake.subprotocols == ["a", "b", "c", "d"]
    assert accept(request()).subprotocols == []
    for value in (b"a b", b"a;b", b'"a"', b"a/b", b"caf\xc3\xa9", b"a,\x00", b"\xff"):
        error = refused(request((PROTOCOL, value)))
        assert error.text == "Invalid Sec-WebSocket-Protocol header."


@pytest.mark.parametrize(
    "name",
    ["upgrade", "connection", "sec-websocket-key", "sec-websocket-version"]
    + ["sec-websocket-protocol", "sec-websocket-extensions"],
)
def test_every_byte_in_every_header(name: str) -> None:
    good = {**GOOD, EXTENSIONS: b"permessage-deflate", PROTOCOL: b"chat"}
    for byte in range(256):
        for value in (bytes([byte]), good[name.encode()] + bytes([byte])):
            headers = [
                (field, value if field == name.encode() else kept)
                for field, kept in good.items()
            ]
            try:
                accept(headers)
            except HandshakeRefused:
                continue


# -- the answer -----------------------------------------------------------------------


def test_headers_of_the_application_stay_and_keep_their_order() -> None:
    own = [(b"x-a", b"1"), (b"set-cookie", b"a=b"), (b"server", b"s"), (b"x-a", b"2")]
    assert accept(request()).response_headers(None, own)[3:] == own
    assert accept(request()).response_headers("p", iter(own))[3:-1] == own
    # Some applications name the subprotocol themselves.
    header = (b"Sec-WebSocket-Protocol", b"p")
    assert accept(request()).response_headers(None, [header])[3:] == [header]


@pytest.mark.parametrize(
    "name",
    [b"Upgrade", b"connection", b"Sec-WebSocket-Accept", b"sec-websocket-extensions"],
)
def test_headers_that_the_handshake_sets(name: bytes) -> None:
    with pytest.raises(RuntimeError, match=f"sets '{name.decode()}' itself"):
        accept(request()).response_headers(None, [(name, b"x")])


def test_one_subprotocol() -> None:
    with pytest.raises(RuntimeError, match="sets 'sec-websocket-protocol' itself"):
        accept(request()).response_headers("a", [(b"sec-websocket-protocol", b"a")])


@pytest.mark.parametrize(
    "value", ["a b", "a,b", "a\r\nb: c", "é", "a\0", " a", "\ud800"]
)
def test_subprotocols_that_are_no_tokens(value: str) -> None:
    with pytest.raises(RuntimeError, match="is no WebSocket subprotocol"):
        accept(request()).response_headers(value, [])


@pytest.mark.parametrize("value", [b"chat", 5, ["chat"]])
def test_subprotocols_of_another_type(value: object) -> None:
    with pytest.raises(RuntimeError, match="must be str, not"):
        accept(request()).response_headers(value, [])  # type: ignore[arg-type]


def test_connection_lines_are_left_out() -> None:
    lines = b"date: x\r\nconnection: close\r\nx-connection: a\r\nconnection:b\r\n"
    assert without_connection(lines) == b"date: x\r\nx-connection: a\r\n"
    assert without_connection(b"") == b""


# -- permessage-deflate: RFC 7692 7.1 -------------------------------------------------

OURS = b"permessage-deflate; server_max_window_bits=12"


@pytest.mark.parametrize(
    "offer, agreed, answer",
    [
        (b"", (12, 15, True, True), b""),
        (
            b"; client_max_window_bits",
            (12, 12, True, True),
            b"; client_max_window_bits=12",
        ),
        (
            b"; client_max_window_bits=9",
            (12, 9, True, True),
            b"; client_max_window_bits=9",
        ),
        (
            b"; client_max_window_bits=15",
            (12, 12, True, True),
            b"; client_max_window_bits=12",
        ),
        (b"; server_max_window_bits=15", (12, 15, True, True), b""),
        (b' ;\tserver_max_window_bits = "12"', (12, 15, True, True), b""),
        (
            b'; client_max_window_bits="1\\0"',
            (12, 10, True, True),
            b"; client_max_window_bits=10",
        ),
    ],
)
def test_offers(offer: bytes, agreed: tuple[object, ...], answer: bytes) -> None:
    assert negotiated(b"permessage-deflate" + offer) == (agreed, OURS + answer)


def test_offers_of_smaller_windows_and_no_takeover() -> None:
    for bits in range(8, 13):
        deflate, answer = negotiated(
            b"permessage-deflate; server_max_window_bits=%d" % bits
        )
        assert deflate == (bits, 15, True, True)
        assert answer == b"permessage-deflate; server_max_window_bits=%d" % bits
        WebSocket().enable_deflate(*deflate)
    deflate, answer = negotiated(
        b"permessage-deflate; client_no_context_takeover; client_max_window_bits=8; "
        b"server_max_window_bits=9; server_no_context_takeover"
    )
    assert deflate == (9, 8, False, False)
    assert answer == (
        b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        b"server_max_window_bits=9; client_max_window_bits=8"
    )


@pytest.mark.parametrize(
    "offer",
    [
        b"; server_max_window_bits",
        b"; server_max_window_bits=7",
        b"; server_max_window_bits=16",
        b"; server_max_window_bits=012",
        b"; server_max_window_bits=+9",
        b"; client_max_window_bits=x",
        b"; client_max_window_bits=7",
        b"; server_no_context_takeover=1",
        b"; client_no_context_takeover=true",
        b"; unknown",
        b"; SERVER_MAX_WINDOW_BITS=12",
        b"; client_max_window_bits; client_max_window_bits",
        b"; server_no_context_takeover; server_no_context_takeover",
        b"; server_max_window_bits=9; server_max_window_bits=9",
    ],
)
def test_offers_that_are_declined(offer: bytes) -> None:
    name = b"permessage-deflate"
    assert negotiated(name + offer) == (None, None)
    assert negotiated(b"x-webkit-deflate-frame, x-other; a=b") == (None, None)
    # The next offer has its turn, in the same line or in another.
    second = b"%b; client_no_context_takeover" % name
    expected = (
        (12, 15, True, False),
        b"%b; client_no_context_takeover; server_max_window_bits=12" % name,
    )
    assert negotiated(name + offer + b" , " + second) == expected
    assert negotiated(name + offer, b"", second + b"," + name) == expected


@pytest.mark.parametrize(
    "value",
    [b"a b", b"a;", b";a", b"a;b=", b'a;b="', b'a;b="x y"', b'a;b="x,y"', b"a=b"]
    + [b"a==b", b"a;b=c d", b"\xff", b'a;b=""', b"a;;b", b'a;b="\\"', b'"a"', b"a/b"],
)
def test_extensions_that_cannot_be_read(value: bytes) -> None:
    """RFC 6455 9.1: whatever extension it was about, the handshake has failed."""
    error = refused(request((EXTENSIONS, b"permessage-deflate"), (EXTENSIONS, value)))
    assert error.text == "Invalid Sec-WebSocket-Extensions header."


def test_deflate_may_be_off() -> None:
    headers = request((EXTENSIONS, b"permessage-deflate"))
    handshake = read_handshake("GET", False, headers, False)
    assert handshake.deflate is None
    assert EXTENSIONS not in dict(handshake.response_headers(None, []))


# -- websockets as an oracle ----------------------------------------------------------


def by_websockets(line: bytes) -> tuple[int, str | None]:
    """The status, and the extensions that it answers with, as uvicorn sets it up."""
    factory = ServerPerMessageDeflateFactory(
        server_max_window_bits=12,
        client_max_window_bits=12,
        compress_settings={"memLevel": 5},
    )
    headers = OracleHeaders(
        (name.decode(), value.decode("latin-1"))
        for name, value in request((EXTENSIONS, line))
    )
    response = ServerProtocol(extensions=[factory]).accept(Request("/", headers))
    return response.status_code, response.headers.get("Sec-WebSocket-Extensions")


def by_fastserve(line: bytes) -> tuple[int, str | None]:
    try:
        _, answer = negotiated(line)
    except HandshakeRefused as error:
        return error.status, None
    return 101, answer.decode() if answer else None


def test_any_offer_is_answered_as_websockets_answers_it() -> None:
    chance = random.Random(11)
    names = ["server_no_context_takeover", "client_no_context_takeover"]
    names += ["server_max_window_bits", "client_max_window_bits", "other"]
    values = ["", "", "", "=9", "=15", '="10"', "= 12", "=7", "=16", "=x", "=1 2"]
    values += ['="', "=13"]
    extensions = ["permessage-deflate"] * 6 + ["x-other", "a b"]
    accepted = refused_too = 0
    for _ in range(2000):
        offers = []
        for _ in range(chance.choice([1, 1, 2, 3])):
            parts = [chance.choice(extensions)]
            for name in chance.sample(names, chance.choice([0, 1, 1, 2, 3])):
                parts.append(name + chance.choice(values))
            offers.append(chance.choice(["; ", ";", " ;\t"]).join(parts))
        line = chance.choice([", ", ",", ",, "]).join(offers).encode()
        found = by_fastserve(line)
        assert found == by_websockets(line), line
        accepted += found[1] is not None
        refused_too += found[0] == 400
    assert accepted > 250 and refused_too > 250

"""middleware/proxy_headers: whom it believes, and what it makes of what they say.

uvicorn's own middleware is the oracle for thousands of generated requests; the tables
say what the rules are meant to be, whatever the oracle does.
"""

from __future__ import annotations

import inspect
import itertools
import logging
import random
from typing import Any

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware as Oracle

from fastserve.middleware.proxy_headers import ProxyHeadersMiddleware

PROTO = b"x-forwarded-proto"
FOR = b"x-forwarded-for"
PEER = ("127.0.0.1", 5000)


def scope_of(*headers: tuple[bytes, bytes], **changed: Any) -> dict[str, Any]:
    scope = {"type": "http", "scheme": "http", "client": PEER, "headers": [*headers]}
    return scope | changed


def seen_through(kind: Any, trusted: Any, scope: dict[str, Any]) -> Any:
    """Scheme and client as the application sees them, or what was raised."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["scheme"], scope["client"]))

    middleware = kind(app, trusted)
    try:
        run_at_once(middleware({**scope}, None, None))
    except Exception as exc:
        return repr(exc)
    return seen


def run_at_once(coro: Any) -> Any:
    """Run a coroutine that never waits; return what it returns."""
    try:
        coro.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def seen(trusted: Any, scope: dict[str, Any]) -> Any:
    ((scheme, client),) = seen_through(ProxyHeadersMiddleware, trusted, scope)
    return scheme, client


# -- the rules ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "host", "believed"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "", False),
        ("", "127.0.0.1", False),
        ([], "127.0.0.1", False),
        ("*", "127.0.0.1", True),
        ("*", "", True),
        (["*"], "anything", True),
        ("*, 127.0.0.1", "192.0.2.1", False),  # alone, or it is a literal
        ("10.0.0.0/8 , 192.168.0.0/16", "10.255.0.1", True),
        ("10.0.0.0/8,192.168.0.0/16", "192.168.9.9", True),
        ("10.0.0.0/8,192.168.0.0/16", "11.0.0.1", False),
        ("10.0.0.1/8", "10.0.0.1", False),  # bits outside the mask: a literal
        (["10.0.0.0/8"], "10.0.0.1", True),
        ("::1", "::1", True),
        ("0:0:0:0:0:0:0:1", "::1", True),  # compared as addresses
        ("2001:db8::/32", "2001:DB8:0::5", True),
        ("2001:db8::/32", "2001:db9::5", False),
        ("127.0.0.1", "::ffff:127.0.0.1", False),
        ("unix:,localhost", "localhost", True),
        ("unix:,localhost", "LOCALHOST", False),
        ("proxy", "proxy.example", False),
    ],
)
def test_who_is_believed(trusted: Any, host: str, believed: bool) -> None:
    scope = scope_of((PROTO, b"https"), client=(host, 1))
    assert seen(trusted, scope) == ("https" if believed else "http", (host, 1))


def test_a_peer_without_an_address_is_believed_by_a_star_alone() -> None:
    scope = scope_of((PROTO, b"https"), client=None)
    assert seen("127.0.0.1,unix:,", scope) == ("http", None)
    assert seen("*", scope) == ("https", None)


@pytest.mark.parametrize(
    ("values", "scheme"),
    [
        ([b"https"], "https"),
        ([b" https\t"], "https"),
        ([b"https", b"http"], "http"),  # the nearest proxy's is the last
        ([b"http", b"wss"], "wss"),
        ([b"https", b"ftp"], "http"),
        ([b"https,http"], "http"),
        ([b"HTTPS"], "http"),
        ([b""], "http"),
        ([b"https\xff"], "http"),
        ([b"javascript"], "http"),
    ],
)
def test_scheme(values: list[bytes], scheme: str) -> None:
    scope = scope_of(*((PROTO, value) for value in values))
    assert seen("127.0.0.1", scope) == (scheme, PEER)


@pytest.mark.parametrize(
    ("value", "scheme"),
    [(b"http", "ws"), (b"https", "wss"), (b"ws", "ws"), (b"wss", "wss"), (b"x", "ws")],
)
def test_scheme_of_a_websocket(value: bytes, scheme: str) -> None:
    scope = scope_of((PROTO, value), type="websocket", scheme="ws")
    assert seen("127.0.0.1", scope) == (scheme, PEER)


TRUSTED = "127.0.0.1, 10.0.0.0/8, 2001:db8::/32, proxy"


@pytest.mark.parametrize(
    ("values", "client"),
    [
        # from the right, the first that is no proxy of ours
        (["192.0.2.7"], ("192.0.2.7", 0)),
        (["192.0.2.7, 10.0.0.1"], ("192.0.2.7", 0)),
        (["192.0.2.7", "10.0.0.1"], ("192.0.2.7", 0)),  # lines of one list
        (["10.0.0.9, 192.0.2.7, 10.0.0.1, proxy"], ("192.0.2.7", 0)),
        # what stands left of it anybody may have written
        (["203.0.113.1, 192.0.2.7"], ("192.0.2.7", 0)),
        (["203.0.113.1", "192.0.2.7"], ("192.0.2.7", 0)),
        (["127.0.0.1, 192.0.2.7"], ("192.0.2.7", 0)),
        (["*, 192.0.2.7"], ("192.0.2.7", 0)),
        # all are ours: the leftmost
        (["10.0.0.1, 10.0.0.2, 10.0.0.3"], ("10.0.0.1", 0)),
        # forms
        (["192.0.2.7:4711"], ("192.0.2.7", 4711)),
        (["192.0.2.7:4711, 10.0.0.1:80"], ("192.0.2.7", 4711)),
        (["2001:db9::7"], ("2001:db9::7", 0)),
        (["[2001:db9::7]"], ("2001:db9::7", 0)),
        (["[2001:db9::7]:4711, [2001:db8::1]:80"], ("2001:db9::7", 4711)),
        (["client.example"], ("client.example", 0)),
        (["client.example:80"], ("client.example", 80)),
        (["unknown"], ("unknown", 0)),
        # malformed: kept whole, never made an address of ours
        (["10.0.0.1:http"], ("10.0.0.1:http", 0)),
        (["10.0.0.1:"], ("10.0.0.1:", 0)),
        (["[10.0.0.1"], ("[10.0.0.1", 0)),
        (["[2001:db8::1]x"], ("[2001:db8::1]x", 0)),
        (["10.0.0.1.2"], ("10.0.0.1.2", 0)),
        (["010.0.0.1"], ("010.0.0.1", 0)),
        (["192.0.2.7, 10.0.0.1 10.0.0.2"], ("10.0.0.1 10.0.0.2", 0)),
        (['"192.0.2.7"'], ('"192.0.2.7"', 0)),
        (["192.0.2.7 , [2001:db8::1]:x"], ("192.0.2.7", 0)),
        # nothing usable: the peer stays
        ([""], PEER),
        ([" "], PEER),
        (["192.0.2.7, "], PEER),
    ],
)
def test_client(values: list[str], client: tuple[str, int]) -> None:
    scope = scope_of(*((FOR, value.encode()) for value in values))
    assert seen(TRUSTED, scope) == ("http", client)


@pytest.mark.parametrize(
    ("value", "client"),
    [
        (b"192.0.2.7, 10.0.0.1", ("192.0.2.7", 0)),
        (b"192.0.2.7:80, 10.0.0.1", ("192.0.2.7", 80)),
        (b"spoofed, 192.0.2.7", ("spoofed", 0)),
        (b", 192.0.2.7", PEER),
    ],
)
def test_a_star_believes_the_leftmost(value: bytes, client: tuple[str, int]) -> None:
    assert seen("*", scope_of((FOR, value))) == ("http", client)


def test_nothing_else_is_read() -> None:
    headers = [
        (b"forwarded", b"for=192.0.2.7;proto=https"),
        (b"x-forwarded-host", b"evil.example"),
        (b"x-forwarded-port", b"443"),
        (b"x-forwarded-prefix", b"/x"),
        (b"x-real-ip", b"192.0.2.7"),
        (b"x_forwarded_for", b"192.0.2.7"),
        (b"x-forwarded-fo", b"192.0.2.7"),
        (b"x-forwarded-for2", b"192.0.2.7"),
    ]
    assert seen("*", scope_of(*headers)) == ("http", PEER)


def test_a_long_list_costs_little() -> None:
    # 40,000 entries do not fit into the limit of the fields; each is looked at once.
    value = b",".join([b"127.0.0.1"] * 40_000)
    scope = scope_of((FOR, value))
    assert seen("127.0.0.1", scope) == ("http", ("127.0.0.1", 0))


def test_what_is_remembered_is_bounded() -> None:
    trusted = ProxyHeadersMiddleware(None, "10.0.0.0/8").trusted_hosts  # type: ignore
    for number in range(5000):
        host = f"10.{number >> 8}.{number & 255}.1"
        assert host in trusted
        assert trusted.client(host.encode()) == (host, 0)
    caches = (trusted._known_trust, trusted._known_clients)
    assert [cache.cache_info().currsize for cache in caches] == [4096, 4096]
    before = [cache.cache_info() for cache in caches]
    huge = "x" * 100_000
    assert huge not in trusted
    assert trusted.client(huge.encode()) == (huge, 0)
    assert [cache.cache_info() for cache in caches] == before


# -- how it stands round an application -----------------------------------------------


def test_lifespan_and_results_go_through() -> None:
    scopes = []

    async def app(scope: Any, receive: Any, send: Any) -> str:
        scopes.append((scope, receive, send))
        return "result"

    middleware = ProxyHeadersMiddleware(app, "*")
    lifespan = {"type": "lifespan"}
    assert run_at_once(middleware(lifespan, "receive", "send")) == "result"  # type: ignore
    assert scopes == [(lifespan, "receive", "send")] and scopes[0][0] is lifespan
    assert inspect.iscoroutinefunction(middleware.__call__)
    assert middleware.app is app


def test_the_scope_is_changed_in_place() -> None:
    # The server's access line is made from the scope that it has given.
    scope = scope_of((PROTO, b"https"), (FOR, b"192.0.2.7"))
    headers = [*scope["headers"]]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    run_at_once(ProxyHeadersMiddleware(app)(scope, None, None))  # type: ignore
    assert scope == scope_of(*headers, scheme="https", client=("192.0.2.7", 0))


# -- an X-Forwarded-Proto that is not believed ----------------------------------------


def warnings_of(
    caplog: pytest.LogCaptureFixture, middleware: Any, *scopes: dict[str, Any]
) -> list[str]:
    caplog.clear()
    caplog.set_level(logging.INFO, "uvicorn.error")
    for scope in scopes:
        run_at_once(middleware(scope, None, None))
    assert {(r.name, r.levelname) for r in caplog.records} <= {
        ("uvicorn.error", "WARNING")
    }
    return [record.getMessage() for record in caplog.records]


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    pass


def test_one_warning_names_the_option(caplog: pytest.LogCaptureFixture) -> None:
    middleware = ProxyHeadersMiddleware(nothing, "10.0.0.1", warn_untrusted=True)
    silent = [
        scope_of(),
        scope_of((FOR, b"192.0.2.7")),
        scope_of((PROTO, b"https"), client=("10.0.0.1", 1)),
        {"type": "lifespan"},
    ]
    assert warnings_of(caplog, middleware, *silent) == []
    told = scope_of((FOR, b"192.0.2.7"), (PROTO, b"https"))
    other = scope_of((PROTO, b"https"), client=("10.0.0.2", 1), type="websocket")
    assert warnings_of(caplog, middleware, told, other, {**told}) == [
        "X-Forwarded-Proto from 127.0.0.1 is ignored, because that peer is not a "
        "trusted proxy. If it is yours, trust it with --forwarded-allow-ips "
        "'127.0.0.1'."
    ]
    assert (told["scheme"], told["client"]) == ("http", PEER)


def test_the_warning_for_a_unix_socket(caplog: pytest.LogCaptureFixture) -> None:
    middleware = ProxyHeadersMiddleware(nothing, warn_untrusted=True)
    scope = scope_of((PROTO, b"https"), client=None)
    (line,) = warnings_of(caplog, middleware, scope)
    assert line.startswith("X-Forwarded-Proto from a Unix socket is ignored")
    assert line.endswith("--forwarded-allow-ips '*'.")


def test_an_applications_own_middleware_is_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # The server's has put the client in place, whom nobody trusts; and no option of
    # the command acts on this one.
    inner = ProxyHeadersMiddleware(nothing)
    outer = ProxyHeadersMiddleware(inner, warn_untrusted=True)
    scope = scope_of((PROTO, b"https"), (FOR, b"192.0.2.7"))
    assert warnings_of(caplog, outer, scope) == []


# -- against uvicorn's ----------------------------------------------------------------

TRUSTS = [
    "*",
    ["*"],
    ["*", "127.0.0.1"],
    "",
    "127.0.0.1",
    "127.0.0.1,::1",
    " 10.0.0.0/8 ,127.0.0.1, 192.168.0.0/16",
    ["10.0.0.0/8", "::1", "2001:db8::/32"],
    ["10.0.0.1/8", "1.2.3", "localhost", "unix:"],
    "2001:0db8:0:0::1,fe80::1%eth0,0.0.0.0/0",
    "::/0",
]
CLIENTS = [
    None,
    (),
    ("", 0),
    PEER,
    ["127.0.0.1", 5000],
    ("10.1.2.3", 1),
    ("::1", 2),
    ("::ffff:127.0.0.1", 2),
    ("2001:DB8::1", 3),
    ("fe80::1%eth0", 3),
    ("localhost", 4),
    ("x" * 300, 4),
]
PIECES = [
    *("127.0.0.1", "10.0.0.1", "192.168.1.1", "192.0.2.7", "203.0.113.9", "::1"),
    *("2001:db8::1", "2001:db9::1", "fe80::1%eth0", "localhost", "unix:", "1.2.3"),
    *("10.0.0.1/8", "*", "unknown", "_hidden", "127.1", "0x7f000001", "127.0.0.01"),
    *("[::1]", "[2001:db8::1]", "[", "]", "[]", "[]:80", "[[::1]]", "[::1", "::1]"),
    *("", " ", "\t", '"', "'", ";", "%", "\xa0", "\x85", "\xff"),
    *("for=", "a:b", "a:b:c", ":", "::", ":80", "x" * 260),
]
PORTS = [
    *("", "", "", ":80", ":0", ":-1", ":+5", ":1_000", ":99999"),
    *(":", ":x", ": 8", "::"),
]
SEPARATORS = [",", ", ", " , ", ",,", ";", " "]
PROTOS = [
    *(b"http", b"https", b"ws", b"wss", b" https ", b"\thttps", b"HTTPS"),
    *(b"https,http", b"", b" ", b"ftp", b"https\xa0", b"https\xff"),
    *(b"httphttp", b"wshttp"),
]


def generated_headers(chance: random.Random) -> list[tuple[bytes, bytes]]:
    headers = [(b"host", b"h")]
    for _ in range(chance.choice([0, 0, 1, 1, 1, 2])):
        headers.append((PROTO, chance.choice(PROTOS)))
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3])):
        parts = [
            chance.choice(PIECES) + chance.choice(PORTS)
            for _ in range(chance.randrange(1, 5))
        ]
        value = parts[0]
        for part in parts[1:]:
            value += chance.choice(SEPARATORS) + part
        headers.append((FOR, value.encode("latin-1")))
    chance.shuffle(headers)
    return headers


@pytest.mark.parametrize("trusted", TRUSTS, ids=repr)
def test_as_uvicorns(trusted: Any) -> None:
    chance = random.Random(repr(trusted))
    changed = 0
    for client, kind in itertools.product(CLIENTS, ["http", "websocket"]):
        for _ in range(60):
            scope = scope_of(*generated_headers(chance), client=client, type=kind)
            expected = seen_through(Oracle, trusted, scope)
            assert seen_through(ProxyHeadersMiddleware, trusted, scope) == expected, (
                trusted,
                scope,
            )
            changed += expected != [("http", client)]
    assert changed > 20 or trusted == ""


@pytest.mark.parametrize("piece", PIECES, ids=repr)
def test_each_form_as_uvicorns(piece: str) -> None:
    for port, trusted in itertools.product(PORTS, TRUSTS):
        value = f"192.0.2.7, {piece}{port}".encode("latin-1")
        for headers in ([(FOR, value)], [(FOR, value), (FOR, b"127.0.0.1")]):
            scope = scope_of(*headers)
            expected = seen_through(Oracle, trusted, scope)
            assert seen_through(ProxyHeadersMiddleware, trusted, scope) == expected

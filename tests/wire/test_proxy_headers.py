"""X-Forwarded-For and -Proto on real connections: scope, access log, the warning.

Whom the middleware believes and what it reads is in unit/test_proxy_headers.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.apps import Receive, Recorder, Scope, Send
from harness.client import REQUEST, request
from harness.fixtures import Site
from harness.server import eventually

from fastserve.config import Config
from fastserve.middleware.proxy_headers import ProxyHeadersMiddleware

FORWARDED = [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https")]


def access_lines(site: Site, count: int) -> list[str]:
    eventually(lambda: len(site.records("uvicorn.access")) == count)
    return [record.getMessage() for record in site.records("uvicorn.access")]


def test_scope_and_access_line(site: Site) -> None:
    site.app = app = Recorder()
    site.connect().exchange(request(headers=FORWARDED))
    assert (app.scope["scheme"], app.scope["client"]) == ("https", ("192.0.2.7", 0))
    # Nothing else of the scope is changed, the fields themselves least of all.
    names = [name for name, _ in app.scope["headers"]]
    assert names == [b"host", b"x-forwarded-for", b"x-forwarded-proto"]
    assert app.scope["server"] == site.server.address
    assert access_lines(site, 1) == ['192.0.2.7:0 - "GET / HTTP/1.1" 200']
    assert site.warnings == []


@pytest.mark.parametrize(
    "name", ["X-FORWARDED-FOR", "x-forwarded-for", "X-Forwarded-fOR"]
)
def test_names_in_any_case(site: Site, name: str) -> None:
    site.app = app = Recorder()
    site.connect().exchange(request(headers=[(name, "192.0.2.7:80")]))
    assert app.scope["client"] == ("192.0.2.7", 80)


def test_a_request_keeps_nothing_for_the_next(site: Site) -> None:
    """Proxies put many clients on one connection, pipelined too."""
    site.app = app = Recorder()
    client = site.connect()
    peers = [("192.0.2.7", 0), None, ("192.0.2.8", 0), None, None, ("192.0.2.7", 0)]
    pieces = [
        request(headers=[("X-Forwarded-For", peer[0])] if peer else [])
        for peer in peers
    ]
    client.send(b"".join(pieces))
    for _ in peers:
        client.answer()
    for piece in pieces:
        client.exchange(piece)
    seen = [scope["client"] for scope in app.scopes]
    assert seen == [peer or client.name for peer in peers] * 2
    lines = access_lines(site, 12)
    assert [line.split(" - ")[0] for line in lines] == ["%s:%d" % peer for peer in seen]


def test_in_single_bytes(site: Site) -> None:
    site.app = app = Recorder()
    client = site.connect()
    data = request(headers=FORWARDED)
    client.send(*(data[at : at + 1] for at in range(len(data))))
    client.answer()
    assert (app.scope["scheme"], app.scope["client"]) == ("https", ("192.0.2.7", 0))


def test_lines_of_one_name_are_one_list(site: Site) -> None:
    site.app = app = Recorder()
    fields = [
        ("X-Forwarded-For", "203.0.113.9"),  # the client's own, not to be believed
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-For", "192.0.2.7, 127.0.0.1"),
        ("X-Forwarded-Proto", "https"),
    ]
    site.connect().exchange(request(headers=fields))
    assert (app.scope["scheme"], app.scope["client"]) == ("https", ("192.0.2.7", 0))


@pytest.mark.parametrize(
    "name", ["X_Forwarded_For", "X-Forwarded-For-", "X-Forwarded", "X-Forwarded-Fox"]
)
def test_names_that_are_alike(site: Site, name: str) -> None:
    site.app = app = Recorder()
    client = site.connect()
    client.exchange(request(headers=[(name, "192.0.2.7")]))
    assert app.scope["client"] == client.name


def test_whitespace_and_control_characters(site: Site) -> None:
    """What the head may not hold never comes so far; the rest is kept whole."""
    site.app = app = Recorder()
    for value in (b"192.0.2.7\r\nX-A: b", b"\t 192.0.2.7 \t"):
        client = site.connect()
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: %b\r\n\r\n" % value)
        client.answer()
    assert [scope["client"] for scope in app.scopes] == [("192.0.2.7", 0)] * 2
    for value in (b"192.0.2.7\x00", b"192.0.2.7\x1b[31m", b"192.0.2.7\rX: y"):
        client = site.connect()
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: %b\r\n\r\n" % value)
        client.refused()
    assert len(app.scopes) == 2


def test_trailers_are_no_headers(site: Site) -> None:
    site.app = app = Recorder()
    client = site.connect()
    client.exchange(
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n"
    )
    assert (app.scope["scheme"], app.scope["client"]) == ("http", client.name)


def test_an_untrusted_peer(start_server: Callable[..., Site]) -> None:
    app = Recorder()
    site = start_server(app, forwarded_allow_ips="10.0.0.1,192.168.0.0/16")
    clients = [site.connect() for _ in range(3)]
    for client in clients * 2:
        client.exchange(request(headers=FORWARDED))
    assert [scope["client"] for scope in app.scopes] == [c.name for c in clients] * 2
    assert {scope["scheme"] for scope in app.scopes} == {"http"}
    (warning,) = site.warnings
    assert "X-Forwarded-Proto from 127.0.0.1 is ignored" in warning
    assert "--forwarded-allow-ips '127.0.0.1'" in warning


def test_switched_off(start_server: Callable[..., Site]) -> None:
    app = Recorder()
    site = start_server(app, proxy_headers=False)
    client = site.connect()
    client.exchange(request(headers=FORWARDED))
    assert (app.scope["scheme"], app.scope["client"]) == ("http", client.name)
    assert site.warnings == []


@pytest.mark.parametrize(("allow", "believed"), [("*", True), (None, False)])
def test_a_unix_socket(
    start_server: Callable[..., Site], tmp_path: Path, allow: Any, believed: bool
) -> None:
    app = Recorder()
    uds = str(tmp_path / "socket")
    site = start_server(app, uds=uds, forwarded_allow_ips=allow)
    site.connect().exchange(request(headers=FORWARDED))
    if believed:
        assert (app.scope["scheme"], app.scope["client"]) == ("https", ("192.0.2.7", 0))
        assert access_lines(site, 1) == ['192.0.2.7:0 - "GET / HTTP/1.1" 200']
        assert site.warnings == []
    else:
        assert (app.scope["scheme"], app.scope["client"]) == ("http", None)
        (warning,) = site.warnings
        assert "from a Unix socket" in warning and "'*'" in warning


# -- the way round the middleware, for requests that it has nothing to read of --------


def test_what_stands_in_its_place_sees_every_request(
    start_server: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tools put their own round Config.loaded_app."""
    seen = []
    load = Config.load

    def load_and_wrap(config: Config) -> None:
        load(config)
        inner = config.loaded_app
        assert isinstance(inner, ProxyHeadersMiddleware)

        async def wrapper(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope["type"])
            await inner(scope, receive, send)

        config.loaded_app = wrapper

    monkeypatch.setattr(Config, "load", load_and_wrap)
    site = start_server()
    client = site.connect()
    client.exchange(REQUEST)
    client.exchange(request(headers=FORWARDED))
    assert seen == ["lifespan", "http", "http"]


def test_a_subclass_sees_every_request(
    start_server: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Own(ProxyHeadersMiddleware):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
            seen.append(scope["type"])
            return await super().__call__(scope, receive, send)

    monkeypatch.setattr(
        "fastserve.middleware.proxy_headers.ProxyHeadersMiddleware", Own
    )
    site = start_server(Recorder())
    site.connect().exchange(REQUEST)
    assert seen == ["lifespan", "http"]


def test_the_middleware_is_called_for_its_fields_alone(
    start_server: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    original = ProxyHeadersMiddleware.__call__

    async def counted(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        calls.append(scope["type"])
        return await original(self, scope, receive, send)

    monkeypatch.setattr(ProxyHeadersMiddleware, "__call__", counted)
    site = start_server(Recorder())
    client = site.connect()
    client.exchange(
        request(headers=[("Accept-Encoding", "br"), ("X-Forwarded-Host", "h")])
    )
    assert calls == ["lifespan"]
    client.exchange(request(headers=[("X-Forwarded-Proto", "https")]))
    client.exchange(request(headers=[("X-Forwarded-For", "192.0.2.7")]))
    assert calls == ["lifespan", "http", "http"]


@pytest.mark.parametrize(
    ("said", "scheme"),
    [("https", "wss"), ("wss", "wss"), ("http", "ws"), ("ws", "ws"), ("ftp", "ws")],
)
def test_a_websocket(site: Site, said: str, scheme: str) -> None:
    scopes = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.close"})

    site.app = app
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Proto", said),
    ]
    answer = site.connect().exchange(request(target="/chat", headers=fields))
    assert answer.status == 403
    (scope,) = scopes
    assert scope["type"] == "websocket"
    assert (scope["scheme"], scope["client"]) == (scheme, ("192.0.2.7", 0))
    site.wait_for_message('192.0.2.7:0 - "WebSocket /chat" 403')


def test_a_filter_of_the_access_log_sees_the_forwarded_client(site: Site) -> None:
    seen = []

    def keep(record: logging.LogRecord) -> bool:
        assert isinstance(record.args, tuple)
        seen.append(record.args[0])
        return True

    logger = logging.getLogger("uvicorn.access")
    logger.addFilter(keep)
    try:
        site.connect().exchange(request(headers=FORWARDED))
        eventually(lambda: seen == ["192.0.2.7:0"])
    finally:
        logger.removeFilter(keep)

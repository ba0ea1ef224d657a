"""Shared, through connections: the lines of every answer, scopes, limits, the log.

Its deadlines are in test_deadlines.py.
"""

from __future__ import annotations

import asyncio
import contextvars
import email.utils
import logging
import time
from typing import Any

import pytest
from _fakes import (
    HERE,
    PEER,
    App,
    FakeLoop,
    FakeTransport,
    Held,
    Seen,
    Wire,
    answer,
    body,
    get,
    hello,
    make_shared,
    on_loop,
    start,
    turns,
)

from fastserve.protocols.shared import Shared

# -- the lines that every answer begins with -------------------------------------------


def test_the_date_line_is_of_now() -> None:
    wire = Wire(make_shared(hello, FakeLoop(), date_header=True, server_header=True))
    seen = []
    for wait in (0.0, 1.1):
        time.sleep(wait)
        before = time.time()
        wire.data(get())
        after = time.time()
        date, *others = wire.transport.writes[-1].decode().split("\r\n")[1:]
        assert others == ["server: fastserve", "content-length: 1", "", "/"]
        said = email.utils.parsedate_to_datetime(date.removeprefix("date: "))
        assert date == f"date: {email.utils.format_datetime(said, usegmt=True)}"
        # The clock that is asked is a coarse one, some milliseconds behind.
        assert int(before - 0.1) <= said.timestamp() <= after
        seen.append(said)
    assert seen[0] < seen[1]


def test_configured_headers() -> None:
    headers = [("X-One", "1"), ("x-two", "\xe9"), ("Server", "other")]
    wire = Wire(make_shared(hello, FakeLoop(), headers=headers, server_header=True))
    wire.data(get())
    assert wire.written == (
        b"HTTP/1.1 200 OK\r\nx-one: 1\r\nx-two: \xe9\r\nserver: other\r\n"
        b"content-length: 1\r\n\r\n/"
    )


@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close"])
def test_a_configured_header_closes_connections(value: str) -> None:
    headers = [("Connection", value)]
    wire = Wire(make_shared(hello, FakeLoop(), headers=headers))
    wire.data(get())
    assert wire.written.lower().count(b"connection: ") == 1
    assert b"\r\nconnection: %s\r\n" % value.encode() in wire.written
    assert wire.calls == ["close"]


@pytest.mark.parametrize(
    "header", [(b"a b", b"c"), (b"", b"c"), (b"a", b"b\r\nc: d"), (b"a", b"\0")]
)
def test_a_configured_header_that_cannot_be_sent(header: tuple[bytes, bytes]) -> None:
    shared = make_shared(hello, FakeLoop())
    shared.config.encoded_headers = [header]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="cannot be sent"):
        Shared(
            shared.config,  # type: ignore[attr-defined]
            shared.server_state,  # type: ignore[attr-defined]
            {},
            FakeLoop(),  # type: ignore[arg-type]
            contextvars.copy_context(),
        )


# -- the scope -------------------------------------------------------------------------


def scopes(*reads: bytes, **extra: Any) -> list[dict[str, Any]]:
    app = Seen()
    settings = {k: extra.pop(k) for k in ("root_path", "state") if k in extra}
    wire = Wire(make_shared(app, FakeLoop(), **settings), FakeTransport(**extra))
    wire.data(*reads)
    return app.scopes


def test_the_whole_scope() -> None:
    (scope,) = scopes(get(b"/a%20b?c=%20d", b"X-One: 1"), state={"key": "value"})
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": HERE,
        "client": PEER,
        "scheme": "http",
        "root_path": "",
        "headers": [(b"host", b"a"), (b"x-one", b"1")],
        "state": {"key": "value"},
        "method": "GET",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=%20d",
        "extensions": {"http.response.early_hint": {}},
    }
    assert type(scope) is dict


@pytest.mark.parametrize(
    ("extra", "key", "value"),
    [
        ({"sslcontext": object()}, "scheme", "https"),
        ({"peername": ("::1", 5, 0, 0)}, "client", ("::1", 5)),
        ({"sockname": ("::1", 5, 0, 0)}, "server", ("::1", 5)),
        ({"sockname": "/run/x.sock", "peername": ""}, "server", ("/run/x.sock", None)),
        ({"sockname": "/run/x.sock", "peername": ""}, "client", None),
        ({"peername": None}, "client", None),
        ({"sockname": None}, "server", None),
    ],
)
def test_what_the_transport_says(extra: dict[str, Any], key: str, value: Any) -> None:
    (scope,) = scopes(get(), **extra)
    assert scope[key] == value


def test_the_root_path_is_put_before_the_path() -> None:
    data = get(b"/a%20b") + get(b"/c") + get(b"/c") + get(b"/a%20b")
    seen = [
        (scope["root_path"], scope["path"], scope["raw_path"])
        for scope in scopes(data, root_path="/api")
    ]
    assert seen == [
        ("/api", "/api/a b", b"/api/a%20b"),
        ("/api", "/api/c", b"/api/c"),
        ("/api", "/api/c", b"/api/c"),
        ("/api", "/api/a b", b"/api/a%20b"),
    ]


def test_what_varies_from_request_to_request() -> None:
    """A connection keeps a template: what one request has, the next may not."""
    lines = [b"GET /1?q", b"PUT /1", b"GET /2?r", b"any /2", b"OPTIONS *", b"HEAD /"]
    data = b"".join(b"%s HTTP/1.1\r\nHost: h\r\n\r\n" % line for line in lines)
    seen = scopes(data + get(b"/3", version=b"1.0"))
    keys = ("method", "path", "raw_path", "query_string", "http_version")
    assert [tuple(scope[key] for key in keys) for scope in seen] == [
        ("GET", "/1", b"/1", b"q", "1.1"),
        ("PUT", "/1", b"/1", b"", "1.1"),
        ("GET", "/2", b"/2", b"r", "1.1"),
        ("any", "/2", b"/2", b"", "1.1"),
        ("OPTIONS", "*", b"*", b"", "1.1"),
        ("HEAD", "/", b"/", b"", "1.1"),
        ("GET", "/3", b"/3", b"", "1.0"),
    ]


def test_what_one_request_changes_no_other_sees() -> None:
    value: list[int] = []
    state = {"shared": value}
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        text = repr({key: scope[key] for key in scope if key != "client"})
        seen.append((text, scope["state"]["shared"]))
        await hello(scope, receive, send)
        for key in ("asgi", "state", "extensions"):
            scope[key]["mine"] = 1
        scope["headers"].append((b"mine", b"1"))
        scope.update(mine=1, path="/mine", raw_path=b"/mine", method="MINE")
        scope.update(query_string=b"mine", root_path="/mine", scheme="mine", server=())

    shared = make_shared(app, FakeLoop(), state=state)
    wires = [Wire(shared, FakeTransport(peername=("::1", n))) for n in range(2)]
    for wire in wires * 2:
        wire.data(get(b"/x?y") * 2)
    assert len(seen) == 8 and len({text for text, _ in seen}) == 1
    # The state is a shallow copy: its values are the lifespan's.
    assert all(shared_value is value for _, shared_value in seen)
    assert state == {"shared": value}


def test_each_connection_says_its_own_peer() -> None:
    app = Seen()
    shared = make_shared(app, FakeLoop())
    wires = [Wire(shared, FakeTransport(peername=("192.0.2.9", n))) for n in (1, 2)]
    for wire in wires * 2:
        wire.data(get())
    ports = [scope["client"][1] for scope in app.scopes]
    assert ports == [1, 2, 1, 2]


# -- limits ----------------------------------------------------------------------------


@on_loop
async def test_the_limit_counts_connections() -> None:
    shared = make_shared(hello, limit_concurrency=3)
    wires = [Wire(shared) for _ in range(2)]
    wires[0].data(get())
    assert wires[0].written == answer(b"/")
    wires.append(Wire(shared))
    wires[0].data(get())
    assert wires[0].written.count(b"HTTP/1.1 503 Service Unavailable\r\n") == 1
    assert wires[0].written.endswith(b"connection: close\r\n\r\nService Unavailable")
    assert wires[0].calls == ["close"]
    wires[0].lost()
    wires[1].data(get())
    assert wires[1].written == answer(b"/")


@on_loop
async def test_the_limit_counts_tasks(caplog: pytest.LogCaptureFixture) -> None:
    """Those of requests whose connection has gone are among them."""
    app = Held()
    shared = make_shared(app, limit_concurrency=2)
    for _ in range(2):
        wire = Wire(shared)
        wire.data(get())
        wire.lost()
    assert len(shared.server_state.tasks) == 2  # type: ignore[attr-defined]
    wire = Wire(shared)
    wire.data(get())
    assert wire.written.startswith(b"HTTP/1.1 503 ")
    assert caplog.messages == ["Exceeded concurrency limit."]
    await app.let_go("/")
    wire = Wire(shared)
    assert shared.server_state.tasks == set()  # type: ignore[attr-defined]


# -- lines in the log ------------------------------------------------------------------


def test_the_access_record_is_uvicorns(caplog: pytest.LogCaptureFixture) -> None:
    """Filters and formatters of others read its five arguments."""
    caplog.set_level(logging.INFO, "uvicorn.access")
    wire = Wire(make_shared(hello, FakeLoop()))
    wire.data(get(b"/a%20b?c=d%20e") + get(b"/%1b", version=b"1.0"))
    first, second = caplog.records
    assert first.name == "uvicorn.access"
    assert first.msg == '%s - "%s %s HTTP/%s" %d'
    assert first.args == ("192.0.2.1:50000", "GET", "/a%20b?c=d%20e", "1.1", 200)
    assert second.args == ("192.0.2.1:50000", "GET", "/%1B", "1.0", 200)


def test_a_record_for_each_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "uvicorn.access")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/fails":
            raise ValueError
        await send(start(404))
        await send(body())

    def seen(app: App, data: bytes) -> list[Any]:
        caplog.clear()
        Wire(make_shared(app, FakeLoop())).data(data)
        records = [r for r in caplog.records if r.name == "uvicorn.access"]
        return [r.args[4] for r in records if isinstance(r.args, tuple)]

    assert seen(app, get() + get(b"/fails")) == [404, 500]
    assert seen(app, b"BAD\r\n\r\n") == []


def test_no_record_without_a_handler(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--no-access-log takes the handlers away, and propagation with them."""
    logger = logging.getLogger("uvicorn.access")
    caplog.set_level(logging.INFO, "uvicorn.access")
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [])
    logged = []
    monkeypatch.setattr(logger, "info", lambda *args: logged.append(args))
    Wire(make_shared(hello, FakeLoop())).data(get())
    assert logged == []


def test_what_is_wrong_with_a_request_is_said_a_few_times_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shared = make_shared(hello, FakeLoop())
    for _ in range(100):
        Wire(shared).data(b"GET /a b HTTP/1.1\r\n\r\n")
    # uvicorn's line is there each time.
    assert caplog.messages.count("Invalid HTTP request received.") == 100
    explained = [text for text in caplog.messages if text.startswith("Refused")]
    assert 5 <= len(explained) <= 10  # 5, and the second may have changed
    assert explained[0] == (
        "Refused with 400, from 192.0.2.1:50000: the protocol is not HTTP, at byte 7 "
        r"of b'GET /a b HTTP/1.1\r\n\r\n'."
    )


@on_loop
async def test_a_task_factory_that_is_set_later_is_used() -> None:
    """By connections made after that at once."""
    made = []

    def factory(loop: Any, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **kwargs)

    shared = make_shared(hello)
    asyncio.get_running_loop().set_task_factory(factory)  # type: ignore[arg-type]
    Wire(shared).data(get())
    await turns()
    assert len(made) == 1

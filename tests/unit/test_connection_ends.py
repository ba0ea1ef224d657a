"""Connection on a transport that only records: the peer's end, refusals and faults.

Whatever happens on one connection, nothing is raised to the loop, and no other
connection feels it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from _fakes import (
    App,
    FakeTransport,
    Held,
    ResetTransport,
    Wire,
    answer,
    body,
    get,
    hello,
    make_shared,
    on_loop,
    post,
    start,
    turns,
)

CLOSE = b"connection: close"


# -- the peer's end --------------------------------------------------------------------


@on_loop
async def test_eof_on_an_idle_connection() -> None:
    wire = Wire(make_shared(hello))
    assert not wire.connection.eof_received()  # asyncio closes the transport
    wire = Wire(make_shared(hello))
    wire.data(get())
    assert not wire.connection.eof_received()


@on_loop
async def test_eof_inside_a_head() -> None:
    wire = Wire(make_shared(hello))
    wire.data(get()[:-2])
    assert not wire.connection.eof_received()
    assert wire.written == b""


@on_loop
async def test_eof_behind_a_request_leaves_its_answer() -> None:
    gate = asyncio.Event()
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.append(await receive())
        got.append(await receive())
        await gate.wait()
        await hello(scope, receive, send)

    wire = Wire(make_shared(app))
    wire.data(get())
    await turns()
    assert len(got) == 1
    assert wire.connection.eof_received() is True
    await turns()
    assert got[1] == {"type": "http.disconnect"}
    assert wire.calls == []
    gate.set()
    await turns()
    assert wire.written.endswith(b"\r\n\r\n/")
    assert wire.calls == ["close"]


@on_loop
async def test_an_app_that_sees_the_eof_need_not_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    wire = Wire(make_shared(app))
    wire.data(get())
    wire.connection.eof_received()
    await turns()
    assert wire.written == b"" and wire.calls == ["close"]
    assert caplog.records == []


@on_loop
async def test_eof_behind_a_pipeline_leaves_all_its_answers() -> None:
    app = Held()
    wire = Wire(make_shared(app))
    paths = [b"/%d" % number for number in range(3)]
    wire.data(b"".join(map(get, paths)))
    assert wire.connection.eof_received() is True
    for path in paths:
        await app.let_go(path.decode())
    texts = wire.written.split(b"\r\n\r\n")[1:]
    assert [text[:2] for text in texts] == paths
    assert wire.calls == ["close"]


@on_loop
async def test_eof_behind_a_burst_leaves_all_its_answers() -> None:
    wire = Wire(make_shared(hello))
    wire.data(get() * 40)
    assert wire.connection.eof_received() is True
    await turns()
    assert wire.written.count(b"HTTP/1.1 200 OK") == 40
    assert wire.calls == ["close"]


@on_loop
async def test_eof_inside_a_body_cuts() -> None:
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        for _ in range(3):
            got.append(await receive())

    wire = Wire(make_shared(app))
    wire.data(post(b"part", length=100))
    assert not wire.connection.eof_received()
    await turns()
    # What came is delivered; the request is never made to look whole.
    assert got == [
        {"type": "http.request", "body": b"part", "more_body": True},
        {"type": "http.disconnect"},
        {"type": "http.disconnect"},
    ]
    assert wire.written == b""


@on_loop
async def test_eof_inside_the_body_of_a_request_that_waits() -> None:
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "GET":
            await gate.wait()
            return await hello(scope, receive, send)
        for _ in range(2):
            got.append(await receive())

    gate = asyncio.Event()
    wire = Wire(make_shared(app))
    wire.data(get() + post(b"part", length=100))
    assert wire.connection.eof_received() is True
    gate.set()
    await turns()
    assert [message["type"] for message in got] == ["http.request", "http.disconnect"]
    assert got[0]["more_body"]
    assert wire.written == answer(b"/")
    assert wire.calls == ["close"]


@on_loop
async def test_a_lost_connection(caplog: pytest.LogCaptureFixture) -> None:
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        got.append(await receive())
        await hello(scope, receive, send)  # nobody is there: silent
        got.append("end")

    shared = make_shared(app)
    wire = Wire(shared)
    wire.data(get())
    assert wire.connection in shared.server_state.connections
    wire.lost(ConnectionResetError())
    assert shared.server_state.connections == set()
    assert wire.connection.transport is None
    await turns()
    assert got == [{"type": "http.disconnect"}, "end"]
    assert wire.written == b"" and wire.calls == []
    assert shared.total_requests == 0
    assert caplog.records == []


@on_loop
@pytest.mark.parametrize(
    ("fault", "level"),
    [
        (OSError("the database has gone"), logging.ERROR),
        (ValueError("wrong"), logging.ERROR),
        (asyncio.CancelledError(), logging.DEBUG),
    ],
)
async def test_what_an_app_raises_when_its_client_has_left(
    fault: BaseException, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "uvicorn.error")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()
        raise fault

    wire = Wire(make_shared(app))
    wire.data(get())
    wire.lost()
    await turns()
    assert [record.levelno for record in caplog.records] == [level]


@on_loop
async def test_a_lost_connection_wakes_a_send_that_waits() -> None:
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        for _ in range(10):
            await send(body(b"x" * 70_000, True))
        ended.set()

    wire = Wire(make_shared(app), FakeTransport(limit=50))
    wire.data(get())
    await turns()
    assert not ended.is_set()
    wire.lost()
    await ended.wait()
    assert wire.written.count(b"x" * 70_000) == 1


@on_loop
async def test_pipelined_requests_of_a_lost_peer_are_not_started() -> None:
    app = Held()
    wire = Wire(make_shared(app))
    wire.data(get(b"/1") + get(b"/2"))
    wire.lost()
    await app.let_go("/1")
    assert app.log == ["start /1", "end /1"]
    # Between two bursts, too.
    wire = Wire(make_shared(hello))
    wire.data(get() * 40)
    wire.lost()
    await turns()
    assert wire.written == answer(b"/") * 32


# -- faults ----------------------------------------------------------------------------


@on_loop
async def test_a_refused_request() -> None:
    wire = Wire(make_shared(hello))
    wire.data(get(b"/1") + b"BAD\r\n" + get(b"/2"))
    first, refusal = answer(b"/1"), wire.written[len(answer(b"/1")) :]
    assert wire.written.startswith(first)
    assert refusal.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert refusal.endswith(CLOSE + b"\r\n\r\nInvalid HTTP request received.")
    assert wire.calls == ["write_eof"]
    assert len(wire.transport.writes) == 1
    wire.data(get(b"/3"), b"\0" * 1000)
    assert len(wire.transport.writes) == 1
    assert not wire.connection.eof_received()


@on_loop
async def test_a_refusal_that_meets_a_reset(caplog: pytest.LogCaptureFixture) -> None:
    """FIN cannot be sent any more, which is no fault of the server."""
    wire = Wire(make_shared(hello), ResetTransport())
    wire.data(b"BAD\r\n")
    assert wire.written.startswith(b"HTTP/1.1 400 ")
    assert wire.calls == ["close"]
    wire.lost()
    assert {record.levelname for record in caplog.records} == {"WARNING"}


@on_loop
async def test_a_refusal_behind_the_answer_says_nothing() -> None:
    """The body of a request that is answered already goes wrong."""
    line = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire = Wire(make_shared(hello))
    wire.data(line)
    assert wire.written == answer(b"/")
    wire.data(b"1\r\nx\r\n", b"xyz\r\n" * 10, get())
    assert wire.written == answer(b"/")
    assert wire.calls == ["write_eof"]


@on_loop
async def test_a_refusal_inside_a_body() -> None:
    """400 if the answer has not begun, else it is cut."""
    gate = asyncio.Event()
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/begins":
            await send(start())
            await send(body(b"part", True))
        await gate.wait()
        got.append([(await receive())["type"] for _ in range(2)])

    for path, written in ((b"/", b"HTTP/1.1 400 "), (b"/begins", b"HTTP/1.1 200 ")):
        wire = Wire(make_shared(app))
        head = b"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        wire.data(head % path + b"1\r\nx\r\n", b"xyz\r\n")
        assert wire.written.startswith(written)
        assert wire.written.count(b"HTTP/1.1") == 1
        assert b"0\r\n\r\n" not in wire.written
        assert wire.calls == ["write_eof"]
    gate.set()
    await turns()
    assert got == [["http.request", "http.disconnect"]] * 2


@on_loop
async def test_an_error_answer_never_goes_into_a_running_one() -> None:
    app = Held()
    wire = Wire(make_shared(app))
    wire.data(get(b"/1") + b"BAD\r\n\r\n")
    assert wire.written == b""
    await app.let_go("/1")
    assert wire.written.startswith(answer(b"/1") + b"HTTP/1.1 400 ")


@on_loop
async def test_a_connection_that_was_closed_takes_nothing() -> None:
    wire = Wire(make_shared(hello))
    wire.connection.shutdown()
    wire.data(get(), b"BAD\r\n\r\n")
    assert not wire.connection.eof_received()
    await turns()
    assert wire.written == b""
    assert wire.calls == ["close"]


async def fails(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError


async def fails_later(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)
    raise ValueError


@on_loop
@pytest.mark.parametrize("app", [fails, fails_later])
async def test_an_app_that_fails(app: App) -> None:
    wire = Wire(make_shared(app))
    wire.data(get())
    await turns()
    assert wire.written.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert wire.calls == ["close"]


@on_loop
async def test_an_app_that_fails_inside_its_answer_is_cut() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"part", True))
        raise ValueError

    wire = Wire(make_shared(app))
    wire.data(get() + get())
    await turns()
    assert wire.written.endswith(b"4\r\npart\r\n")
    assert wire.written.count(b"HTTP/1.1") == 1
    assert wire.calls in (["close"], ["write_eof"])


BAD_STARTS = [
    start(200, (b"x", b"a\r\nb: c")),
    start(200, (b"a b", b"c")),
    start(1000),
    {"type": "http.response.start"},
    {"type": "http.response.start", "status": "200"},
    {"type": "http.response.start", "status": 200, "headers": [("x", "y")]},
]


@on_loop
@pytest.mark.parametrize("message", BAD_STARTS)
async def test_a_start_that_is_refused(message: dict[str, Any]) -> None:
    """It counts as started: the app is told, and nothing of it goes out."""
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for other in (message, start(500), body(b"text"), body()):
            try:
                await send(other)
            except RuntimeError as error:
                told.append(str(error))

    wire = Wire(make_shared(app))
    wire.data(get() + get())
    await turns()
    assert len(told) == 4 and all(told)
    assert wire.written == b""
    assert wire.transport.is_closing() or wire.calls == ["write_eof"]


@on_loop
@pytest.mark.parametrize("suspends", [False, True])
async def test_an_app_that_fails_behind_its_answer(suspends: bool) -> None:
    """The connection closes; the answer of a later request is not touched."""
    held = Held()
    gate = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/fails":
            return await held(scope, receive, send)
        await hello(scope, receive, send)
        if suspends:
            await gate.wait()
        raise ValueError

    wire = Wire(make_shared(app))
    wire.data(get(b"/fails"))
    gate.set()
    await turns()
    assert wire.written == answer(b"/fails")
    assert wire.calls == ["close"]
    if suspends:
        gate.clear()
        wire = Wire(make_shared(app))
        wire.data(get(b"/fails"), get(b"/later"))
        gate.set()
        await turns()
        assert wire.calls == []
        await held.let_go("/later")
        assert wire.written == answer(b"/fails") + answer(b"/later", CLOSE)
        assert wire.calls == ["close"]


@on_loop
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_an_app_cannot_end_the_server(kind: type[BaseException]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise kind

    wire = Wire(make_shared(app))
    wire.data(get())
    await turns()
    assert wire.written.startswith(b"HTTP/1.1 500 ")


class BrokenTransport(FakeTransport):
    """Raises when it is asked for one thing."""

    def __init__(self, broken: str, **extra: Any) -> None:
        super().__init__(**extra)
        self.broken = broken

    def write(self, data: bytes) -> None:
        self.fail_if("write")
        super().write(data)

    def pause_reading(self) -> None:
        self.fail_if("pause_reading")
        super().pause_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        self.fail_if(name)
        return super().get_extra_info(name, default)

    def fail_if(self, name: str) -> None:
        if name == self.broken:
            raise ZeroDivisionError(name)


@on_loop
@pytest.mark.parametrize(
    ("broken", "data"),
    [
        ("write", get()),
        ("pause_reading", post(b"x" * 70_000, length=80_000)),
        ("sslcontext", get()),
        ("write", b"BAD\r\n\r\n"),
    ],
)
async def test_a_fault_ends_one_connection_and_nothing_else(
    broken: str, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    app = Held() if broken == "pause_reading" else hello
    shared = make_shared(app)
    other = Wire(shared)
    wire = Wire(shared, BrokenTransport(broken))
    wire.data(data)
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.getMessage() == "A connection failed."
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError
    assert wire.calls == ["abort"]
    wire.data(get())
    wire.lost()
    assert shared.server_state.connections == {other.connection}
    if app is hello:
        other.data(get())
        assert other.written == answer(b"/")


@on_loop
async def test_a_task_that_cannot_be_made(caplog: pytest.LogCaptureFixture) -> None:
    def factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
        coro.close()
        raise ZeroDivisionError

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    wire = Wire(make_shared(hello))
    wire.data(get())
    loop.set_task_factory(None)
    assert wire.calls == ["abort"]
    assert "A connection failed." in caplog.messages


@on_loop
async def test_a_fault_in_a_callback_of_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wire = Wire(make_shared(hello), transport := BrokenTransport(""))
    wire.data(get() * 40)
    transport.broken = "write"
    await turns()
    assert wire.calls == ["abort"]
    assert caplog.messages == ["A connection failed."]


@on_loop
async def test_a_fault_wakes_the_request_that_runs() -> None:
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        got.append(await receive())

    wire = Wire(make_shared(app), BrokenTransport("pause_reading"))
    wire.data(get(), get(b"/2"), get(b"/3"))
    await turns()
    assert got == [{"type": "http.disconnect"}]
    assert wire.calls == ["abort"]


@on_loop
async def test_input_that_waited_is_read_again_behind_a_refusal() -> None:
    """It was paused while an answer ran; now it is to be dropped, not left to a RST."""
    app = Held()
    wire = Wire(make_shared(app))
    wire.data(get(b"/a"), b"\0" * 40_000, b"\0" * 40_000)
    assert not wire.transport.reading
    await app.let_go("/a")
    assert wire.written.startswith(answer(b"/a") + b"HTTP/1.1 400 ")
    assert "write_eof" in wire.calls and not wire.transport.is_closing()
    assert wire.transport.reading

"""Connection on a transport that only records: when reading and writing pause.

Memory is bounded by it: an application that does not read its body, a peer that does
not read its answers, a peer that pipelines without end.
"""

from __future__ import annotations

import asyncio
from typing import Any

from _fakes import (
    FakeTransport,
    Held,
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


@on_loop
async def test_reading_pauses_while_the_app_does_not_read() -> None:
    gate = asyncio.Event()
    got: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()
        more = True
        while more:
            message = await receive()
            assert wire.transport.reading
            got.append(message["body"])
            more = message["more_body"]
        await hello(scope, receive, send)

    wire = Wire(make_shared(app))
    wire.data(post(b"", length=200_000), b"x" * 60_000)
    assert wire.calls == []
    wire.data(b"x" * 10_000)
    assert wire.calls == ["pause_reading"]
    # What the transport had read already is not lost.
    wire.data(b"x" * 30_000)
    gate.set()
    await turns()
    assert list(map(len, got)) == [100_000]
    assert wire.calls == ["pause_reading", "resume_reading"]
    wire.data(b"x" * 100_000)
    await turns()
    assert sum(map(len, got)) == 200_000
    assert wire.transport.reading
    assert wire.written == answer(b"/")


@on_loop
async def test_a_body_that_nobody_reads_is_dropped_after_the_answer() -> None:
    app = Held()
    wire = Wire(make_shared(app))
    wire.data(post(b"x" * 70_000, length=1_000_000))
    assert not wire.transport.reading
    await app.let_go("/")
    assert wire.transport.reading
    assert wire.written == answer(b"/")
    for _ in range(93):
        wire.data(b"x" * 10_000)
    assert wire.transport.reading
    wire.data(get(b"/next"))
    await app.let_go("/next")
    assert wire.written == answer(b"/") + answer(b"/next")


@on_loop
async def test_pipelining_without_end_is_paused() -> None:
    app = Held()
    wire = Wire(make_shared(app))
    wire.data(get(b"/1"))
    assert wire.transport.reading
    wire.data(get(b"/2"))
    assert wire.transport.reading
    wire.data(get(b"/3"))
    assert not wire.transport.reading
    for path in ("/1", "/2", "/3"):
        await app.let_go(path)
    assert wire.written == answer(b"/1") + answer(b"/2") + answer(b"/3")
    assert wire.transport.reading


@on_loop
async def test_one_large_read_of_a_pipeline_is_paused_at_once() -> None:
    app = Held()
    wire = Wire(make_shared(app))
    wire.data(get(b"/1") + post(b"x" * 70_000))
    assert not wire.transport.reading
    await app.let_go("/1")
    await app.let_go("/")
    assert wire.transport.reading
    assert wire.written == answer(b"/1") + answer(b"/")


@on_loop
async def test_reading_goes_on_while_the_last_of_a_pipeline_runs() -> None:
    """Or a peer that leaves would not be seen."""
    app = Held()
    wire = Wire(make_shared(app))
    wire.data(get(b"/1"), get(b"/2"), get(b"/3"))
    assert not wire.transport.reading
    await app.let_go("/1")
    await app.let_go("/2")
    assert app.log[-1] == "start /3"
    assert wire.transport.reading


@on_loop
async def test_send_waits_while_the_peer_does_not_read() -> None:
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        for number in range(4):
            await send(body(b"x" * 100_000, True))
            sent.append(number)
        await send(body())

    transport = FakeTransport(limit=65536)
    wire = Wire(make_shared(app), transport)
    wire.data(get())
    for number in range(1, 5):
        await turns()
        # What was sent when the peer stopped is taken; the next one waits.
        assert sent == list(range(number))
        assert wire.written.count(b"x" * 100_000) == number
        transport.drain()
    await turns()
    assert wire.written.endswith(b"0\r\n\r\n")


@on_loop
async def test_sends_of_several_tasks_wait() -> None:
    """In their order, when the peer goes on; one that is cancelled sends nothing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"x" * 100_000, True))
        parts = (b"one", b"two", b"six")
        tasks = [asyncio.create_task(send(body(part, True))) for part in parts]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait(tasks)
        await send(body())

    transport = FakeTransport(limit=65536)
    wire = Wire(make_shared(app), transport)
    wire.data(get())
    await turns()
    assert wire.written.endswith(b"x\r\n")
    transport.drain()
    await turns()
    assert wire.written.endswith(b"x\r\n3\r\none\r\n3\r\nsix\r\n0\r\n\r\n")


@on_loop
async def test_no_pipelined_request_starts_while_the_peer_does_not_read() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await send(start(200, (b"content-length", b"70000")))
        await send(body(b"x" * 70_000))

    transport = FakeTransport(limit=65536)
    wire = Wire(make_shared(app), transport)
    wire.data(get(b"/1") + get(b"/2") + get(b"/3"))
    await turns()
    assert seen == ["/1"]
    wire.data(get(b"/4"))
    assert not transport.reading
    for number in (2, 3, 4):
        transport.drain()
        assert len(seen) == number - 1  # in a callback of its own
        await turns()
        assert seen[-1] == f"/{number}"
    assert transport.reading


# -- 100 Continue ---------------------------------------------------------------------

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECT = b"Expect: 100-continue"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    data, more = b"", True
    while more:
        message = await receive()
        data += message["body"]
        more = message["more_body"]
    await send(start(200, (b"content-length", b"%d" % len(data))))
    await send(body(data))


@on_loop
async def test_continue_is_sent_at_the_first_receive() -> None:
    wire = Wire(make_shared(echo))
    wire.data(post(b"", EXPECT, length=2))
    assert wire.written == CONTINUE
    for data in (b"a", b"b"):
        wire.data(data)
        await turns()
    assert wire.written == CONTINUE + answer(b"ab")
    # The body may be there already; and it is for one request.
    wire.data(post(b"cd", EXPECT) + post(b"ef"))
    await turns()
    assert wire.written[len(CONTINUE + answer(b"ab")) :] == (
        CONTINUE + answer(b"cd") + answer(b"ef")
    )


@on_loop
async def test_no_continue_for_an_app_that_does_not_ask() -> None:
    wire = Wire(make_shared(hello))
    wire.data(post(b"ab", EXPECT))
    assert wire.written == answer(b"/")

    async def asks_too_late(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        await receive()

    wire = Wire(make_shared(asks_too_late))
    wire.data(post(b"ab", EXPECT))
    assert wire.written == answer(b"/")


@on_loop
async def test_an_answer_instead_of_continue_closes() -> None:
    """RFC 9110 10.1.1: whether the body will come, or another request, is not known."""
    wire = Wire(make_shared(hello))
    wire.data(post(b"", EXPECT, length=10))
    assert wire.written == answer(b"/", b"connection: close")
    assert wire.calls == ["write_eof"]
    wire.data(get(b"/2"))
    assert wire.written == answer(b"/", b"connection: close")


@on_loop
async def test_no_continue_on_http10() -> None:
    wire = Wire(make_shared(echo))
    wire.data(post(b"ab", EXPECT).replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert wire.written == answer(b"ab", b"connection: close")

"""What receive() and send() return: coroutines elsewhere, so whatever takes a coroutine
must take it; and what is lost when one is cancelled: nothing."""

from __future__ import annotations

import asyncio
import collections.abc
import inspect
import warnings

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from harness.apps import body, read_body, respond, start
from harness.client import REQUEST, request
from harness.fixtures import Site
from harness.inside import run_inside
from harness.server import eventually
from harness.websocket import ACCEPT, CLOSE_IT, Peer, say

LATER = pytest.mark.parametrize(
    "later", [False, True], ids=["first step", "later step"]
)


def post(data: bytes = b"hello") -> bytes:
    return request("POST", body=data)


@LATER
@pytest.mark.parametrize(
    "wrap",
    [
        lambda awaitable: awaitable,
        asyncio.create_task,
        asyncio.ensure_future,
        asyncio.gather,
        asyncio.shield,
        lambda awaitable: asyncio.shield(asyncio.create_task(awaitable)),
        lambda awaitable: asyncio.wait_for(awaitable, 5),
        lambda awaitable: asyncio.wait_for(awaitable, None),
        lambda awaitable: asyncio.wait_for(asyncio.create_task(awaitable), 5),
        lambda awaitable: asyncio.get_running_loop().create_task(awaitable, name="x"),
        lambda awaitable: (
            anext(asyncio.as_completed([awaitable]).__aiter__())
            if hasattr(asyncio.as_completed([]), "__aiter__")
            else next(iter(asyncio.as_completed([awaitable])))
        ),
    ],
    ids=[
        "await",
        "create_task",
        "ensure_future",
        "gather",
        "shield",
        "shielded task",
        "wait_for",
        "wait_for None",
        "wait_for task",
        "named task",
        "as_completed",
    ],
)
def test_wrapped(site: Site, wrap, later: bool) -> None:
    """receive() and send(), each wrapped in the same way, on a whole exchange."""

    async def app(scope, receive, send):
        if later:
            await asyncio.sleep(0)
        message = await wrap(receive())
        while isinstance(message, (list, asyncio.Future)):  # gather, as_completed
            message = message[0] if isinstance(message, list) else await message
        data = message["body"]
        for out in (
            start(200, [(b"content-length", b"10")]),
            body(data, True),
            body(data),
        ):
            await wrap(send(out))

    site.app = app
    client = site.connect()
    for _ in range(2):
        assert client.exchange(post()).body == b"hellohello"


@LATER
def test_they_are_coroutines_in_kind(site: Site, later: bool) -> None:
    async def app(scope, receive, send):
        if later:
            await asyncio.sleep(0)
        for call in (
            receive(),
            send(start(200, [(b"content-length", b"2")])),
            send(body(b"ok")),
        ):
            assert inspect.isawaitable(call)
            assert asyncio.iscoroutine(call)
            assert isinstance(call, collections.abc.Coroutine)
            await call

    site.app = app
    assert site.connect().exchange(REQUEST).body == b"ok"


def test_three_tasks_send_in_order(site: Site) -> None:
    async def app(scope, receive, send):
        messages = [start(), body(b"a", True), body(b"b", True), body(b"c")]
        tasks = [asyncio.create_task(send(message)) for message in messages]
        await asyncio.wait(tasks)
        assert [task.exception() for task in tasks] == [None] * 4

    site.app = app
    client = site.connect()
    assert client.exchange(REQUEST).body == b"abc"
    assert client.exchange(REQUEST).body == b"abc"


def test_errors_come_through_the_wrapping(site: Site) -> None:
    async def scenario(receive, send):
        for wrap in (asyncio.create_task, lambda a: asyncio.wait_for(a, 5)):
            with pytest.raises(RuntimeError, match="Expected ASGI message"):
                await wrap(send(body(b"early")))
        (result,) = await asyncio.gather(send(body(b"early")), return_exceptions=True)
        assert isinstance(result, RuntimeError)

    run_inside(site, scenario)


@LATER
def test_a_cancelled_receive_loses_nothing(site: Site, later: bool) -> None:
    steps = []

    async def app(scope, receive, send):
        if later:
            await asyncio.sleep(0)
        task = asyncio.create_task(receive())
        await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(receive(), 0.001)
        steps.append("waiting")
        await respond(send, await read_body(receive))

    site.app = app
    client = site.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
    eventually(lambda: steps)
    client.send(b"hello")
    assert client.answer().body == b"hello"


def test_a_receive_cancelled_when_the_message_is_there_loses_nothing(
    site: Site,
) -> None:
    """The bytes arrive, and before the waiting task runs it is cancelled."""
    ready, proceed = [], []

    async def app(scope, receive, send):
        task = asyncio.create_task(receive())
        await asyncio.sleep(0)
        proceed.append(asyncio.get_running_loop().create_future())
        ready.append(task)
        await proceed[0]
        parts = []
        try:
            parts.append((await task)["body"])
        except asyncio.CancelledError:
            pass
        if b"".join(parts) != b"hello":
            parts.append(await read_body(receive))
        await respond(send, b"".join(parts))

    site.app = app
    client = site.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
    eventually(lambda: ready)

    async def wake_and_cancel() -> None:
        waiter = ready[0]._fut_waiter
        while waiter is not None and not waiter.done():
            await asyncio.sleep(0)
        ready[0].cancel()
        proceed[0].set_result(None)

    client.send(b"hello")
    site.server.run(wake_and_cancel())
    assert client.answer().body == b"hello"


def test_a_receive_never_awaited_takes_nothing(site: Site) -> None:
    async def app(scope, receive, send):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            receive()
            receive().close()
        await respond(send, await read_body(receive))

    site.app = app
    assert site.connect().exchange(post()).body == b"hello"


def test_a_task_cancelled_before_its_first_step_takes_nothing(site: Site) -> None:
    async def app(scope, receive, send):
        task = asyncio.create_task(receive())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await respond(send, await read_body(receive))

    site.app = app
    assert site.connect().exchange(post()).body == b"hello"


def test_a_send_cancelled_before_its_first_step(site: Site) -> None:
    """Whether it counts is the server's; the answer is whole or cut, never wrong."""
    outcomes = []

    async def app(scope, receive, send):
        await send(start(200, [(b"content-length", b"2")]))
        task = asyncio.create_task(send(body(b"ok")))
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            outcomes.append("cancelled")

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    client.finish()
    data = client.read_to_eof()
    site.allow_errors()
    eventually(lambda: outcomes == ["cancelled"])  # its answer may be out before
    assert not data.endswith(b"ok") or data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert data.count(b"HTTP/1.1") <= 1


def test_two_receives_at_once_share_the_messages(site: Site) -> None:
    got = []

    async def app(scope, receive, send):
        tasks = [asyncio.create_task(receive()) for _ in range(2)]
        await asyncio.sleep(0)
        got.append(None)
        done, _ = await asyncio.wait(tasks, timeout=30)
        messages = [task.result() for task in done]
        parts = [m["body"] for m in messages if m["type"] == "http.request"]
        if all(m.get("more_body", True) for m in messages):
            parts.append(await read_body(receive))
        await respond(send, b"%d" % sum(map(len, parts)))

    site.app = app
    client = site.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n")
    eventually(lambda: got)
    client.send(b"abcd")
    client.assert_silent()
    client.send(b"efgh")
    assert client.answer().body == b"8"


def test_wait_for_a_send_that_waits_for_the_client(site: Site) -> None:
    """wait_for() times out while the client does not read; what went out before is
    whole, and the exchange can go on or end."""
    timed_out = []

    async def app(scope, receive, send):
        await send(start())
        try:
            for _ in range(500):
                await asyncio.wait_for(send(body(b"x" * 200_000, True)), 0.1)
        except TimeoutError:
            timed_out.append(True)
        await send(body(b"end"))

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    eventually(lambda: timed_out)
    answer = client.answer()
    assert answer.body.endswith(b"end")
    assert len(answer.body) % 200_000 == 3
    assert client.exchange(REQUEST).status == 200


def test_race_of_the_client_s_leaving_and_the_work(site: Site) -> None:
    """As Django does it: two tasks, the first to end decides."""
    outcome = []

    async def app(scope, receive, send):
        await read_body(receive)

        async def work() -> None:
            await asyncio.sleep(5)

        async def watch() -> None:
            assert (await receive())["type"] == "http.disconnect"

        tasks = [asyncio.create_task(work()), asyncio.create_task(watch())]
        done, pending = await asyncio.wait(
            tasks, return_when=asyncio.FIRST_COMPLETED, timeout=5
        )
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        outcome.append([task.get_coro().__name__ for task in done])

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    client.assert_silent(0.02)
    client.close()
    eventually(lambda: outcome)
    assert outcome == [["watch"]]
    assert site.warnings == []


def test_a_send_called_in_another_thread_does_nothing_there(site: Site) -> None:
    """It is a coroutine elsewhere, which begins where it is awaited."""

    async def app(scope, receive, send):
        unused = await asyncio.to_thread(send, start(500))
        call = await asyncio.to_thread(send, start(200))
        unused.close()
        await call
        for part in (b"whole", b""):
            await (await asyncio.to_thread(send, body(part, bool(part))))

    site.app = app
    answer = site.connect().exchange(REQUEST)
    assert (answer.status, answer.body) == (200, b"whole")


def test_a_wrong_send_called_in_another_thread_raises_where_it_is_awaited(
    site: Site,
) -> None:
    async def app(scope, receive, send):
        call = await asyncio.to_thread(send, body(b"x"))
        with pytest.raises(RuntimeError, match=r"Expected .* 'http.response.start'"):
            await call
        await respond(send)

    site.app = app
    assert site.connect().exchange(REQUEST).status == 200


def test_sends_of_a_thread_that_waits_for_the_loop(site: Site) -> None:
    """More than the client takes at once: what the thread sends waits for it."""

    async def app(scope, receive, send):
        loop = asyncio.get_running_loop()

        def in_thread() -> None:
            for message in (start(), *[body(b"x" * 100_000, True)] * 100, body()):
                asyncio.run_coroutine_threadsafe(send(message), loop).result(20)

        await asyncio.to_thread(in_thread)

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    assert len(client.answer().body) == 100 * 100_000


def test_a_websocket_s_send_called_in_another_thread(site: Site) -> None:
    async def app(scope, receive, send):
        await send(ACCEPT)
        unused = await asyncio.to_thread(send, CLOSE_IT)
        unused.close()
        await (await asyncio.to_thread(send, say("still open")))
        await receive()
        await receive()

    site.app = app
    peer = Peer(site.connect())
    assert peer.message() == "still open"
    peer.leave()


def test_send_given_to_async_to_sync(site: Site) -> None:
    """As Channels' consumers in threads have it; it warns that it cannot tell."""

    async def app(scope, receive, send):
        with pytest.warns(UserWarning, match="non-async-marked callable"):
            send_in_thread = async_to_sync(send)

        @sync_to_async
        def in_thread() -> None:
            for message in (start(), body(b"from a thread", True), body()):
                send_in_thread(message)

        await in_thread()

    site.app = app
    assert site.connect().exchange(REQUEST).body == b"from a thread"

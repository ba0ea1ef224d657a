"""Context variables: each request has its own copy of the context serve() runs in.

What one request sets no later one on the connection sees, however they come.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable

import pytest
from harness.apps import Gate, body, respond, start
from harness.client import REQUEST, request
from harness.fixtures import Site
from harness.server import eventually

VAR: contextvars.ContextVar[str] = contextvars.ContextVar("VAR", default="unset")


class Setter:
    """Answers with what it found in VAR; sets it to the path before and after."""

    def __init__(self, hold: str = "", stream: bool = False) -> None:
        self.hold, self.stream, self.gate = hold, stream, Gate()

    async def __call__(self, scope, receive, send) -> None:
        found = VAR.get().encode()
        VAR.set(scope["path"])
        if scope["path"] == self.hold:
            await self.gate.wait()
        assert VAR.get() == scope["path"]
        if self.stream:
            await send(start())
            for _ in range(3):
                await send(body(b"", True))
                await asyncio.sleep(0)
            await send(body(found))
        else:
            await respond(send, found)
        assert VAR.get() == scope["path"]
        VAR.set("after " + scope["path"])


@pytest.mark.parametrize("stream", [False, True])
def test_not_seen_by_the_next_request_on_the_connection(
    site: Site, stream: bool
) -> None:
    site.app = Setter(stream=stream)
    client = site.connect()
    for _ in range(3):
        assert client.exchange(REQUEST).body == b"unset"


@pytest.mark.parametrize("stream", [False, True])
def test_not_seen_by_pipelined_requests(site: Site, stream: bool) -> None:
    site.app = Setter(stream=stream)
    client = site.connect()
    client.send(REQUEST * 40)
    assert {client.answer().body for _ in range(40)} == {b"unset"}


def test_not_seen_by_requests_that_waited_for_a_slow_one(site: Site) -> None:
    """They start when the slow one has answered, and not in its context."""
    site.app = app = Setter(hold="/slow")
    client = site.connect()
    client.send(request(target="/slow") + REQUEST)
    app.gate.wait_reached()
    client.send(REQUEST)
    app.gate.open()
    assert [client.answer().body for _ in range(3)] == [b"unset"] * 3


def test_not_seen_by_a_request_that_came_while_writing_was_paused(site: Site) -> None:
    async def app(scope, receive, send):
        found = VAR.get().encode()
        VAR.set("big")
        await respond(send, found if scope["path"] == "/" else b"x" * 8_000_000)

    site.app = app
    client = site.connect()
    client.send(request(target="/big") + REQUEST)
    client.assert_not_progressing(lambda: 0)
    assert len(client.answer().body) == 8_000_000
    assert client.answer().body == b"unset"


def test_not_seen_by_a_request_resumed_by_a_receive(site: Site) -> None:
    """Reading resumed inside a request; what is read then belongs to the next."""

    async def app(scope, receive, send):
        found = VAR.get().encode()
        VAR.set(scope["path"])
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await respond(send, found)

    site.app = app
    client = site.connect()
    client.send(request("POST", "/big", body=b"x" * 1_000_000) + REQUEST * 3)
    assert [client.answer().body for _ in range(4)] == [b"unset"] * 4


def test_not_seen_on_other_connections(site: Site) -> None:
    site.app = app = Setter(hold="/slow")
    slow, other = site.connect(), site.connect()
    slow.send(request(target="/slow"))
    app.gate.wait_reached()
    assert other.exchange(REQUEST).body == b"unset"
    app.gate.open()
    assert slow.answer().body == b"unset"
    assert slow.exchange(REQUEST).body == b"unset"


def test_seen_by_all_that_the_request_starts(site: Site) -> None:
    seen = {}

    async def app(scope, receive, send):
        VAR.set("mine")
        loop = asyncio.get_running_loop()
        called = loop.create_future()

        async def child() -> str:
            await asyncio.sleep(0)
            return VAR.get()

        loop.call_soon(lambda: called.set_result(VAR.get()))
        seen["task"] = await asyncio.create_task(child())
        seen["thread"] = await asyncio.to_thread(VAR.get)
        seen["callback"] = await called
        async with asyncio.TaskGroup() as group:
            task = group.create_task(child())
        seen["group"] = task.result()
        asyncio.current_task().add_done_callback(lambda _: seen.update(done=VAR.get()))
        await respond(send)
        await asyncio.sleep(0.001)
        seen["background"] = VAR.get()

    site.app = app
    site.connect().exchange(REQUEST)
    eventually(lambda: "done" in seen)
    assert set(seen.values()) == {"mine"} and len(seen) == 6


def test_receive_and_send_keep_the_task_s_context(site: Site) -> None:
    async def app(scope, receive, send):
        VAR.set("mine")
        await receive()
        assert VAR.get() == "mine"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.001)
        assert VAR.get() == "mine"
        await respond(send)

    site.app = app
    assert site.connect().exchange(REQUEST).body == b"ok"


def test_tokens_reset_across_awaits(site: Site) -> None:
    async def app(scope, receive, send):
        token = VAR.set("inner")
        await asyncio.sleep(0.001)
        VAR.reset(token)
        await respond(send, VAR.get().encode())

    site.app = app
    assert site.connect().exchange(REQUEST).body == b"unset"


def test_the_context_of_serve_is_seen(start_server: Callable[..., Site]) -> None:
    """As a library sees what it set round Server.serve(); the copy is made once."""
    site = start_server(Setter(), setup=lambda: VAR.set("serve's"))
    client = site.connect()
    client.send(REQUEST * 3)
    assert [client.answer().body for _ in range(3)] == [b"serve's"] * 3
    assert site.connect().exchange(REQUEST).body == b"serve's"


def test_what_lifespan_sets_in_its_own_task_is_not_seen(
    start_server: Callable[..., Site],
) -> None:
    async def app(scope, receive, send):
        if scope["type"] != "lifespan":
            return await respond(send, VAR.get().encode())
        VAR.set("lifespan's")
        for event in ("startup", "shutdown"):
            await receive()
            assert VAR.get() == "lifespan's"
            await send({"type": f"lifespan.{event}.complete"})

    site = start_server(served_as=app, lifespan="on")
    assert site.connect().exchange(REQUEST).body == b"unset"

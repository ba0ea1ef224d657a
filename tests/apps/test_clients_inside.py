"""HTTP clients inside a request: aiohttp and httpx in the request's own task, calling
the same server."""

from __future__ import annotations

import asyncio

import aiohttp
import httpx
import pytest
from harness.apps import echo, read_body, respond
from harness.client import request
from harness.fixtures import Site


async def with_aiohttp(url: str, data: bytes) -> bytes:
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        async with session.post(url, data=data) as answer:
            assert answer.status == 200
            return await answer.read()


async def with_httpx(url: str, data: bytes) -> bytes:
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(url, content=data)
        assert answer.status_code == 200
        return answer.content


CLIENTS = pytest.mark.parametrize("call", [with_aiohttp, with_httpx])


@CLIENTS
@pytest.mark.parametrize("later", [False, True], ids=["first step", "later step"])
def test_a_proxy(site: Site, call, later: bool) -> None:
    async def app(scope, receive, send):
        if scope["path"] == "/inner":
            return await echo(scope, receive, send)
        if later:
            await asyncio.sleep(0)
        data = await read_body(receive)
        await respond(send, await call(site.server.url + "/inner", data))

    site.app = app
    client = site.connect()
    for size in (5, 300_000):
        assert client.exchange(request("POST", body=b"x" * size)).body == b"x" * size


@CLIENTS
def test_many_calls_at_once(site: Site, call) -> None:
    async def app(scope, receive, send):
        if scope["path"] == "/inner":
            await asyncio.sleep(0.001)
            return await echo(scope, receive, send)
        url = site.server.url + "/inner"
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call(url, b"%d" % n)) for n in range(10)]
        await respond(send, b",".join(task.result() for task in tasks))

    site.app = app
    expected = b",".join(b"%d" % n for n in range(10))
    assert site.connect().exchange(request()).body == expected


@CLIENTS
def test_a_call_that_times_out(site: Site, call) -> None:
    async def app(scope, receive, send):
        if scope["path"] == "/inner":
            await read_body(receive)
            assert (await receive())["type"] == "http.disconnect"
            return
        try:
            async with asyncio.timeout(0.02):
                await call(site.server.url + "/inner", b"x")
        except TimeoutError:
            await respond(send, b"timed out")

    site.app = app
    client = site.connect()
    for _ in range(2):
        assert client.exchange(request()).body == b"timed out"


def test_one_session_for_all_requests(site: Site) -> None:
    """Kept across requests, each of which is a task of its own."""
    sessions: list[aiohttp.ClientSession] = []

    async def app(scope, receive, send):
        if scope["path"] == "/inner":
            return await respond(send, b"inner")
        if not sessions:
            sessions.append(aiohttp.ClientSession())
        async with sessions[0].get(site.server.url + "/inner") as answer:
            await respond(send, await answer.read())

    site.app = app
    clients = [site.connect() for _ in range(5)]
    for _ in range(3):
        for client in clients:
            client.send(request())
        assert [client.answer().body for client in clients] == [b"inner"] * 5
    site.server.run(sessions[0].close())

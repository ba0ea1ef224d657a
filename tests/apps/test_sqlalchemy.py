"""SQLAlchemy's session of the current task: one a request, never another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from harness.apps import respond
from harness.client import REQUEST, request
from harness.fixtures import Site
from sqlalchemy import text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import StaticPool


@asynccontextmanager
async def database() -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
    try:
        yield engine
    finally:
        await engine.dispose()


@pytest.mark.parametrize("later", [False, True], ids=["first step", "later step"])
def test_a_session_a_request(site: Site, later: bool) -> None:
    seen, waiting, engines = [], [], []

    async def app(scope, receive, send):
        if later:
            await asyncio.sleep(0)
        if not engines:
            stack = database()
            engine = await stack.__aenter__()
            factory = async_sessionmaker(engine)
            engines.append(
                (stack, async_scoped_session(factory, scopefunc=asyncio.current_task))
            )
        scoped = engines[0][1]
        first = scoped()
        number = await scoped.scalar(text("select 41 + 1"))
        waiting.append(True)
        while scope["path"] == "/together" and len(waiting) < 3:
            await asyncio.sleep(0.001)
        assert scoped() is first
        seen.append(first)
        await scoped.remove()
        assert scoped() is not first
        await scoped.remove()
        await respond(send, b"%d" % number)

    site.app = app
    one, two = site.connect(), site.connect()
    assert one.exchange(REQUEST).body == b"42"
    one.send(request(target="/together"))
    two.send(request(target="/together"))
    assert one.answer().body == two.answer().body == b"42"
    one.send(REQUEST * 3)
    assert [one.answer().body for _ in range(3)] == [b"42"] * 3
    assert len({id(session) for session in seen}) == 6
    stack, scoped = engines[0]
    assert not scoped.registry.registry
    site.server.run(stack.__aexit__(None, None, None))

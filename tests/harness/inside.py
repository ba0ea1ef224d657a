"""Runs a coroutine of the test inside a request, as its application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .apps import Receive, Scope, Send, respond
from .client import REQUEST
from .fixtures import Site

Scenario = Callable[[Receive, Send], Awaitable[Any]]


def run_inside(
    site: Site, scenario: Scenario, *, later: bool = False, data: bytes = REQUEST
) -> Any:
    """Serve one request with `scenario(receive, send)`; give what it returned.

    With `later` the request's task has been suspended before: tasks that start
    eagerly are another thing in their first step. What the scenario raises is raised
    here. It leaves the answer, 200 and "ok", to this function.
    """
    outcome: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if later:
            await asyncio.sleep(0)
        try:
            outcome.extend((None, await scenario(receive, send)))
        except BaseException as exc:
            outcome.extend((exc, None))
        await respond(send)

    site.app = app
    client = site.connect()
    client.send(data)
    answer = client.answer()
    error, value = outcome
    if error is not None:
        raise error
    assert answer.body == b"ok"
    return value

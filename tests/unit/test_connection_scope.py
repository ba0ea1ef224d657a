"""The dicts within a scope: a later request may get the same, if nobody can tell.

Each of them is looked at on a connection that has served requests before: only then is
anything kept from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from _fakes import Wire, get, hello, make_shared, on_loop

PARTS = ["asgi", "state", "extensions"]
STATE = {"lifespan's": object()}
Parts = dict[str, Any]


def change(part: Parts) -> None:
    part["changed"] = True


def replace(part: Parts) -> None:
    for key in part:
        part[key] = "changed"


def replace_by_an_equal(part: Parts) -> None:
    for key, value in part.items():
        part[key] = "".join(list(value)) if type(value) is str else value


def take_out(part: Parts) -> None:
    part.popitem() if part else part.update(changed=True)


def put_back_behind(part: Parts) -> None:
    for key in list(part):
        part["changed"] = part.pop(key)


CHANGES = [change, replace, replace_by_an_equal, take_out, put_back_behind]


@on_loop
@pytest.mark.parametrize("of_state", [{}, STATE], ids=["empty", "state"])
@pytest.mark.parametrize("change_part", CHANGES)
async def test_what_one_request_changes_no_later_one_sees(
    change_part: Callable[[Parts], None], of_state: Parts
) -> None:
    seen: list[list[Parts]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append([dict(scope[part]) for part in PARTS])
        if len(seen) % 3:
            for part in PARTS:
                change_part(scope[part])
        await hello(scope, receive, send)

    wire = Wire(make_shared(app, state=of_state))
    for _ in range(8):
        wire.data(get())
    assert len(seen) == 8
    assert all(parts == seen[0] for parts in seen)


@on_loop
@pytest.mark.parametrize("of_state", [{}, STATE], ids=["empty", "state"])
@pytest.mark.parametrize("kept", [*PARTS, None])
async def test_what_somebody_keeps_is_no_later_request_s(
    kept: str | None, of_state: Parts
) -> None:
    held: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/keep":
            held.append(scope[kept] if kept else scope)
        await hello(scope, receive, send)

    wire = Wire(make_shared(app, state=of_state))
    for path in [b"/", b"/keep", b"/keep", b"/", b"/keep", b"/", b"/", b"/keep"]:
        wire.data(get(path))
    assert len({id(each) for each in held}) == len(held) == 4
    if kept is None:
        for part in PARTS:
            assert len({id(scope[part]) for scope in held}) == 4


@on_loop
async def test_a_message_s_keys_may_be_written_in_any_way() -> None:
    """Not interned, in any order, with others between, or left out."""

    def key(*letters: str) -> str:
        return "".join(letters)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/bare":
            await send({"status": 204, "type": "http.response.start"})
            return await send({"type": "http.response.body"})
        await send(
            {
                key("stat", "us"): 200,
                "trailers": False,
                key("head", "ers"): [(b"content-length", b"4")],
                key("ty", "pe"): key("http.response", ".start"),
            }
        )
        for data in (b"ab", b"cd"):
            await send(
                {
                    key("more", "_body"): data == b"ab",
                    "x": 1,
                    "body": data,
                    key("ty", "pe"): "http.response.body",
                }
            )

    wire = Wire(make_shared(app))
    wire.data(get(b"/bare"), get(b"/any"))
    assert wire.written == (
        b"HTTP/1.1 204 No Content\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd"
    )


@on_loop
async def test_a_message_without_a_type(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(KeyError, match="type"):
            await send({"status": 200})
        await hello(scope, receive, send)

    wire = Wire(make_shared(app))
    wire.data(get())
    assert wire.written.startswith(b"HTTP/1.1 200 ")

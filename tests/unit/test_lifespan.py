"""lifespan: what each outcome of the application means in each of the modes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from fastserve.lifespan.off import LifespanOff
from fastserve.lifespan.on import LifespanOn

App = Callable[[Any, Any, Any], Awaitable[None]]


def config(app: App, lifespan: str) -> Any:
    """As much of a loaded Config as a lifespan asks for."""
    return SimpleNamespace(
        loaded=True, loaded_app=app, lifespan=lifespan, asgi_version="3.0"
    )


def run(app: App, mode: str, shutdown: bool = True) -> LifespanOn:
    async def both() -> LifespanOn:
        lifespan = LifespanOn(config(app, mode))
        await lifespan.startup()
        if shutdown and not lifespan.should_exit:
            await lifespan.shutdown()
        return lifespan

    return asyncio.run(asyncio.wait_for(both(), 10))


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "uvicorn.error")
    return lambda: [f"{r.levelname} {r.getMessage()}" for r in caplog.records]


def sends(*messages: dict[str, Any]) -> App:
    """An application that answers each event with the next message."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await receive()
            await send(message)

    return app


COMPLETE = [
    {"type": "lifespan.startup.complete"},
    {"type": "lifespan.shutdown.complete"},
]
STARTED = [
    "INFO Waiting for application startup.",
    "INFO Application startup complete.",
]
STOPPED = [
    "INFO Waiting for application shutdown.",
    "INFO Application shutdown complete.",
]


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_startup_and_shutdown(mode: str, lines: Callable[[], list[str]]) -> None:
    lifespan = run(sends(*COMPLETE), mode)
    assert not lifespan.should_exit
    assert lines() == STARTED + STOPPED


def test_events_and_scope() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        scope["state"]["key"] = "value"
        seen.append(await receive())
        await send(COMPLETE[0])
        seen.append(await receive())
        await send(COMPLETE[1])

    lifespan = run(app, "on")
    scope, startup, shutdown = seen
    assert scope == {
        "type": "lifespan",
        "asgi": {"version": "3.0", "spec_version": "2.0"},
        "state": {"key": "value"},
    }
    assert (startup, shutdown) == (
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    )
    assert lifespan.state is scope["state"]


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_startup_failed(mode: str, lines: Callable[[], list[str]]) -> None:
    failed = {"type": "lifespan.startup.failed", "message": "no database"}
    lifespan = run(sends(failed), mode)
    assert lifespan.should_exit
    assert lines() == [
        STARTED[0],
        "ERROR no database",
        "ERROR Application startup failed. Exiting.",
    ]


def test_startup_failed_without_a_message(lines: Callable[[], list[str]]) -> None:
    assert run(sends({"type": "lifespan.startup.failed"}), "auto").should_exit
    assert lines() == [STARTED[0], "ERROR Application startup failed. Exiting."]


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_shutdown_failed(mode: str, lines: Callable[[], list[str]]) -> None:
    failed = {"type": "lifespan.shutdown.failed", "message": "100% broken"}
    lifespan = run(sends(COMPLETE[0], failed), mode)
    assert lifespan.should_exit
    assert lines() == [
        *STARTED,
        STOPPED[0],
        "ERROR 100% broken",
        "ERROR Application shutdown failed. Exiting.",
    ]


async def raises(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("no lifespan here")


def test_auto_goes_on_without_lifespan(lines: Callable[[], list[str]]) -> None:
    lifespan = run(raises, "auto")
    assert not lifespan.should_exit
    assert lines() == [
        STARTED[0],
        "INFO ASGI 'lifespan' protocol appears unsupported.",
        STARTED[1],
    ]  # and nothing at shutdown


def test_on_does_not(
    lines: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    lifespan = run(raises, "on")
    assert lifespan.should_exit
    assert lines() == [
        STARTED[0],
        "ERROR Exception in 'lifespan' protocol\n",
        "ERROR Application startup failed. Exiting.",
    ]
    assert "no lifespan here" in caplog.text


@pytest.mark.parametrize("fault", [SystemExit(4), KeyboardInterrupt()])
def test_no_fault_of_the_application_gets_out(fault: BaseException) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise fault

    assert run(app, "on").should_exit


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("auto", ["INFO ASGI 'lifespan' protocol appears unsupported.", STOPPED[1]]),
        (
            "on",
            [
                "ERROR Exception in 'lifespan' protocol\n",
                "ERROR Application shutdown failed. Exiting.",
            ],
        ),
    ],
)
def test_exception_at_shutdown(
    mode: str, expected: list[str], lines: Callable[[], list[str]]
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(COMPLETE[0])
        await receive()
        raise RuntimeError("broken")

    lifespan = run(app, mode)
    assert lines() == [*STARTED, STOPPED[0], *expected]
    assert lifespan.should_exit is (mode == "on")


def test_exception_after_failed_is_not_logged_again(
    lines: Callable[[], list[str]],
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.failed", "message": "why"})
        raise RuntimeError("as Starlette does")

    assert run(app, "on").should_exit
    assert lines() == [
        STARTED[0],
        "ERROR why",
        "ERROR Application startup failed. Exiting.",
    ]


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_returning_early_is_both_complete(
    mode: str, lines: Callable[[], list[str]]
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        return

    assert not run(app, mode).should_exit
    assert lines() == STARTED + STOPPED


@pytest.mark.parametrize(
    "kinds",
    [
        ["shutdown.complete"],
        ["shutdown.failed"],
        ["startup.complete", "startup.complete"],
        ["startup.complete", "startup.failed"],
        ["startup.complete", "shutdown.complete", "shutdown.complete"],
        ["startup.complete", "shutdown.complete", "shutdown.failed"],
    ],
)
def test_messages_out_of_order(kinds: list[str]) -> None:
    caught: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        *fine, last = kinds
        for kind in fine:
            await send({"type": f"lifespan.{kind}"})
        try:
            await send({"type": f"lifespan.{last}"})
        except AssertionError as exc:
            caught.append(exc)

    run(app, "auto")
    assert [str(exc) for exc in caught] == [
        "Got invalid state transition on lifespan protocol."
    ]


@pytest.mark.parametrize(
    "kind", ["http.response.start", "lifespan.startup", "lifespan.startup.begun"]
)
def test_unknown_message(kind: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(AssertionError, match=kind):
            await send({"type": kind})
        await send(COMPLETE[0])

    assert not run(app, "on", shutdown=False).should_exit


def test_end_of_the_loop_without_shutdown_says_nothing(
    lines: Callable[[], list[str]],
) -> None:
    # A forced exit: the loop's end cancels the task that waits for shutdown.
    run(sends(*COMPLETE), "auto", shutdown=False)
    assert lines() == STARTED


def test_a_cancellation_of_the_applications_own_is_a_failure(
    lines: Callable[[], list[str]],
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError  # as a cancel scope that leaks does

    assert run(app, "on").should_exit
    assert lines()[1] == "ERROR Exception in 'lifespan' protocol\n"


def test_off() -> None:
    async def both() -> LifespanOff:
        lifespan = LifespanOff(config(raises, "off"))
        await lifespan.startup()
        await lifespan.shutdown()
        return lifespan

    lifespan = asyncio.run(both())
    assert not lifespan.should_exit
    assert lifespan.state == {}

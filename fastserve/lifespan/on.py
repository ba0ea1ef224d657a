"""Lifespan on and auto: the application runs in one task from startup to shutdown.

The task is given one event for each of the two phases and answers with complete or
failed. The two modes differ only when the application raises instead: `auto` takes
that for an application that knows no lifespan, `on` for a failure.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from fastserve._types import (
    LifespanReceiveMessage,
    LifespanScope,
    LifespanSendMessage,
)

if TYPE_CHECKING:
    from fastserve.config import Config

STATE_TRANSITION_ERROR = "Got invalid state transition on lifespan protocol."


class LifespanOn:
    """One application's lifespan; made inside the loop that serves it.

    `should_exit` after startup() means that the application could not start, after
    shutdown() that it could not stop; `state` is what requests get copies of.
    """

    def __init__(self, config: Config) -> None:
        if not config.loaded:
            config.load()

        self.config = config
        self.logger: logging.Logger = logging.getLogger("uvicorn.error")
        self.startup_event: asyncio.Event = asyncio.Event()
        self.shutdown_event: asyncio.Event = asyncio.Event()
        self.receive_queue: asyncio.Queue[LifespanReceiveMessage] = asyncio.Queue()
        self.error_occurred: bool = False
        self.startup_failed: bool = False
        self.shutdown_failed: bool = False
        self.should_exit: bool = False
        self.state: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        self.logger.info("Waiting for application startup.")
        # The reference keeps the task alive: the loop itself holds only a weak one.
        self._task = asyncio.get_running_loop().create_task(self.main())
        self.receive_queue.put_nowait({"type": "lifespan.startup"})
        await self.startup_event.wait()
        self._conclude("startup", self.startup_failed)

    async def shutdown(self) -> None:
        if self.error_occurred:
            return
        self.logger.info("Waiting for application shutdown.")
        self.receive_queue.put_nowait({"type": "lifespan.shutdown"})
        await self.shutdown_event.wait()
        self._conclude("shutdown", self.shutdown_failed)

    def _conclude(self, phase: str, failed: bool) -> None:
        if failed or (self.error_occurred and self.config.lifespan == "on"):
            self.logger.error("Application %s failed. Exiting.", phase)
            self.should_exit = True
        else:
            self.logger.info("Application %s complete.", phase)

    async def main(self) -> None:
        """Run the application; whatever it raises ends here."""
        scope: LifespanScope = {
            "type": "lifespan",
            "asgi": {"version": self.config.asgi_version, "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self.config.loaded_app(scope, self.receive, self.send)
        except BaseException as exc:
            self.error_occurred = True
            self._log_exception(exc)
        finally:
            self.startup_event.set()
            self.shutdown_event.set()

    def _log_exception(self, exc: BaseException) -> None:
        if self.startup_failed or self.shutdown_failed:
            return  # the application has said what failed
        if self._task is not None and self._task.cancelling():
            return  # the loop ends without a lifespan shutdown, as when forced to
        if self.config.lifespan == "auto":
            self.logger.info("ASGI 'lifespan' protocol appears unsupported.")
        else:
            self.logger.error("Exception in 'lifespan' protocol\n", exc_info=exc)

    async def receive(self) -> LifespanReceiveMessage:
        return await self.receive_queue.get()

    async def send(self, message: LifespanSendMessage) -> None:
        """Raises AssertionError for an unknown message, or one out of order."""
        kind, _, result = message["type"].removeprefix("lifespan.").partition(".")
        if kind == "startup" and result in ("complete", "failed"):
            in_order = not self.startup_event.is_set()
        elif kind == "shutdown" and result in ("complete", "failed"):
            in_order = self.startup_event.is_set()
        else:
            raise AssertionError(f"Unexpected lifespan message '{message['type']}'.")
        if not in_order or self.shutdown_event.is_set():
            raise AssertionError(STATE_TRANSITION_ERROR)

        if kind == "startup":
            self.startup_failed = result == "failed"
            self.startup_event.set()
        else:
            self.shutdown_failed = result == "failed"
            self.shutdown_event.set()
        if result == "failed" and message.get("message"):
            self.logger.error("%s", cast("dict[str, str]", message)["message"])

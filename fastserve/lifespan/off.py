"""Lifespan off: the application hears nothing of startup and shutdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastserve.config import Config


class LifespanOff:
    """The interface of LifespanOn, without an application behind it."""

    def __init__(self, config: Config) -> None:
        self.should_exit = False
        self.state: dict[str, Any] = {}

    async def startup(self) -> None:
        """Return at once."""

    async def shutdown(self) -> None:
        """Return at once."""

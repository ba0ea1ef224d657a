import asyncio
import contextvars
import logging
from typing import Any

from fastserve.config import Config

class Shared:
    total_requests: int
    def __init__(
        self,
        config: Config,
        server_state: Any,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
    ) -> None: ...
    def close(self) -> None: ...

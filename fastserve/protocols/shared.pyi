import asyncio
import contextvars
import logging
from typing import Any, final

from fastserve.config import Config

def keep_heap() -> bool: ...

@final
class Shared:
    total_requests: int
    logger: logging.Logger
    def __init__(
        self,
        config: Config,
        server_state: Any,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
    ) -> None: ...
    def stop(self, grace: float) -> None: ...
    def may_report(self) -> bool: ...
    def count_limit(self, name: str) -> int: ...
    def report_limit(self, name: str, text: str, seconds: float, peer: Any) -> int: ...
    def close(self) -> None: ...

import asyncio
import contextvars
from typing import Any, final

from fastserve.config import Config

def keep_heap() -> bool: ...

@final
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
    def stop(self, grace: float) -> None: ...
    def may_report(self) -> bool: ...
    def close(self) -> None: ...

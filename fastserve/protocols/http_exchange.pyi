from typing import final

from fastserve.protocols.exchange import Exchange

@final
class HttpExchange(Exchange):
    @property
    def unread(self) -> int: ...
    @property
    def started(self) -> bool: ...
    @property
    def complete(self) -> bool: ...

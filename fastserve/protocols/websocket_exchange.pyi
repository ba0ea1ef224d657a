from typing import final

from fastserve.protocols.exchange import Channel, Exchange

class WebSocketChannel(Channel): ...

@final
class WebSocketExchange(Exchange):
    @property
    def state(self) -> int: ...
    @property
    def unread(self) -> int: ...

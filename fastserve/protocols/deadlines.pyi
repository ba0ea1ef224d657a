import asyncio

class DeadlineChannel:
    @property
    def transport(self) -> asyncio.Transport | None: ...

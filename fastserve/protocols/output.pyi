from typing import final

from fastserve.protocols.shared import Sender, Shared, Timed

@final
class WriteDeadline(Timed):
    def __new__(cls, shared: Shared) -> WriteDeadline: ...

@final
class Output(Sender):
    def __new__(cls, shared: Shared) -> Output: ...

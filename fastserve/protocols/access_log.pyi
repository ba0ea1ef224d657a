import logging
from typing import final

@final
class AccessLog:
    @property
    def logger(self) -> logging.Logger: ...
    def close(self) -> None: ...

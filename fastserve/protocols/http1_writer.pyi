from collections.abc import Iterable
from typing import final

@final
class ResponseWriter:
    close_is_said: bool
    @property
    def keep_alive(self) -> bool: ...
    @property
    def until_close(self) -> bool: ...
    def start(
        self,
        status: int,
        headers: Iterable[tuple[bytes, bytes]],
        defaults: bytes,
        date_size: int,
        http10: bool,
        to_head: bool,
        keep_alive: bool,
    ) -> bytes: ...
    def body(
        self, head: bytes | None, data: bytes | bytearray | memoryview, more: bool
    ) -> bytes | list[bytes] | None: ...
    def trailers(
        self, headers: Iterable[tuple[bytes, bytes]], more: bool
    ) -> bytes | None: ...
    def interim(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes: ...

"""An input of a fuzzer, taken apart from its front: what chooses, then a stream."""

from __future__ import annotations


class Input:
    """Gives zeros when there is nothing left, so that every input is a whole one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def rest(self) -> bytes:
        return self.take(len(self._data))


def reads(stream: bytes, cuts: int) -> list[bytes]:
    """The stream in reads whose sizes follow from the bits of cuts, a byte."""
    found = []
    at = 0
    while at < len(stream):
        size = 1 + (cuts & 7) * (cuts & 7)
        cuts = cuts >> 1 | (cuts & 1) << 7
        found.append(stream[at : at + size])
        at += size
    return found

"""What a server does with the bytes of one case, and whether Http11Probe takes it so.

Rules are the `?` lines of tests/wire/cases/http11probe: alternatives with `|` between
them. Each is a status or what may stand for it, and what else has to hold:

    400 405 2xx !101 !1xx   the first answer's status, or what it must not be
    close                   no answer; the server has closed the connection
    wait                    no answer; it waits for more
    ... closed              and the server has closed the connection behind it
    ... one                 and no second answer came
    ... empty               and nothing came behind its head
    ... body:TEXT           and that was its body
    ... has:NAME  no:NAME   and it has that field, or has not

Reads answers with no parser but a regular expression: those of a server that has lost
its place in the stream are looked at as well. Starts nothing.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Seen:
    """All that came back, and whether the server has ended the connection."""

    data: bytes
    closed: bool

    @property
    def statuses(self) -> list[int]:
        return [int(found) for found in STATUS_LINE.findall(self.data)]

    @property
    def head(self) -> bytes:
        return self.data.partition(HEAD_END)[0].lower()

    @property
    def body(self) -> bytes:
        return self.data.partition(HEAD_END)[2]

    def __str__(self) -> str:
        """As the table says it: `400`, `200, kept`, `200 200`, `closed`, `waits`."""
        said = " ".join(map(str, self.statuses))
        if not said:
            return "closed" if self.closed else "waits"
        return said if self.closed else f"{said}, kept"


async def ask(port: int, data: bytes, seconds: float) -> Seen:
    """Send these bytes, and read until the connection ends or nothing more comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got, closed = b"", False
    try:
        writer.write(data)
        while True:
            # The first answer may take its time; then silence says that it was all.
            more = await asyncio.wait_for(reader.read(65536), seconds)
            if not more:
                closed = True
                break
            got += more
    except TimeoutError:
        pass
    except ConnectionError:
        closed = True
    writer.close()
    return Seen(got, closed)


def meets(seen: Seen, rule: str) -> bool:
    return any(_meets(seen, *each.split()) for each in rule.split("|"))


def _meets(seen: Seen, status: str, *conditions: str) -> bool:
    if status in ("close", "wait"):
        return not seen.statuses and seen.closed == (status == "close")
    if not seen.statuses:
        return False
    wanted = re.fullmatch(status.lstrip("!").replace("x", r"\d"), str(seen.statuses[0]))
    if (wanted is None) == (not status.startswith("!")):
        return False
    return all(_holds(seen, *each.partition(":")) for each in conditions)


def _holds(seen: Seen, what: str, _: str, text: str) -> bool:
    named = f"\r\n{text}:".encode() in seen.head
    return {
        "closed": seen.closed,
        "one": len(seen.statuses) == 1,
        "empty": seen.body == b"",
        "body": seen.body == text.encode(),
        "has": named,
        "no": not named,
    }[what]

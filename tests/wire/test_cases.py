"""Every case of cases/: whole, byte by byte, cut in two everywhere, behind others.

Whole ones go over sockets to a server; the cut ones, thirty thousand of them, straight
into a connection. However a case's bytes come, the application gets the same requests,
the client the same answers, and the connection ends the same way.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness.apps import Scope, body, read_body, start
from harness.cases import FOLDER, Case, all_cases
from harness.client import Client
from harness.fixtures import Site
from harness.probe import Seen, meets

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))

from _fakes import FakeLoop, Wire, make_shared  # noqa: E402

CASES = all_cases()
BEFORE = b"GET /before HTTP/1.1\r\nHost: h\r\n\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PAGE = FOLDER.parents[2] / "docs" / "framing.md"
PLACES = 40  # where a large case is cut; smaller ones are cut everywhere
LARGE = 1000


def places(size: int) -> Iterable[int]:
    if size < LARGE:
        return range(1, size)
    edges = (1, 2, 3, size - 3, size - 2, size - 1)
    return sorted({*edges, *range(1, size, size // PLACES)})


class Application:
    """Answers with what it got, and keeps it: METHOD TARGET BODY, when it was whole."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        target = scope["raw_path"] + (b"?" + scope["query_string"]).rstrip(b"?")
        if scope["type"] == "websocket":
            self.requests.append(b"GET %s websocket" % target)
            await send({"type": "websocket.close"})
            return
        line = b"%s %s" % (scope["method"].encode(), target)
        data = b""
        if not target.startswith(b"/early"):
            try:
                data = await self._body(scope, receive)
            except ConnectionError:
                return
        answer = b"%s %s" % (line, data) if data else line
        self.requests.append(answer)
        await send(start(200, [(b"content-length", b"%d" % len(answer))]))
        await send(body(answer))

    async def _body(self, scope: Scope, receive: Any) -> bytes:
        data = await read_body(receive)
        path = scope["path"]
        if path.startswith("/path/"):
            return path.encode()
        if path.startswith("/header/"):
            return dict(scope["headers"]).get(path[8:].encode(), b"")
        return data


@dataclass(frozen=True)
class Outcome:
    requests: list[bytes]
    written: bytes
    closed: bool


class Connections:
    """Connections without sockets, one after the other; the loop's time is its own."""

    def __init__(self) -> None:
        self.app = Application()
        self.loop = FakeLoop()
        # No deadline: the loop's time stands still, and that of the wheel with it.
        self._shared = make_shared(self.app, self.loop)

    def _settle(self) -> None:
        while self.loop.soon:
            self.loop.turn()

    def outcome(self, *reads: bytes) -> Outcome:
        """What comes of these reads, and then of the peer's end."""
        self.app.requests = []
        wire = Wire(self._shared)
        for data in reads:
            if wire.transport.is_closing():
                break
            wire.transport.protocol.data_received(data)
            self._settle()
        closed = wire.transport.is_closing() or "write_eof" in wire.calls
        found = list(self.app.requests)
        written = wire.written.replace(CONTINUE, b"")
        if not closed:
            wire.transport.protocol.eof_received()
            self._settle()
        wire.transport.protocol.connection_lost(None)
        self._settle()
        assert self.app.requests == found, "the end made a message whole"
        assert self.loop.exceptions == []
        assert not self._shared.connections
        return Outcome(found, written, closed)


@pytest.fixture(scope="module")
def connections() -> Iterator[Connections]:
    yield Connections()


def named(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[each.name for each in cases])


@named(CASES)
def test_whole(site: Site, case: Case) -> None:
    site.app = app = Application()
    client = site.connect()
    client.send(case.data)
    for request in case.requests:
        expect_answer(client, request)
    if case.refused:
        assert client.last_answer().status == int(case.end)
    elif case.end == "close":
        assert client.read_to_eof() == b""
    elif case.end == "waits":
        client.finish()
        assert client.read_to_eof() == b""
    else:
        client.send(HIDDEN)
        expect_answer(client, b"GET /hidden")
        app.requests.pop()
    client.close()
    site.wait_idle()
    assert app.requests == list(case.requests)


def expect_answer(client: Client, request: bytes) -> None:
    if request.endswith(b" websocket"):
        return  # the refusal of its handshake is the case's end
    method = request.partition(b" ")[0].decode()
    answer = client.answer(method)
    assert answer.status == 200
    assert method == "HEAD" or answer.body == request


@named(CASES)
def test_cut(connections: Connections, case: Case) -> None:
    """One byte at a time, and in two at every place."""
    data = case.data
    whole = connections.outcome(data)
    assert whole.requests == list(case.requests)
    assert whole.closed == (case.end in ("400", "403", "414", "426", "431", "close"))
    if case.refused:
        assert b"HTTP/1.1 %s " % case.end.encode() in whole.written
    single = [data[at : at + 1] for at in range(len(data))]
    if len(data) < 10 * LARGE:
        assert connections.outcome(*single) == whole
    for at in places(len(data)):
        assert connections.outcome(data[:at], data[at:]) == whole, at


@named(CASES)
def test_behind_another_and_before_another(
    connections: Connections, case: Case
) -> None:
    before = connections.outcome(BEFORE)
    alone = connections.outcome(case.data)
    found = connections.outcome(BEFORE + case.data)
    assert found.requests == [b"GET /before", *alone.requests]
    assert found.written == before.written + alone.written
    assert found.closed == alone.closed
    if case.end == "waits":
        return
    # What stands behind it is served if the connection is kept, and never else.
    found = connections.outcome(case.data + HIDDEN)
    hidden = [] if alone.closed else [b"GET /hidden"]
    assert found.requests == [*case.requests, *hidden]
    assert found.closed == alone.closed


def test_every_file_is_read() -> None:
    """A file that says what it is about, with a case of each kind of end."""
    ends = {case.end for case in CASES}
    assert ends >= {"", "400", "403", "414", "426", "431", "close", "waits"}
    for path in FOLDER.rglob("*"):
        assert path.is_dir() or path.suffix in (".http", ".md"), path
        if path.suffix == ".http":
            assert path.read_text().startswith("# "), path


# -- the page that tools/http11probe_page.py makes -------------------------------------

# What its application answers otherwise than the one here.
OTHERWISE = {"COMP-405-ALLOW": "405, kept", "COMP-NO-CL-IN-204": "204, kept"}


def cell(case: Case) -> str:
    """What the page must say of fastserve."""
    name = case.name.partition("/")[2]
    if case.refused or case.end == "waits":
        return case.end
    return "200" if case.end == "close" else OTHERWISE.get(name, "200, kept")


def test_the_page_of_http11probe_says_what_is_so() -> None:
    asked = [case for case in CASES if case.rule]
    rows = [
        [text.strip() for text in line.strip("|\n").split("|")]
        for line in PAGE.read_text().splitlines()
        if line.startswith("| ") and "rfc-editor" in line
    ]
    said = {row[0]: row[2] for row in rows}
    assert len(rows) == len(asked) == 113
    found = {case.name.partition("/")[2]: cell(case) for case in asked}
    # An empty Host is what a client must send where the URI has no authority.
    found["COMP-HOST-EMPTY-VALUE"] = "**200, kept**"
    assert said == found


GET = b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("data", "closed", "rules", "against"),
    [
        (GET, False, ["400|2xx body:ok", "!101", "2xx has:date"], ["2xx closed"]),
        (GET + GET, True, ["2xx closed"], ["2xx one", "2xx closed one", "400|close"]),
        (b"HTTP/1.1 400 \r\n\r\n", True, ["400", "400 one"], ["2xx", "501|close"]),
        (b"", True, ["close", "400|close"], ["400", "wait", "!101"]),
        (b"", False, ["wait"], ["close", "2xx"]),
        (b"HTTP/1.1 100 C\r\n\r\n" + GET, False, ["!101"], ["!1xx", "2xx"]),
    ],
)
def test_how_an_answer_is_judged(
    data: bytes, closed: bool, rules: list[str], against: list[str]
) -> None:
    seen = Seen(data, closed)
    assert [rule for rule in rules if not meets(seen, rule)] == []
    assert [rule for rule in against if meets(seen, rule)] == []

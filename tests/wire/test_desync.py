"""Whatever an application sends, the client never loses its place in the stream.

Each combination of what may frame an answer is sent, then a second answer follows on
the connection or the connection ends. h11 reads both: it must find the first whole and
the second behind it, or the first whole or cut and then the end.
"""

from __future__ import annotations

import contextlib
import itertools

import pytest
from harness.apps import body, respond, start
from harness.client import Client, request
from harness.fixtures import Site

LENGTHS = [[], [b"0"], [b"5"], [b"9"], [b"5", b"9"]]
CODINGS = [[], [b"chunked"], [b"chunked", b"chunked"], [b"gzip"]]
BODIES = [
    [],
    [body()],
    [body(b"hello")],
    [body(b"he", True), body(b"llo")],
    [body(b"hello", True)],
    [body(b"hello world")],
]
SENTINEL = b"the second answer"


def outcome(client: Client, method: str) -> str:
    """What a client sees: whole, cut or nothing; then the sentinel or the end."""
    first = client._parse(method)
    if not first.complete:
        return "cut" if first.status else "nothing"
    if client.buffer or not client.at_eof:
        second = client._parse("GET")
        if second.complete:
            assert (second.status, second.body) == (200, SENTINEL)
            return "whole, then the next"
        assert second.status == 0 and client.at_eof
    return "whole, then the end"


@pytest.mark.parametrize("status", [200, 204, 304])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_combination_loses_the_client(
    site: Site, method: str, version: str, status: int
) -> None:
    seen = set()
    for lengths, codings, parts in itertools.product(LENGTHS, CODINGS, BODIES):
        headers = [(b"content-length", value) for value in lengths]
        headers += [(b"transfer-encoding", value) for value in codings]

        async def app(scope, receive, send, headers=headers, parts=parts):
            if scope["path"] == "/second":
                return await respond(send, SENTINEL)
            await send(start(status, headers))
            for part in parts:
                await send(part)

        site.app = app
        client = site.connect()
        client.send(request(method, version=version) + request(target="/second"))
        with contextlib.suppress(OSError):  # a cut answer may have been reset by now
            client.finish()
        try:
            seen.add(outcome(client, method))
        except Exception as exc:
            exc.add_note(f"{lengths} {codings} {parts}")
            raise
        client.close()
    site.allow_errors()
    assert ("whole, then the next" in seen) is (version == "1.1")

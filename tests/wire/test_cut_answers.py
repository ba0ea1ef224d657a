"""An answer that breaks off must not look whole, whatever its framing.

Chunks and Content-Length show a cut by themselves; a body that ends with the
connection does not, so such a connection ends with a RST.
"""

from __future__ import annotations

import pytest
from harness.apps import App
from harness.client import request
from harness.fixtures import Site

FAULT = "Exception in ASGI application\nValueError('the other half is lost')"


def breaking_off(headers: list[tuple[bytes, bytes]]) -> App:
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("the other half is lost")

    return app


def test_a_body_that_ends_with_the_connection_is_reset(site: Site) -> None:
    site.app = breaking_off([])
    client = site.connect()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    while client.receive():
        pass
    assert client.was_reset
    assert site.errors == [FAULT]


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"8")]])
def test_chunks_and_lengths_end_with_a_fin(
    site: Site, headers: list[tuple[bytes, bytes]]
) -> None:
    site.app = breaking_off(headers)
    client = site.connect()
    client.send(request())
    data = client.read_to_eof()
    assert b"half" in data
    assert not data.endswith(b"0\r\n\r\n")
    assert site.errors == [FAULT]

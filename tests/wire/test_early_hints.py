"""http.response.early_hint: 103 with Link fields, before the answer (RFC 8297)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from harness.apps import Gate, Message, Recorder, respond
from harness.client import REQUEST, request
from harness.fixtures import Site

NAME = "http.response.early_hint"
STYLE = b"</style.css>; rel=preload; as=style"
SCRIPT = b"</app.js>; rel=preload; as=script"


def hint(*links: object) -> Message:
    return {"type": NAME, "links": links}


def hinted(*messages: Message):
    async def app(scope, receive, send):
        for message in messages:
            await send(message)
        await respond(send)

    return app


def test_it_is_on_the_wire_while_the_app_works(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        assert scope["extensions"][NAME] == {}
        await send(hint(STYLE, SCRIPT))
        await gate.wait()
        await respond(send)

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    assert client.read_until(b"\r\n\r\n") == (
        b"HTTP/1.1 103 Early Hints\r\nlink: %b\r\nlink: %b\r\n\r\n" % (STYLE, SCRIPT)
    )
    client.assert_silent()
    gate.open()
    answer = client.answer()
    assert (answer.status, answer.header(b"link")) == (200, None)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_any_number_and_the_connection_is_kept(site: Site, method: str) -> None:
    site.app = hinted(hint(STYLE), hint(), hint(SCRIPT))
    client = site.connect()
    for _ in range(2):
        answer = client.exchange(request(method), method)
        assert (answer.status, answer.interim) == (200, [103, 103, 103])


def test_beside_100_continue(site: Site) -> None:
    async def app(scope, receive, send):
        await send(hint(STYLE))
        await receive()
        await send(hint(STYLE))
        await respond(send)

    site.app = app
    expecting = request("POST", headers=[("Expect", "100-continue")], body=b"x")
    assert site.connect().exchange(expecting).interim == [103, 100, 103]


def test_of_pipelined_requests_each_has_its_own(site: Site) -> None:
    site.app = hinted(hint(STYLE))
    client = site.connect()
    client.send(2 * REQUEST)
    assert [client.answer().interim for _ in range(2)] == [[103], [103]]


def test_never_to_http_1_0(site: Site) -> None:
    site.app = recorder = Recorder(hinted(hint(STYLE)))
    answer = site.connect().exchange(request(version="1.0"))
    assert NAME not in recorder.scope["extensions"]
    assert (answer.status, answer.interim) == (500, [])
    [error] = site.errors
    assert f"Expected ASGI message 'http.response.start', but got '{NAME}'." in error


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (hint(b"</x>\r\nset-cookie: a=b"), "Invalid HTTP header value."),
        (hint("</x>"), "pairs of bytes"),
        (hint(b"</ok>", 1), "pairs of bytes"),
        ({"type": NAME}, "links"),
    ],
)
def test_what_cannot_be_sent_raises_and_nothing_of_it_is_sent(
    site: Site, bad: Message, text: str
) -> None:
    site.app = hinted(bad)
    answer = site.connect().exchange(REQUEST)
    assert (answer.status, answer.interim) == (500, [])
    [error] = site.errors
    assert text in error


def test_behind_the_start_it_raises(site: Site) -> None:
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with pytest.raises(RuntimeError, match=r"'http.response.body', but got"):
            await send(hint(STYLE))
        await send({"type": "http.response.body"})
        with pytest.raises(RuntimeError, match="after response already completed"):
            await send(hint(STYLE))

    site.app = app
    assert site.connect().exchange(REQUEST).status == 200


def test_a_peer_that_has_left_is_no_error(site: Site) -> None:
    gate = Gate()

    async def app(scope, receive, send):
        await gate.wait()
        while (await receive())["type"] != "http.disconnect":
            pass
        await send(hint(STYLE))
        await respond(send)

    site.app = app
    client = site.connect()
    client.send(REQUEST)
    gate.wait_reached()
    client.reset()
    gate.open()
    site.wait_idle()


def test_disabled_it_is_neither_listed_nor_taken(
    start_server: Callable[..., Site],
) -> None:
    recorder = Recorder(hinted(hint(STYLE)))
    site = start_server(recorder, disable_extensions=[NAME])
    answer = site.connect().exchange(REQUEST)
    assert NAME not in recorder.scope["extensions"]
    assert (answer.status, answer.interim) == (500, [])
    assert len(site.errors) == 1


def test_what_one_request_does_to_its_extensions_no_later_one_sees(site: Site) -> None:
    seen = []

    async def app(scope, receive, send):
        extensions = scope["extensions"]
        seen.append({name: dict(about) for name, about in extensions.items()})
        extensions[NAME]["of"] = scope["path"]
        extensions["own"] = {}
        kept.append(extensions[NAME])
        await respond(send)

    kept: list[dict[object, object]] = []
    site.app = app
    client = site.connect()
    for number in range(4):
        client.exchange(request(target=f"/{number}"))
    assert seen[1:] == seen[:-1]
    assert seen[0][NAME] == {}
    assert [about["of"] for about in kept] == ["/0", "/1", "/2", "/3"]


def test_a_websocket_is_offered_none_of_http(site: Site) -> None:
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)
        await receive()
        if scope["type"] == "http":
            await respond(send)

    site.app = app
    upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw=="),
    ]
    client = site.connect()
    client.exchange(REQUEST)
    client.exchange(request(headers=upgrade))
    assert [set(scope["extensions"]) for scope in scopes[1:]] == [
        {"websocket.http.response"}
    ]
    site.allow_errors()

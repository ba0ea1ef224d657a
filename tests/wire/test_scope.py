"""The scope of an HTTP request, key by key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from harness.apps import Recorder, replies
from harness.client import REQUEST, request
from harness.fixtures import Site

KEYS = {
    "type",
    "asgi",
    "http_version",
    "server",
    "client",
    "scheme",
    "method",
    "root_path",
    "path",
    "raw_path",
    "query_string",
    "headers",
    "state",
    "extensions",
}


def scope_of(site: Site, data: bytes) -> dict[str, Any]:
    """The scope that the application gets for these bytes."""
    site.app = recorder = Recorder(replies())
    assert site.connect().exchange(data).status == 200
    return recorder.scope


def test_scope_has_exactly_these_keys(site: Site) -> None:
    scope = scope_of(site, REQUEST)
    assert type(scope) is dict
    assert scope.keys() == KEYS


def test_fixed_values(site: Site) -> None:
    scope = scope_of(site, REQUEST)
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.3"}
    assert scope["scheme"] == "http"
    assert scope["root_path"] == ""
    assert scope["http_version"] == "1.1"


def test_extensions_are_a_dict_of_dicts(site: Site) -> None:
    extensions = scope_of(site, REQUEST)["extensions"]
    assert type(extensions) is dict
    assert all(isinstance(value, dict) for value in extensions.values())


def test_nothing_in_a_scope_is_shared_with_the_next(site: Site) -> None:
    seen = []

    async def app(scope, receive, send):
        seen.append(
            (dict(scope["asgi"]), dict(scope["extensions"]), list(scope["headers"]))
        )
        scope["asgi"]["spec_version"] = "changed"
        scope["extensions"]["changed"] = {}
        scope["headers"].append((b"changed", b"1"))
        scope["path"] = "/changed"
        await replies()(scope, receive, send)

    site.app = app
    client = site.connect()
    client.exchange(REQUEST)
    client.exchange(REQUEST)
    site.connect().exchange(REQUEST)
    assert seen[0] == seen[1] == seen[2]


def test_client_and_server_are_the_socket_s_two_ends(site: Site) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    client.exchange(REQUEST)
    assert recorder.scope["client"] == client.name
    assert recorder.scope["server"] == tuple(site.server.address)


def test_http_1_0(site: Site) -> None:
    assert scope_of(site, request(version="1.0"))["http_version"] == "1.0"


@pytest.mark.parametrize(
    "method",
    ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY"]
    + ["M-SEARCH", "PURGE", "FOO", "A", "G0!#$%&'*+-.^_`|~", "LONGMETHOD" * 3],
)
def test_any_token_is_a_method(site: Site, method: str) -> None:
    assert scope_of(site, request(method))["method"] == method


def test_head_method(site: Site) -> None:
    site.app = recorder = Recorder(replies())
    site.connect().exchange(request("HEAD"), "HEAD")
    assert recorder.scope["method"] == "HEAD"


def test_header_names_are_lowered_and_order_and_duplicates_kept(site: Site) -> None:
    data = (
        b"GET / HTTP/1.1\r\nX-B: 1\r\nHOST: h\r\nx-a: 2\r\nX-B: 3\r\n"
        b"Cookie: a=1\r\ncOOKIE: b=2\r\nx_under: 4\r\n\r\n"
    )
    assert scope_of(site, data)["headers"] == [
        (b"x-b", b"1"),
        (b"host", b"h"),
        (b"x-a", b"2"),
        (b"x-b", b"3"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x_under", b"4"),
    ]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"v", b"v"),
        (b" v", b"v"),
        (b"\t v\t ", b"v"),
        (b" a b\tc ", b"a b\tc"),
        (b"", b""),
        (b" \t ", b""),
        (b" \xe9\xff", b"\xe9\xff"),
        (b' "q\\"', b'"q\\"'),
        (b" :a:", b":a:"),
    ],
)
def test_header_values_lose_only_the_blanks_round_them(
    site: Site, raw: bytes, value: bytes
) -> None:
    data = b"GET / HTTP/1.1\r\nHost: h\r\nX-V:" + raw + b"\r\nX-W: w\r\n\r\n"
    headers = scope_of(site, data)["headers"]
    assert headers == [(b"host", b"h"), (b"x-v", value), (b"x-w", b"w")]


def test_every_token_character_in_a_name(site: Site) -> None:
    name = b"!#$%&'*+-.^_`|~09AZaz"
    headers = scope_of(site, b"GET / HTTP/1.1\r\nHost: h\r\n" + name + b": v\r\n\r\n")
    assert headers["headers"][1] == (name.lower(), b"v")


def test_headers_are_tuples_of_bytes_in_a_list(site: Site) -> None:
    headers = scope_of(site, request(headers=[("Accept", "*/*")]))["headers"]
    assert type(headers) is list
    for field in headers:
        assert type(field) is tuple
        assert [type(part) for part in field] == [bytes, bytes]


def test_values_change_from_request_to_request_on_one_connection(site: Site) -> None:
    """Same names, same places; values that differ in length or in the last byte."""
    site.app = recorder = Recorder(replies())
    client = site.connect()
    values = ["aaa", "aab", "aa", "aaa", "aaaa", "", "aaa", "baa"]
    for value in values:
        client.exchange(request(headers=[("X-A", value), ("X-B", "same")]))
    assert [dict(scope["headers"])[b"x-a"] for scope in recorder.scopes] == [
        value.encode() for value in values
    ]
    assert {dict(scope["headers"])[b"x-b"] for scope in recorder.scopes} == {b"same"}


def test_headers_move_from_request_to_request_on_one_connection(site: Site) -> None:
    site.app = recorder = Recorder(replies())
    client = site.connect()
    fields = [("A", "1"), ("B", "2"), ("C", "3")]
    wanted = []
    for order in ([0, 1, 2], [1, 0, 2], [2], [], [0, 1, 2], [0, 0, 0]):
        chosen = [fields[index] for index in order]
        client.exchange(request(headers=chosen))
        wanted.append([(n.lower().encode(), v.encode()) for n, v in chosen])
    assert [scope["headers"][1:] for scope in recorder.scopes] == wanted


def test_state_is_a_shallow_copy_of_the_lifespan_s(site: Site) -> None:
    seen = []

    async def app(scope, receive, send):
        state = scope["state"]
        seen.append((dict(state), len(state["shared"])))
        state["own"] = 1
        state["number"] = 2
        state["shared"].append(1)
        await replies()(scope, receive, send)

    site.app = app
    client = site.connect()
    for _ in range(3):
        client.exchange(REQUEST)
    seen[0][0]["shared"].clear()  # other tests look at it too
    assert [(s["number"], "own" in s, n) for s, n in seen] == [
        (1, False, 0),
        (1, False, 1),
        (1, False, 2),
    ]


@pytest.mark.parametrize("target", ["/", "/a%20b/c?q=%20"])
def test_root_path_goes_before_path_and_raw_path(
    start_server: Callable[..., Site], target: str
) -> None:
    site = start_server(root_path="/api/v1")
    scope = scope_of(site, request(target=target))
    assert scope["root_path"] == "/api/v1"
    raw, _, query = target.partition("?")
    assert scope["raw_path"] == b"/api/v1" + raw.encode()
    assert scope["path"] == "/api/v1" + raw.replace("%20", " ")
    assert scope["query_string"] == query.encode()

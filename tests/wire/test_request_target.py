"""Request lines: the forms of a target, how a path is decoded.

RFC 9112 3 (request line), 3.2 (target forms); RFC 3986 (percent-encoding).
cases/headers/request-line.http has what is refused.
"""

from __future__ import annotations

import pytest
from harness.apps import Recorder, replies
from harness.client import request
from harness.fixtures import Site

PATHS = [
    ("/", "/"),
    ("/plain", "/plain"),
    ("/a%20b", "/a b"),
    ("/%41", "/A"),
    ("/%2F%2f", "///"),
    ("/%2e%2E/x", "/../x"),
    ("/../x", "/../x"),
    ("//double//", "//double//"),
    ("/%2525", "/%25"),  # decoded once
    ("/%25%32%35", "/%25"),
    ("/%", "/%"),
    ("/%4", "/%4"),
    ("/%zz", "/%zz"),
    ("/%4%41", "/%4A"),
    ("/%00", "/\x00"),
    ("/caf%C3%A9", "/café"),
    ("/%F0%9F%91%BD", "/\U0001f47d"),
    ("/%ff", "/\ufffd"),
    ("/%C3", "/\ufffd"),
    ("/a+b", "/a+b"),
    ("/a;b=c,d@e:f!$&'()*=~_-.", "/a;b=c,d@e:f!$&'()*=~_-."),
    ("/" + "x" * 8000, "/" + "x" * 8000),
]

QUERIES = [
    ("/?", b""),
    ("/?a=1", b"a=1"),
    ("/?a=%20&b=+", b"a=%20&b=+"),
    ("/??", b"?"),
    ("/?a?b/c", b"a?b/c"),
    ("/x%3Fy", b""),
]

FORMS = [
    ("http://example.com/p?q", "/p", b"q"),
    ("http://example.com", "/", b""),
    ("http://example.com?q", "/", b"q"),
    ("http://example.com:8080/a%20b", "/a b", b""),
    ("http://[::1]:80/", "/", b""),
    ("https://example.com/p", "/p", b""),
    ("HTTP://EXAMPLE.com/P", "/P", b""),
]


def recorded(site: Site, data: bytes) -> Recorder:
    site.app = recorder = Recorder(replies())
    assert site.connect().exchange(data).status == 200
    return recorder


@pytest.mark.parametrize(("target", "path"), PATHS, ids=range(len(PATHS)))
def test_path_is_decoded_once_and_raw_path_is_not(
    site: Site, target: str, path: str
) -> None:
    scope = recorded(site, request(target=target)).scope
    assert scope["path"] == path
    assert scope["raw_path"] == target.encode()
    assert scope["query_string"] == b""


@pytest.mark.parametrize(("target", "query"), QUERIES)
def test_query_string_is_raw(site: Site, target: str, query: bytes) -> None:
    scope = recorded(site, request(target=target)).scope
    assert scope["query_string"] == query
    assert scope["raw_path"] == target.partition("?")[0].encode()


@pytest.mark.parametrize(("target", "path", "query"), FORMS)
def test_absolute_form_is_split(
    site: Site, target: str, path: str, query: bytes
) -> None:
    scope = recorded(site, request(target=target)).scope
    assert (scope["path"], scope["query_string"]) == (path, query)
    assert scope["scheme"] == "http"


def test_absolute_form_s_raw_path_has_no_authority(site: Site) -> None:
    scope = recorded(site, request(target="http://example.com/a%20b?q")).scope
    assert scope["raw_path"] == b"/a%20b"


def test_asterisk_form_of_options(site: Site) -> None:
    scope = recorded(site, request("OPTIONS", "*")).scope
    assert (scope["path"], scope["raw_path"]) == ("*", b"*")
    assert scope["query_string"] == b""


def test_empty_lines_before_a_request_line_are_skipped(site: Site) -> None:
    """RFC 9112 2.2."""
    recorder = recorded(site, b"\r\n" + request(target="/first"))
    assert recorder.scope["path"] == "/first"

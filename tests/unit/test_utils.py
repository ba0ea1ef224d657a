"""protocols/utils: addresses from a transport, and what the access line shows."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest

from fastserve.protocols.utils import (
    ClientDisconnected,
    get_client_addr,
    get_local_addr,
    get_path_with_query_string,
    get_remote_addr,
    is_ssl,
)


class Transport:
    def __init__(self, **extra: Any) -> None:
        self.extra = extra

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.extra.get(name, default)


class Socket:
    def __init__(self, name: Any) -> None:
        self.name = name

    def getpeername(self) -> Any:
        if isinstance(self.name, OSError):
            raise self.name
        return self.name

    getsockname = getpeername


LOST = OSError(107, "Transport endpoint is not connected")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (("127.0.0.1", 80), ("127.0.0.1", 80)),
        (("::1", 80, 0, 0), ("::1", 80)),
        (["127.0.0.1", "80"], ("127.0.0.1", 80)),
        ("", None),  # a Unix socket's client
        (b"\0abstract", None),
        (None, None),
        (LOST, None),
    ],
)
def test_remote_addr(name: Any, expected: Any) -> None:
    assert get_remote_addr(Transport(socket=Socket(name))) == expected  # type: ignore
    if not isinstance(name, OSError):
        assert get_remote_addr(Transport(peername=name)) == expected  # type: ignore


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (("127.0.0.1", 80), ("127.0.0.1", 80)),
        (("::1", 80, 0, 0), ("::1", 80)),
        ("/run/socket", ("/run/socket", None)),
        (b"\0abstract", None),
        (None, None),
        (LOST, None),
    ],
)
def test_local_addr(name: Any, expected: Any) -> None:
    assert get_local_addr(Transport(socket=Socket(name))) == expected  # type: ignore
    if not isinstance(name, OSError):
        assert get_local_addr(Transport(sockname=name)) == expected  # type: ignore


def test_real_sockets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with socket.create_connection(listening.getsockname()) as client:
            transport: Any = Transport(socket=client)
            assert get_remote_addr(transport) == listening.getsockname()
            assert get_local_addr(transport) == client.getsockname()


def test_is_ssl() -> None:
    assert is_ssl(Transport(sslcontext=object()))  # type: ignore[arg-type]
    assert not is_ssl(Transport())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("client", "shown"),
    [
        (("127.0.0.1", 5000), "127.0.0.1:5000"),
        (("::1", 1), "::1:1"),
        (("caf\xe9\x9b\x1b[2J", 0), "caf\xe9\\x9b\\x1b[2J:0"),
        (None, ""),
    ],
)
def test_client_addr(client: Any, shown: str) -> None:
    assert get_client_addr({"client": client}) == shown  # type: ignore
    assert get_client_addr({}) == ""  # type: ignore


@pytest.mark.parametrize(
    ("path", "query", "shown"),
    [
        ("/", b"", "/"),
        ("/a/b", b"c=d&e=%20", "/a/b?c=d&e=%20"),
        ("/a b", b"", "/a%20b"),
        ("/é", b"", "/%C3%A9"),
        ("/\x1b[2J\r\n", b"", "/%1B%5B2J%0D%0A"),
        ("/?#", b"", "/%3F%23"),
        ("/\ud800", b"", "/%3F"),
        (
            "/",
            b"'\"<>[]{}|\\^`!$&()*+,;=:@/?-._~#%",
            "/?'\"<>[]{}|\\^`!$&()*+,;=:@/?-._~#%",
        ),
        ("/", b"\xc3\xa9 \x1b\x80\x7f", "/?%C3%A9%20%1B%80%7F"),
    ],
)
def test_path_with_query_string(path: str, query: bytes, shown: str) -> None:
    scope: Any = {"path": path, "query_string": query}
    text = get_path_with_query_string(scope)
    assert text == shown
    assert text.isascii()
    assert text.isprintable()


def test_client_disconnected_is_an_os_error() -> None:
    assert issubclass(ClientDisconnected, OSError)


def test_utils_log_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    get_remote_addr(Transport(socket=Socket(LOST)))  # type: ignore[arg-type]
    assert caplog.records == []

"""port_holder: names the process that listens on a port, on Linux."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

import pytest

from fastserve import port_holder

IN_USE = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

pytestmark = pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="the system has no /proc/net"
)


def listener(host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, 0), family=family)


def explain(host: str | None, sock: socket.socket) -> str | None:
    return port_holder.explain(IN_USE, host, sock.getsockname()[1])


@pytest.mark.parametrize(
    ("bound", "wanted"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "0.0.0.0"),
        ("127.0.0.1", None),
        ("0.0.0.0", "127.0.0.1"),
        ("::1", "::1"),
        ("::", "127.0.0.1"),
    ],
)
def test_the_holder_is_named(bound: str, wanted: str | None) -> None:
    with listener(bound) as sock:
        told, port = explain(wanted, sock), sock.getsockname()[1]
    assert told is not None
    assert told.startswith(f"Port {port} is held by process {os.getpid()} (")
    assert Path(sys.executable).name in told


def test_options_of_the_holder_are_not_shown() -> None:
    with listener("127.0.0.1") as sock:
        told = explain("127.0.0.1", sock)
    assert told is not None
    assert " --" not in told


def test_another_address_is_no_holder() -> None:
    with listener("127.0.0.1") as sock:
        assert explain("127.0.0.2", sock) is None


def test_other_errors_are_not_explained() -> None:
    with listener("127.0.0.1") as sock:
        port = sock.getsockname()[1]
        denied = OSError(errno.EACCES, os.strerror(errno.EACCES))
        assert port_holder.explain(denied, "127.0.0.1", port) is None
    assert port_holder.explain(IN_USE, "127.0.0.1", port) is None
    assert port_holder.explain(IN_USE, "127.0.0.1", 0) is None


def test_a_process_that_cannot_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = os.getuid()
    line = f"0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 {user} 0 4711 1 0 0 0"
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(f"header\n{line}\n")
    monkeypatch.setattr(port_holder, "_PROC", tmp_path)
    told = port_holder.explain(IN_USE, "127.0.0.1", 8080)
    assert told is not None
    assert told.startswith("Port 8080 is held by a process of the user ")


def test_no_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_holder, "_PROC", tmp_path)
    assert port_holder.explain(IN_USE, "127.0.0.1", 8080) is None

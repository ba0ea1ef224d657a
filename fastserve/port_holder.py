"""Which process listens on a port that is in use, where Linux's /proc tells.

Read only once binding has failed. Never raises: what cannot be found out, because it
is another system, another container or another user's process, is left out.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import itertools
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_LISTEN = "0A"  # TCP_LISTEN of the kernel's tcp_states.h
_LONGEST = 200  # characters of a command line

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class _Listener(NamedTuple):
    address: Address
    port: int
    user: int
    inode: str


def explain(error: OSError, host: str | None, port: int) -> str | None:
    """A sentence that names the holder of the port; None where there is none to name.

    `error` is what binding to `host` and `port` raised.
    """
    if error.errno != errno.EADDRINUSE or not port:
        return None
    with contextlib.suppress(OSError, ValueError):
        wanted = _addresses(host, port)
        for listener in _listeners():
            if listener.port == port and _collides(listener.address, wanted):
                return f"Port {port} is held by {_holder(listener)}."
    return None


def _addresses(host: str | None, port: int) -> set[Address]:
    found = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return {_plain(ipaddress.ip_address(str(name[0]))) for *_, name in found}


def _collides(address: Address, wanted: set[Address]) -> bool:
    everywhere = address.is_unspecified or any(each.is_unspecified for each in wanted)
    return everywhere or address in wanted


def _plain(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address


def _listeners() -> Iterator[_Listener]:
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):  # tcp6: no IPv6
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                _, local, _, state, _, _, _, user, _, inode, *_ = line.split()
                if state == _LISTEN:
                    address, port = local.split(":")
                    yield _Listener(_address(address), int(port, 16), int(user), inode)


def _address(text: str) -> Address:
    """An address as it stands in /proc/net: words of 32 bits, in the host's order."""
    octets = bytes.fromhex(text)
    if sys.byteorder == "little":
        words = (octets[at : at + 4][::-1] for at in range(0, len(octets), 4))
        octets = b"".join(words)
    return _plain(ipaddress.ip_address(octets))


def _holder(listener: _Listener) -> str:
    for process in sorted(map(int, filter(str.isdigit, os.listdir(_PROC)))):
        if _has_socket(_PROC / str(process), listener.inode):
            return f"process {process} ({_command(_PROC / str(process))})"
    with contextlib.suppress(ImportError, KeyError):
        import pwd

        return f"a process of the user {pwd.getpwuid(listener.user).pw_name}"
    return f"a process of the user with the id {listener.user}"


def _has_socket(process: Path, inode: str) -> bool:
    with contextlib.suppress(OSError):  # ended meanwhile, or not ours to look into
        for descriptor in os.scandir(process / "fd"):
            with contextlib.suppress(OSError):
                if os.readlink(descriptor.path) == f"socket:[{inode}]":
                    return True
    return False


def _command(process: Path) -> str:
    words = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    # No options: there may be a password among them.
    shown = itertools.takewhile(lambda word: not word.startswith(b"--"), words)
    return b" ".join(shown).decode("utf-8", "backslashreplace")[:_LONGEST]

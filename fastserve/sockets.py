"""Listening sockets that asyncio does not make: Unix paths, inherited descriptors.

Sockets are returned bound and not yet listening; the event loop's create_server does
the rest. Nothing here logs or exits: errors are OSError, for the caller to report.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import NamedTuple


class SocketFile(NamedTuple):
    """The file of a Unix socket, and which one it was when we made it."""

    path: str
    device: int
    inode: int

    @classmethod
    def at(cls, path: str) -> SocketFile:
        """The file that `path` is now; raises OSError when there is none."""
        path = os.path.abspath(path)
        found = os.stat(path)
        return cls(path, found.st_dev, found.st_ino)

    def remove(self) -> None:
        """Unlink the file, unless it is gone, another server's, or out of reach."""
        with contextlib.suppress(OSError):
            if SocketFile.at(self.path) == self:
                os.unlink(self.path)


def bind_unix_socket(path: str) -> tuple[socket.socket, SocketFile]:
    """Bind to `path`; a socket file that is there is replaced, and gives its mode.

    A new file gets mode 0666: who may connect is for the folder's mode to say.
    Raises OSError when the path cannot be bound, or is a file of another kind.
    """
    path = os.path.abspath(path)
    mode = 0o666
    with contextlib.suppress(FileNotFoundError):
        before = os.stat(path)
        mode = stat.S_IMODE(before.st_mode)
        if stat.S_ISSOCK(before.st_mode):
            os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        os.chmod(path, mode)
        file = SocketFile.at(path)
    except OSError as exc:
        sock.close()
        raise _with_detail(exc, f"unix socket {path}") from exc
    return sock, file


def inherited_socket(fd: int) -> socket.socket:
    """A socket object over a duplicate of `fd`, of whatever family that has.

    The descriptor itself stays open, so that connections queue in it while the
    server stops, for whoever takes it over. 0 is a descriptor like any other.
    Raises OSError when it is not open, or no stream socket.
    """
    try:
        copy = os.dup(fd)
    except OSError as exc:
        raise _with_detail(exc, f"file descriptor {fd}") from exc
    try:
        sock = socket.socket(fileno=copy)
    except OSError as exc:
        os.close(copy)
        raise _with_detail(exc, f"file descriptor {fd}") from exc
    if sock.type != socket.SOCK_STREAM:
        sock.close()
        problem = OSError(errno.EPROTOTYPE, os.strerror(errno.EPROTOTYPE))
        raise _with_detail(problem, f"file descriptor {fd}")
    return sock


def _with_detail(exc: OSError, detail: str) -> OSError:
    return OSError(exc.errno, f"{detail}: {exc.strerror}")

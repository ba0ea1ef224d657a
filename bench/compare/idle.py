"""Measures an `idle` workload: user memory of connections that are held and silent.

Each connection has had one answer. The growth of the process tree's memory over the
whole is divided by their number; what the kernel keeps for a socket is not in it.
"""

import resource
import socket
import time
from contextlib import ExitStack

from . import procfs
from .answers import WrongAnswer, check, read_answer, request_bytes
from .servers import FILES, free_port, running, wait_until_listening
from .window import Window

SILENCE = 3.0  # seconds; what a server drops after a while may go
SOCKET_LIMIT = 10  # seconds for one answer


def raise_file_limit():
    """Let this process, and so its children, open FILES descriptors.

    Raises SystemExit when the hard limit is lower and may not be raised.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= FILES:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, max(hard, FILES)))
    except ValueError:
        raise SystemExit(f"idle connections need `ulimit -n {FILES}`") from None


def connect(stack, port):
    """A connection that is closed with the stack."""
    address = ("127.0.0.1", port)
    return stack.enter_context(socket.create_connection(address, SOCKET_LIMIT))


def ask(connection, request):
    """Send a request and read its answer, leaving the connection open."""
    connection.sendall(request)
    with connection.makefile("rb") as stream:
        status, _, _ = read_answer(stream)
    if status != 200:
        raise WrongAnswer(f"status {status}, not 200")


def measure(server, workload, settings):
    """One round: bytes a connection, by PSS and by private pages."""
    raise_file_limit()
    port = free_port()
    argv = server.argv(settings.bin_dir, workload, port)
    with running(argv, settings.server_core) as process, ExitStack() as stack:
        wait_until_listening(process, port)
        for _ in range(100):  # caches and pools that a first request fills
            check(workload, port)
        time.sleep(SILENCE)
        window = Window(process.pid, settings.server_core, settings.load_core)
        before = tree_memory(process.pid)
        request = request_bytes(workload, port)
        held = [connect(stack, port) for _ in range(workload.connections)]
        for connection in held:
            ask(connection, request)
        time.sleep(SILENCE)
        after = tree_memory(process.pid)
        usage = window.stop()
        for connection in held[::100]:  # they were held indeed
            ask(connection, request)
    return {
        "value": (after.pss - before.pss) / workload.connections,
        "private": (after.private - before.private) / workload.connections,
        "process": after.pss,
        "usage": usage.as_dict(),
    }


def tree_memory(pid):
    """The Memory of a process and its descendants."""
    return procfs.memory(procfs.tree(procfs.processes(), pid))

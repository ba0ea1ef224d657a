"""Measures an `idle` workload: user memory of connections that are held and silent.

Each connection has had one answer. The growth of the process tree's memory over the
whole is divided by their number; what the kernel keeps for a socket is not in it.
"""

import resource
import time
from contextlib import ExitStack

from . import procfs
from .answers import WrongAnswer, check, connect, read_answer, request_bytes
from .process import serving
from .servers import FILES
from .window import Window

SILENCE = 3.0  # seconds; what a server drops after a while may go


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
    with serving(server, workload, settings) as served, ExitStack() as stack:
        pid, port = served.process.pid, served.port
        for _ in range(100):  # caches and pools that a first request fills
            check(workload, port)
        time.sleep(SILENCE)
        window = Window(pid, workload, settings)
        before = tree_memory(pid)
        request = request_bytes(workload, port)
        held = [
            stack.enter_context(connect(workload, port))
            for _ in range(workload.connections)
        ]
        for connection in held:
            ask(connection, request)
        time.sleep(SILENCE)
        after = tree_memory(pid)
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

"""Measures a `websocket-idle` workload: user memory of WebSockets that are silent.

The growth of the process tree's memory is divided by the number of connections, as in
idle.py. `beyond` is what of it is left without the application's own objects, which
app_objects.py makes as many of, in the same interpreter, without any server.
"""

import statistics
import subprocess
import time
from contextlib import ExitStack, closing
from functools import cache

from .answers import WrongAnswer
from .idle import SILENCE, raise_file_limit, tree_memory
from .process import clean_environment, pinned, serving
from .servers import APPS
from .websocket import FIN, Connection, check, masked_frame
from .window import Window

PING = 20  # seconds; servers then ping, and may let go of what they hold till then


def measure(server, workload, settings):
    """One round: bytes a connection by PSS, and beyond the application's objects."""
    raise_file_limit()
    frame = masked_frame(FIN | workload.first_byte, workload.payload)
    with serving(server, workload, settings) as served, ExitStack() as stack:
        pid, port = served.process.pid, served.port
        for _ in range(100):  # caches and pools that a first connection fills
            check(workload, port)
        time.sleep(SILENCE)
        window = Window(pid, workload, settings)
        before = tree_memory(pid)
        held = []
        for _ in range(workload.connections):
            held.append(stack.enter_context(closing(Connection(port, workload.offer))))
            if workload.speaks:
                held[-1].ask(frame)
        time.sleep(SILENCE)
        after = tree_memory(pid)
        usage = window.stop()
        if usage.wall > PING:
            raise WrongAnswer(f"a machine too slow: pings came within {usage.wall} s")
        for client in held[::100]:  # they were held indeed
            client.ask(frame)
    value = (after.pss - before.pss) / workload.connections
    has_application = server.name != "ceiling"
    own = app_objects(settings, workload.connections) if has_application else 0.0
    return {
        "value": value,
        "beyond": value - own,
        "process": after.pss,
        "usage": usage.as_dict(),
    }


@cache
def app_objects(settings, count):
    """Bytes of one application's own objects: the median of three interpreters."""
    argv = [f"{settings.bin_dir}/python", str(APPS / "app_objects.py"), str(count)]
    command = pinned(settings.server_cores, argv)
    return statistics.median(
        float(subprocess.check_output(command, env=clean_environment(), cwd="/"))
        for _ in range(3)
    )

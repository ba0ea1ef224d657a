"""Measures a `start` workload: milliseconds of import, and to a first answer.

Both are wall time from before the process is made, on the server's core, so the
start of the interpreter is in both, alike for all.
"""

import os
import statistics
import subprocess
import time

from .answers import check
from .servers import clean_environment, free_port, pinned, running, wait_until_listening
from .window import Window

STARTS = 5  # a round is the median of so many


def import_seconds(server, settings):
    """Wall time of an interpreter that imports the server's module and ends."""
    argv = [f"{settings.bin_dir}/python", "-c", f"import {server.module}"]
    started = time.monotonic()
    subprocess.run(
        pinned(settings.server_core, argv),
        check=True,
        cwd="/",
        env=clean_environment(),
    )
    return time.monotonic() - started


def start_seconds(server, workload, settings):
    """Wall time from no process to a checked first answer."""
    port = free_port()
    argv = server.argv(settings.bin_dir, workload, port)
    started = time.monotonic()
    with running(argv, settings.server_core) as process:
        wait_until_listening(process, port)
        check(workload, port)
        return time.monotonic() - started


def measure(server, workload, settings):
    """One round: medians of STARTS imports and STARTS starts."""
    window = Window(os.getpid(), settings.server_core, settings.load_core)
    imports = [import_seconds(server, settings) for _ in range(STARTS)]
    starts = [start_seconds(server, workload, settings) for _ in range(STARTS)]
    return {
        "value": statistics.median(starts) * 1000,
        "import": statistics.median(imports) * 1000,
        "usage": window.stop().as_dict(),
    }

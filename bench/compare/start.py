"""Measures a `start` workload: milliseconds of import, and to a first answer.

Both are wall time from before the process is made, on the server's core, so the
start of the interpreter is in both, alike for all.
"""

import os
import statistics
import subprocess
import time

from .answers import check
from .process import clean_environment, pinned, serving
from .window import Window

STARTS = 5  # a round is the median of so many


def import_seconds(server, settings):
    """Wall time of an interpreter that imports the server's module and ends.

    None for a server that is no Python module.
    """
    if not server.module:
        return None
    argv = [f"{settings.bin_dir}/python", "-c", f"import {server.module}"]
    started = time.monotonic()
    subprocess.run(
        pinned(settings.server_cores[0], argv),
        check=True,
        cwd="/",
        env=clean_environment(),
    )
    return time.monotonic() - started


def start_seconds(server, workload, settings):
    """Wall time from no process to a checked first answer."""
    started = time.monotonic()
    with serving(server, workload, settings) as served:
        check(workload, served.port)
        return time.monotonic() - started


def measure(server, workload, settings):
    """One round: medians of STARTS imports and STARTS starts."""
    window = Window(os.getpid(), workload, settings)
    imports = [import_seconds(server, settings) for _ in range(STARTS)]
    starts = [start_seconds(server, workload, settings) for _ in range(STARTS)]
    return {
        "value": statistics.median(starts) * 1000,
        "import": statistics.median(imports) * 1000 if server.module else None,
        "usage": window.stop().as_dict(),
    }

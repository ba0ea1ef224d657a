"""Measures a `handshake` workload: TLS handshakes, each for one request, no resumption.

wrk resumes its sessions, so its second connection would not be a new one. This client
has a new context for each connection, one at a time, and so is always the limit.
"""

import time

from .answers import check
from .process import serving
from .samples import percentiles_us, record
from .window import Window

WARM_UP = 50  # connections


def connect_once(workload, port):
    """Connect, ask, check the answer, close; the seconds it took."""
    started = time.monotonic()
    check(workload, port)
    return time.monotonic() - started


def measure(server, workload, settings):
    """One round: connections until the time is over."""
    with serving(server, workload, settings) as served:
        for _ in range(WARM_UP):
            connect_once(workload, served.port)
        window = Window(served.process.pid, workload, settings)
        end = time.monotonic() + settings.seconds
        times = []
        while time.monotonic() < end:
            times.append(connect_once(workload, served.port))
        usage = window.stop()
        served.must_live()
    return record(usage, len(times), usage.wall, percentiles_us(times))

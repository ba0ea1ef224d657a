"""Measures an `upload` workload: large bodies on one connection, one after the other.

wrk would end in the midst of a body, and what that one had cost would be counted with
the others; this client ends with an answer.
"""

import time

from .answers import compare, connect, read_answer, request_bytes
from .process import serving
from .samples import percentiles_us, record
from .window import Window


def send_one(connection, stream, workload, request):
    """Send a request and check its answer; the seconds it took."""
    started = time.monotonic()
    connection.sendall(request)
    status, _, body = read_answer(stream)
    compare(workload, status, body)
    return time.monotonic() - started


def measure(server, workload, settings):
    """One round: uploads until the time is over, the last of them whole."""
    with serving(server, workload, settings) as served:
        request = request_bytes(workload, served.port)
        with (
            connect(workload, served.port) as connection,
            connection.makefile("rb") as stream,
        ):
            connection.settimeout(60)
            send_one(connection, stream, workload, request)
            window = Window(served.process.pid, workload, settings)
            times = []
            while sum(times) < settings.seconds:
                times.append(send_one(connection, stream, workload, request))
            usage = window.stop()
        served.must_live()
    return record(usage, len(times), usage.wall, percentiles_us(times))

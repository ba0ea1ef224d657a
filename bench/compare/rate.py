"""Measures latency at a constant rate, one for all servers: the report's second table.

rate_load.c sends each request when it is due, whatever became of those before, and
counts from then: corrected for coordinated omission.
"""

import dataclasses
from functools import partial
from pathlib import Path

from . import document, figures, rounds
from .answers import WrongAnswer, check, request_bytes
from .process import serving
from .programs import Client
from .samples import record
from .window import Window

SOURCE = Path(__file__).with_name("rate_load.c")
SHARE = 0.7  # of the slowest server's maximum


def rate_for(samples, limits):
    """Requests a second that every server can do: SHARE of what the slowest did.

    `samples` are those of the closed loop; None without any. Limits do not count.
    """
    rates = [
        figures.median(taken, "rate")
        for name, taken in samples.items()
        if taken and name not in limits
    ]
    return int(SHARE * min(rates)) if rates else None


def measure(rate, server, workload, settings):
    """One round: its `value` is the 99th percentile in microseconds."""
    with serving(server, workload, settings) as served:
        check(workload, served.port)
        arguments = [served.port, workload.connections, settings.seconds]
        arguments += [rate, len(workload.answer)]
        blocks = (request_bytes(workload, served.port),)
        with Client(SOURCE, arguments, blocks, settings) as client:
            window = Window(served.process.pid, workload, settings)
            figures_of_run = client.go()
            usage = window.stop()
        served.must_live()
        return sample(figures_of_run, usage)


def sample(found, usage):
    """The figures of rate_load and of /proc as one record."""
    missed = found["unanswered"]
    errors = {"unanswered": missed} if missed else {}
    if not found["requests"]:
        raise WrongAnswer(f"no request was answered: {found}")
    latency = found["latency_us"]
    taken = record(usage, found["requests"], found["seconds"], latency, errors)
    return taken | {"cpu": taken["value"], "value": latency["p99"]}


def table(result, servers, settings, progress, not_quiet):
    """The entry of the document for a workload that was measured; None without one."""
    rate = rate_for(result.samples, result.workload.limits)
    if rate is None:
        return None
    chosen = [server for server in servers if result.samples.get(server.name)]
    title = f"{result.workload.title}, {rate:,} requests/s"
    workload = dataclasses.replace(result.workload, title=title)
    measured = rounds.run(workload, chosen, settings, progress, partial(measure, rate))
    return document.entry(measured, "rate", not_quiet) | {"rate": rate}

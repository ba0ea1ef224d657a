"""Measures a `load` workload: wrk on one core, the server on another.

Every round has a fresh server, checked and warmed up before it is timed.
"""

import json
import subprocess
from pathlib import Path

from .answers import WrongAnswer, check
from .process import pinned, serving
from .samples import record
from .window import Window

SCRIPT = Path(__file__).with_name("load.lua")
WARM_UP = 1  # seconds; wrk takes whole ones


def wrk(workload, port, seconds, core):
    """Run wrk once; its figures as load.lua prints them.

    Raises WrongAnswer when wrk fails or prints no figures.
    """
    scheme = "https" if workload.tls else "http"
    argv = ["wrk", "-t1", f"-c{workload.connections}", f"-d{seconds}s", "--timeout=10s"]
    argv += [f"-H{name}: {value}" for name, value in workload.headers]
    argv += [f"-s{SCRIPT}", f"{scheme}://127.0.0.1:{port}/", "--"]
    argv += [workload.method, str(workload.body_size), str(workload.depth)]
    argv += [workload.path]
    result = subprocess.run(
        pinned(core, argv), capture_output=True, text=True, timeout=seconds + 30
    )
    _, found, figures = result.stdout.partition("\n@@")
    if not found:
        raise WrongAnswer(f"wrk: {result.stdout}{result.stderr}")
    return json.loads(figures)


def measure(server, workload, settings):
    """One round: a dict with the figures of one server on one workload."""
    with serving(server, workload, settings) as served:
        check(workload, served.port)
        wrk(workload, served.port, WARM_UP, settings.load_core)
        window = Window(served.process.pid, workload, settings)
        figures = wrk(workload, served.port, settings.seconds, settings.load_core)
        usage = window.stop()
        served.must_live()
        return sample(workload, figures, usage)


def sample(workload, figures, usage):
    """The figures of wrk and of /proc as one record."""
    requests = figures["requests"]
    if not requests:
        raise WrongAnswer(f"no request was answered: {figures}")
    if figures["bytes"] < requests * len(workload.answer):
        raise WrongAnswer("the answers under load were shorter than the one checked")
    return record(
        usage,
        requests,
        figures["microseconds"] / 1e6,
        # wrk does not time pipelined answers.
        figures["latency_us"] if workload.depth == 1 else None,
        {kind: count for kind, count in figures["errors"].items() if count},
    )

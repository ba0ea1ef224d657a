"""Measures a `load` workload: wrk on one core, the server on another.

Every round has a fresh server, checked and warmed up before it is timed.
"""

import json
import subprocess
from pathlib import Path

from .answers import WrongAnswer, check
from .servers import free_port, pinned, running, wait_until_listening
from .window import Window

SCRIPT = Path(__file__).with_name("load.lua")
WARM_UP = 1  # seconds; wrk takes whole ones


def wrk(workload, port, seconds, core):
    """Run wrk once; its figures as load.lua prints them.

    Raises WrongAnswer when wrk fails or prints no figures.
    """
    argv = ["wrk", "-t1", f"-c{workload.connections}", f"-d{seconds}s", "--timeout=10s"]
    argv += [f"-H{name}: {value}" for name, value in workload.headers]
    argv += [f"-s{SCRIPT}", f"http://127.0.0.1:{port}{workload.path}", "--"]
    argv += [workload.method, str(workload.body_size), str(workload.depth)]
    result = subprocess.run(
        pinned(core, argv), capture_output=True, text=True, timeout=seconds + 30
    )
    _, found, figures = result.stdout.partition("\n@@")
    if not found:
        raise WrongAnswer(f"wrk: {result.stdout}{result.stderr}")
    return json.loads(figures)


def measure(server, workload, settings):
    """One round: a dict with the figures of one server on one workload."""
    port = free_port()
    argv = server.argv(settings.bin_dir, workload, port)
    with running(argv, settings.server_core) as process:
        wait_until_listening(process, port)
        check(workload, port)
        wrk(workload, port, WARM_UP, settings.load_core)
        window = Window(process.pid, settings.server_core, settings.load_core)
        figures = wrk(workload, port, settings.seconds, settings.load_core)
        usage = window.stop()
        if process.poll() is not None:
            raise WrongAnswer(f"the server ended with code {process.returncode}")
    return sample(workload, figures, usage)


def sample(workload, figures, usage):
    """The figures of wrk and of /proc as one record."""
    requests = figures["requests"]
    if not requests:
        raise WrongAnswer(f"no request was answered: {figures}")
    if figures["bytes"] < requests * len(workload.answer):
        raise WrongAnswer("the answers under load were shorter than the one checked")
    latency = figures["latency_us"]
    return {
        "value": usage.server_cpu * 1e6 / requests,
        "rate": requests * 1e6 / figures["microseconds"],
        "requests": requests,
        "errors": {k: v for k, v in figures["errors"].items() if v},
        # wrk does not time pipelined answers.
        "latency_us": latency if workload.depth == 1 else None,
        "usage": usage.as_dict(),
    }

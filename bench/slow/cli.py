"""Measures wrk's rate alone, beside the attack, and alone again.

The server has one core; wrk and the attack share the other.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys

from bench.compare.answers import check
from bench.compare.load import WARM_UP, wrk
from bench.compare.process import pinned, serving
from bench.compare.rounds import Settings
from bench.profile.cli import BIN, LOAD_CORE, OFFERED, SERVER, SERVER_CORE

FEWEST = 0.9  # of the usual rate


def parser():
    """The options."""
    result = argparse.ArgumentParser(
        prog="python -m bench.slow",
        description="Requests a second while thousands of heads trickle in.",
        epilog="Exit codes: 0 done; 1 the rate fell below 90 %; 2 it cannot be done.",
    )
    add = result.add_argument
    add("--connections", type=int, default=5000, help="of the attack; default 5000")
    add("--seconds", type=int, default=60, help="of the attack; default 60")
    return result


@contextlib.contextmanager
def attacked(port, count):
    """The attack goes on in the block; its answers are in the dict after it."""
    argv = [sys.executable, "-m", "bench.slow.peers", str(port), str(count)]
    process = subprocess.Popen(
        pinned(LOAD_CORE, argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    answers = {}
    try:
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the attack did not begin; what it said is above")
        yield answers
        answers.update(json.loads(process.communicate(timeout=60)[0]))
    finally:
        process.kill()
        process.wait()


def measure(connections, seconds):
    """Requests a second (before, meanwhile, after), and what the attack got."""
    workload = OFFERED["plaintext"]
    settings = Settings(BIN, 1, seconds, (SERVER_CORE,), LOAD_CORE, None)

    def rate(port, length):
        return wrk(workload, port, length, LOAD_CORE)["requests"] / length

    with serving(SERVER, workload, settings) as served:
        check(workload, served.port)
        rate(served.port, WARM_UP)
        alone = max(seconds // 4, 1)
        before = rate(served.port, alone)
        with attacked(served.port, connections) as answers:
            meanwhile = rate(served.port, seconds)
        after = rate(served.port, alone)
        served.must_live()
        return (before, meanwhile, after), answers


def main(arguments=None):
    """Run the command; returns the exit code."""
    options = parser().parse_args(arguments)
    if not shutil.which("wrk") or not {0, 1} <= os.sched_getaffinity(0):
        print("wrk (Debian: wrk) and cores 0 and 1 are needed", file=sys.stderr)
        return 2
    rates, answers = measure(options.connections, options.seconds)
    before, meanwhile, after = rates
    share = 2 * meanwhile / (before + after)
    print(f"{options.connections:,} heads that trickle in, {options.seconds} s:")
    print(f"requests a second before, meanwhile, after: {before:,.0f}", end="")
    print(f", {meanwhile:,.0f}, {after:,.0f}: {share:.1%} of the usual rate")
    print(f"the attack was answered: {answers}")
    return 0 if share > FEWEST else 1

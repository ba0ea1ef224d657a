"""Measures wrk's rate at a server that is attacked, and at one that is not, by turns.

The servers have one core; wrk and the attack share the other.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys

from bench.compare.answers import check
from bench.compare.load import WARM_UP, wrk
from bench.compare.process import pinned, serving
from bench.compare.rounds import Settings
from bench.profile.cli import BIN, LOAD_CORE, OFFERED, SERVER, SERVER_CORE

FEWEST = 0.9  # of the usual rate
SLICE = 4  # seconds


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


class Attack:
    """The process of the attack; it stands still but for `with attack.going_on()`."""

    def __init__(self, port, count):
        argv = [sys.executable, "-m", "bench.slow.peers", str(port), str(count)]
        self._process = subprocess.Popen(
            pinned(LOAD_CORE, argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @contextlib.contextmanager
    def going_on(self):
        """The bytes trickle in."""
        self._process.send_signal(signal.SIGCONT)
        yield
        self._process.send_signal(signal.SIGSTOP)

    def begin(self):
        """Wait until all are connected, and stop."""
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the attack did not begin; what it said is above")
        self._process.send_signal(signal.SIGSTOP)

    def end(self):
        """How often it was answered, by status."""
        self._process.send_signal(signal.SIGCONT)
        return json.loads(self._process.communicate(timeout=60)[0])

    def kill(self):
        self._process.kill()
        self._process.wait()


def measure(connections, seconds):
    """Requests a second of both servers, one attacked, and what the attack got.

    Slices of each take turns, for the machine is not as fast at all times.
    """
    workload = OFFERED["plaintext"]
    settings = Settings(BIN, 1, seconds, (SERVER_CORE,), LOAD_CORE, None)

    def requests(served, length=SLICE):
        return wrk(workload, served.port, length, LOAD_CORE)["requests"]

    with (
        serving(SERVER, workload, settings) as attacked,
        serving(SERVER, workload, settings) as alone,
    ):
        for served in (attacked, alone):
            check(workload, served.port)
            requests(served, WARM_UP)
        attack = Attack(attacked.port, connections)
        try:
            attack.begin()
            usual = meanwhile = 0
            for _ in range(seconds // SLICE):
                usual += requests(alone)
                with attack.going_on():
                    meanwhile += requests(attacked)
            answers = attack.end()
        finally:
            attack.kill()
        attacked.must_live()
        timed = seconds // SLICE * SLICE
        return usual / timed, meanwhile / timed, answers


def main(arguments=None):
    """Run the command; returns the exit code."""
    options = parser().parse_args(arguments)
    if not shutil.which("wrk") or not {0, 1} <= os.sched_getaffinity(0):
        print("wrk (Debian: wrk) and cores 0 and 1 are needed", file=sys.stderr)
        return 2
    usual, meanwhile, answers = measure(options.connections, options.seconds)
    share = meanwhile / usual
    print(f"{options.connections:,} heads that trickle in, {options.seconds} s:")
    print(f"{meanwhile:,.0f} requests a second, {share:.1%} of the usual {usual:,.0f}")
    print(f"the attack was answered: {answers}")
    return 0 if share > FEWEST else 1

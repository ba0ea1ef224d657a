"""The command line: serve, load, sample, print, draw.

Progress goes to standard error, the tables to standard output. The server has one core
and wrk the other, as in bench.compare, whose workloads these are.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.compare import procfs
from bench.compare.answers import check
from bench.compare.load import wrk
from bench.compare.process import ServerFailed, serving
from bench.compare.rounds import Settings
from bench.compare.servers import SERVERS
from bench.compare.workloads import WORKLOADS

from . import flame, samples

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SERVER = next(server for server in SERVERS if server.name == "fastserve")
SERVER_CORE, LOAD_CORE = 0, 1
OFFERED = {
    workload.name: workload
    for workload in WORKLOADS
    if workload.kind == "load" and workload.workers == 1 and not workload.tls
}
WARM_UP = 1  # seconds
RATE = 997  # samples a second; not a divisor of any clock's
STACK = 16384  # bytes of it that perf keeps of each sample
FUNCTIONS = 25  # in the second table
TOOLS = {"perf": "linux-perf", "wrk": "wrk", "taskset": "util-linux"}


class ProfileFailed(Exception):
    """perf could not sample the server; the text says why."""


def parser():
    """The options, with the names of the workloads."""
    result = argparse.ArgumentParser(
        prog="python -m bench.profile",
        description="Sample fastserve under load: a flame graph, and shares of time.",
        epilog=f"workloads: {', '.join(OFFERED)}",
    )
    add = result.add_argument
    add("--workload", choices=OFFERED, default="plaintext", metavar="NAME")
    add("--seconds", type=int, default=5, help="default 5")
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="the SVG; default build/profile/WORKLOAD.svg",
    )
    return result


def progress(text):
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def perf(*arguments):
    """The output of a perf command; raises ProfileFailed with its complaint."""
    ran = subprocess.run(["perf", *arguments], capture_output=True, text=True)
    if ran.returncode:
        raise ProfileFailed(f"perf {arguments[0]}: {ran.stderr.strip()[-1000:]}")
    return ran.stdout


def record(process, data, load):
    """Sample a process while load() runs; returns what load() does."""
    command = ["perf", "record", "-q", "-F", str(RATE), "-p", str(process.pid)]
    command += ["--call-graph", f"dwarf,{STACK}", "-o", str(data)]
    recorder = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        result = load()
    finally:
        recorder.send_signal(signal.SIGINT)
        complaint = recorder.communicate()[1]
    if not data.exists() or not data.stat().st_size:
        raise ProfileFailed(
            f"perf record: {complaint.strip()[-1000:]}\nIt takes root, or"
            " 1 and less in /proc/sys/kernel/perf_event_paranoid."
        )
    return result


def measure(workload, seconds, data):
    """Serve and load; returns the CPU microseconds of a request."""
    settings = Settings(BIN, 1, seconds, (SERVER_CORE,), LOAD_CORE, None)
    with serving(SERVER, workload, settings) as served:
        check(workload, served.port)
        wrk(workload, served.port, WARM_UP, LOAD_CORE)

        def load():
            before = cpu_seconds(served.process.pid)
            figures = wrk(workload, served.port, seconds, LOAD_CORE)
            spent = cpu_seconds(served.process.pid) - before
            return spent * 1e6 / max(figures["requests"], 1)

        return record(served.process, data, load)


def cpu_seconds(pid):
    """CPU time that a process has used so far."""
    return procfs.cpu_seconds(procfs.processes(), {pid})


def report(workload, stacks, microseconds, output):
    """Print the tables and draw the picture."""
    subtitle = f"{len(stacks):,} samples, {microseconds:.2f} us of CPU a request"
    print(f"{workload.title}: {subtitle}\n")
    print(samples.share_table(stacks, microseconds), end="\n\n")
    print(samples.function_table(stacks, microseconds, FUNCTIONS), end="\n\n")
    title = f"fastserve: {workload.title}, {time.strftime('%Y-%m-%d')}"
    output.write_text(flame.svg(stacks, title, subtitle))
    print(f"the flame graph: {output}")


def main(arguments=None):
    """Run the command; returns the exit code: 2 when it could not be done."""
    options = parser().parse_args(arguments)
    for tool, package in TOOLS.items():
        if not shutil.which(tool):
            progress(f"{tool} is not installed (Debian: {package})")
            return 2
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        progress(f"cores {SERVER_CORE} and {LOAD_CORE} are needed")
        return 2
    workload = OFFERED[options.workload]
    output = options.output or ROOT / "build" / "profile" / f"{workload.name}.svg"
    output.parent.mkdir(parents=True, exist_ok=True)
    data = output.with_suffix(".data")
    data.unlink(missing_ok=True)
    try:
        progress(f"{workload.title}, {options.seconds} s")
        microseconds = measure(workload, options.seconds, data)
        fields = ("--no-inline", "-F", "comm,ip,sym,dso")
        stacks = samples.read(perf("script", "-i", str(data), *fields))
    except (ProfileFailed, ServerFailed) as error:
        progress(str(error))
        return 2
    report(workload, stacks, microseconds, output)
    return 0

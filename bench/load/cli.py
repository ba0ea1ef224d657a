"""The command line: start both servers, load them, restart one, judge.

Progress goes to standard error, what was found to standard output. Reports, samples
and logs are kept in one folder.
"""

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from . import judge, servers
from .crowd import Crowd, CrowdFailed

ROOT = Path(__file__).parents[2]
WARM_UP = 5.0  # seconds before the timed part
WINDOWS = 9
RESTART_LIMIT = 120.0  # seconds to new workers, two of them and one after the other
AFTERWARDS = 3.0  # seconds of load on the new workers


def parser():
    """The options."""
    result = argparse.ArgumentParser(
        prog="python -m bench.load",
        description="Load fastserve and uvicorn side by side with locust's users.",
        epilog="Exit codes: 0 passed; 1 a request failed, the log complains, or p99 is"
        " shown to be over the limit; 2 could not be done.",
    )
    add = result.add_argument
    add(
        "--locust",
        default=str(ROOT / ".venv-load/bin/locust"),
        metavar="COMMAND",
        help="default .venv-load/bin/locust",
    )
    add("--users", type=int, default=64, help="half of them for each; default 64")
    add("--seconds", type=int, default=45, help="of the timed part; default 45")
    add(
        "--processes",
        type=int,
        default=0,
        metavar="N",
        help="a master of locust's and N workers, in place of one process",
    )
    add(
        "--p99",
        choices=("gate", "print"),
        default="gate",
        help="whether p99 beside uvicorn's decides; default gate",
    )
    add(
        "--folder",
        type=Path,
        default=ROOT / "build" / "load",
        metavar="DIR",
        help="for report.html, samples.tsv and logs; default build/load",
    )
    return result


def progress(text):
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def load(options, ours, rival):
    """The whole run; returns (samples, start and end of the timed part)."""
    targets = f"{ours.name}={ours.url},{rival.name}={rival.url}"
    with Crowd(options, targets) as crowd:
        crowd.wait_for_first_sample()
        time.sleep(WARM_UP)
        start = time.time()
        progress(f"{options.users} users for {options.seconds} s")
        crowd.wait(options.seconds)
        end = time.time()
        progress(f"SIGHUP to {ours.name}, the load goes on")
        ours.replace_workers(RESTART_LIMIT)
        progress(f"all its workers are new after {time.time() - end:.1f} s")
        crowd.wait(AFTERWARDS)
    ours.stop()
    return crowd.samples(), start, end


def report_failures(samples, server):
    """Print what failed on a server; returns the number."""
    failures = judge.failures(samples, server.name)
    total = sum(sample.target == server.name for sample in samples)
    count = sum(failures.values())
    print(f"{server.name}: {total:,} requests, {count} failures")
    for (method, kind, failure), times in failures.most_common(20):
        print(f"    {times} x {method} {kind}: {failure}")
    return count


def report_complaints(server):
    """Print what a server's log complains of; returns the number of lines."""
    complaints = server.complaints()
    for line in complaints[:20]:
        print(f"    {server.log.name}: {line}")
    return len(complaints)


def report(options, ours, rival, samples, start, end):
    """Print what was found; returns the exit code."""
    names = [ours.name, rival.name]
    print(judge.table([s for s in samples if start <= s.time < end], names))
    print()
    bad = report_failures(samples, ours) + report_complaints(ours)
    report_failures(samples, rival)
    verdict = judge.Verdict(judge.window_ratios(samples, *names, start, end, WINDOWS))
    print(verdict.sentence(rival.name))
    print(f"the report: {options.folder / 'report.html'}")
    return 1 if bad or (verdict.is_over and options.p99 == "gate") else 0


def main(arguments=None):
    """Run the command; returns the exit code."""
    options = parser().parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            progress("starting the servers, two workers each")
            ours, rival = (
                stack.enter_context(servers.running(name, options.folder))
                for name in servers.SERVERS
            )
            found = load(options, ours, rival)
            return report(options, ours, rival, *found)
    except (CrowdFailed, servers.ServerFailed, OSError) as error:
        progress(f"failed: {error}")
        return 2

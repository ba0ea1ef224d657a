"""The command line: choose, install, measure, print.

Progress goes to standard error, tables to standard output.
"""

import argparse
import datetime
import json
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

from . import report, rounds
from .environment import ROOT, Environment, InstallFailed, describe_machine
from .servers import SERVERS
from .workloads import WORKLOADS


def names(table, what):
    """An argparse type: a comma-separated list of names out of `table`."""
    known = {entry.name: entry for entry in table}

    def parse(text):
        wanted = text.split(",")
        for name in wanted:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {what} named {name!r}")
        return [entry for entry in table if entry.name in wanted]

    return parse


def positive(text):
    """An argparse type: an integer of 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return value


def parser():
    """The options, with the names of servers and workloads."""
    workloads = "\n".join(f"  {w.name:<16} {w.title}" for w in WORKLOADS)
    servers = ", ".join(server.name for server in SERVERS)
    result = argparse.ArgumentParser(
        prog="python -m bench.compare",
        description="Compare ASGI servers by CPU time a request.",
        epilog=f"workloads:\n{workloads}\n\nservers: {servers}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--rounds", type=positive, default=5, help="default 5")
    add("--seconds", type=positive, default=3, help="of load a round; default 3")
    add(
        "--only",
        type=names(WORKLOADS, "workload"),
        default=list(WORKLOADS),
        metavar="WORKLOAD[,...]",
    )
    add(
        "--servers",
        type=names(SERVERS, "server"),
        default=list(SERVERS),
        metavar="SERVER[,...]",
    )
    add("--json", type=Path, metavar="FILE", help="write every sample there")
    add(
        "--venv",
        type=Path,
        default=ROOT / ".venv-compare",
        metavar="DIR",
        help="the servers' environment, made if missing; default .venv-compare",
    )
    add("--upgrade", action="store_true", help="install the newest of everything")
    add("--server-core", type=int, default=0, metavar="N", help="default 0")
    add("--load-core", type=int, default=1, metavar="N", help="default 1")
    return result


def check_machine(options):
    """Raise SystemExit, with a sentence, where the machine cannot do it."""
    for tool, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is not installed (Debian: {package})")
    cores = {options.server_core, options.load_core}
    if len(cores) < 2 or not cores <= os.sched_getaffinity(0):
        raise SystemExit("two different cores are needed that this process may use")


def progress(text):
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def install(servers, environment, upgrade):
    """Install the servers; those that cannot be are named and left out.

    Without fastserve there is nothing to compare: InstallFailed is raised then.
    """
    installed = []
    for server in servers:
        progress(f"installing {server.name}")
        try:
            environment.install(server, upgrade)
        except InstallFailed as error:
            if not server.requirements:
                raise
            progress(f"left out: {server.name}\n{error}")
            continue
        installed.append(server)
    return installed


def print_commands(servers, workloads, settings):
    """The command line of each server, as it is for the first workload."""
    for server in servers:
        argv = server.argv(settings.bin_dir, workloads[0], 8000)
        print(f"{server.name}: {shlex.join(argv).replace(f'{ROOT}/', '')}")
        if server.idle:
            print(f"    while connections idle: {shlex.join(server.idle)}")
    print(flush=True)


def measure(options, environment, servers):
    """Measure and print; returns the results in order."""
    settings = rounds.Settings(
        environment.bin_dir,
        options.rounds,
        options.seconds,
        options.server_core,
        options.load_core,
    )
    date = datetime.datetime.now(datetime.UTC).isoformat(" ", "minutes")
    machine = describe_machine((options.server_core, options.load_core))
    versions = environment.versions()
    print(report.header(machine, versions, settings, date), end="\n\n")
    print_commands(servers, options.only, settings)
    results = []
    for workload in options.only:
        results.append(rounds.run(workload, servers, settings, progress))
        print(report.render(results[-1]), end="\n\n", flush=True)
        if options.json:
            write_json(options.json, date, machine, versions, results)
    print(report.LEGEND)
    return results


def write_json(path, date, machine, versions, results):
    """All that is known so far; written after each workload."""
    document = {
        "date": date,
        "machine": machine,
        "versions": versions,
        "workloads": {r.workload.name: report.as_dict(r) for r in results},
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def main(arguments=None):
    """Run the command; returns the exit code: 1 when a server failed."""
    options = parser().parse_args(arguments)
    check_machine(options)
    # A SIGTERM unwinds the stack, so that every server is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.sched_setaffinity(0, {options.load_core})
    environment = Environment(options.venv)
    try:
        servers = install(options.servers, environment, options.upgrade)
    except InstallFailed as error:
        raise SystemExit(f"fastserve could not be installed:\n{error}") from None
    results = measure(options, environment, servers)
    return 1 if any(result.failures for result in results) else 0

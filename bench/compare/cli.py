"""The command line: choose, install, measure, report.

Until the environment is there only the standard library is used; then the command
starts itself anew in it, for rich and matplotlib are installed there.
"""

import argparse
import datetime
import os
import shlex
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from . import document, quiet, rate, rounds
from .environment import (
    ROOT,
    Environment,
    InstallFailed,
    describe_machine,
    make_certificate,
)
from .idle import raise_file_limit
from .process import launch
from .servers import SERVERS
from .workloads import WORKLOADS

# About ten minutes: what most people ask first, beside the rivals that count.
QUICK = {
    "only": "plaintext,varied,fastapi-async,echo-1k,ws-16",
    "servers": "ceiling,fastserve,uvicorn,granian,h2corn,peregrine",
    "rounds": 3,
    "seconds": 2,
}


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


def cores(text):
    """An argparse type: numbers of cores, all different."""
    found = tuple(int(part) for part in text.split(","))
    if len(set(found)) < len(found):
        raise argparse.ArgumentTypeError("each core once")
    return found


def parser():
    """The options, with the names of servers and workloads."""
    workloads = "\n".join(
        f"  {w.name:<22} {'* ' if w.core else '  '}{w.title}" for w in WORKLOADS
    )
    servers = ", ".join(server.name for server in SERVERS if not server.is_minor)
    minor = ", ".join(server.name for server in SERVERS if server.is_minor)
    result = argparse.ArgumentParser(
        prog="python -m bench.compare",
        description="Compare ASGI servers by CPU time a request.",
        epilog=f"workloads (*: core):\n{workloads}\n\nservers: {servers}\n"
        f"minor servers: {minor}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--quick", action="store_true", help="about ten minutes: a few of everything")
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
        metavar="SERVER[,...]",
        help="default: all, but the minor ones only in the workloads that are core",
    )
    add(
        "--no-constant-rate",
        dest="constant_rate",
        action="store_false",
        help="leave out the latencies at a constant rate",
    )
    add("--json", type=Path, metavar="FILE", help="write every sample there")
    add("--markdown", type=Path, metavar="FILE", help="write the report there")
    add("--plots", type=Path, metavar="DIR", help="draw PNG files there")
    add(
        "--render",
        type=Path,
        metavar="JSON",
        help="measure nothing: make the report and plots of an earlier result",
    )
    add(
        "--venv",
        type=Path,
        default=ROOT / ".venv-compare",
        metavar="DIR",
        help="the servers' environment, made if missing; default .venv-compare",
    )
    add("--upgrade", action="store_true", help="install the newest of everything")
    add(
        "--no-install",
        dest="install",
        action="store_false",
        help="use the environment, and this interpreter, as they are",
    )
    add(
        "--patience",
        type=int,
        default=120,
        metavar="SECONDS",
        help="how long to wait for a quiet machine before the start; default 120",
    )
    add(
        "--server-cores",
        type=cores,
        default=(0,),
        metavar="N[,N]",
        help="default 0; a second core is for a second worker",
    )
    add("--load-core", type=int, default=1, metavar="N", help="default 1")
    return result


def options_of(arguments):
    """The options; --quick sets what was not given."""
    options = parser().parse_args(arguments)
    if options.quick:
        more = [f"--{name}={value}" for name, value in QUICK.items()]
        given = sys.argv[1:] if arguments is None else list(arguments)
        options = parser().parse_args([*more, *given])
    return options


def check_machine(options):
    """Raise SystemExit, with a sentence, where the machine cannot do it."""
    needed = (("wrk", "wrk"), ("taskset", "util-linux"), ("openssl", "openssl"))
    for tool, package in needed:
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is not installed (Debian: {package})")
    used = {*options.server_cores, options.load_core}
    free = os.sched_getaffinity(0)
    if options.load_core in options.server_cores or not used <= free:
        raise SystemExit(
            f"the load needs a core of its own, and this process may use {sorted(free)}"
        )


def enter(environment, options):
    """Go on in the environment's interpreter, with what the command itself needs."""
    python = environment.bin_dir / "python"
    if not options.install or Path(sys.prefix) == environment.directory:
        return
    environment.install_tools()
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    arguments = [python, "-m", "bench.compare", *sys.argv[1:]]
    os.execve(python, list(map(str, arguments)), variables)


def install(servers, environment, options, display):
    """(the servers that are installed, {name of another: why it is left out}).

    Raises InstallFailed without fastserve: there is nothing to compare then.
    """
    installed, left_out = [], {}
    for server in servers:
        if options.install or server.program:
            display.line(f"installing {server.name}")
            try:
                environment.install(server, options.upgrade)
            except InstallFailed as error:
                if server.name == "fastserve":
                    raise
                display.line(f"left out: {server.name}: {error}")
                left_out[server.name] = str(error)
                continue
        installed.append(server)
    return installed, left_out


def command_lines(servers, settings):
    """Each server's command line for its first workload, paths shortened."""
    lines = {}
    with tempfile.TemporaryDirectory() as scratch:
        for server in servers:
            for workload in WORKLOADS:
                if server in rounds.takers(workload, [server], settings):
                    break
            argv = server.command(launch(workload, settings, 8000, Path(scratch)))
            text = shlex.join(argv).replace(f"{ROOT}/", "").replace(scratch, "TMP")
            lines[server.name] = text
    return lines


def first_page(options, environment, servers, left_out, settings, not_quiet):
    """The document before anything is measured."""
    load = f"load from core {settings.load_core}"
    used = ", ".join(map(str, settings.server_cores))
    now = datetime.datetime.now(datetime.UTC)
    return {
        "format": document.FORMAT,
        "date": now.isoformat(" ", "minutes"),
        "machine": describe_machine((options.server_cores[0], options.load_core)),
        "versions": environment.versions(),
        "command": shlex.join(["python", "-m", "bench.compare", *sys.argv[1:]]),
        "rounds": f"{settings.rounds} of {settings.seconds} s, a fresh server in each"
        f" (core {used}), {load}",
        "not_quiet": not_quiet,
        "commands": command_lines(servers, settings),
        "left_out": left_out,
        "workloads": {},
        "constant_rate": {},
    }


def count_samples(options, servers, settings):
    """How many samples the whole takes."""
    chosen = list(options.only)
    if options.constant_rate:
        chosen += [workload for workload in options.only if workload.rate]
    takers = [rounds.takers(workload, servers, settings) for workload in chosen]
    return options.rounds * sum(map(len, takers))


def measure(options, servers, settings, page, display):
    """Fill the document, a workload at a time, and show each."""
    display.expect(count_samples(options, servers, settings))
    results = []
    for workload in options.only:
        result = rounds.run(workload, servers, settings, display.sample)
        results.append(result)
        found = document.entry(result, workload.kind, page["not_quiet"])
        page["workloads"][workload.name] = found
        keep(options, page)
        display.entry(found)
    for result in results if options.constant_rate else ():
        if not result.workload.rate:
            continue
        found = rate.table(result, servers, settings, display.sample, page["not_quiet"])
        if found:
            page["constant_rate"][result.workload.name] = found
            keep(options, page)
            display.entry(found)


def keep(options, page):
    """Write what is known so far."""
    if options.json:
        document.write(options.json, page)


def publish(options, page, display):
    """Everything that is made of a document."""
    from . import report

    display.say(report.summary(page["workloads"]))
    if options.markdown:
        options.markdown.write_text(report.markdown(page))
    if options.plots:
        from . import plots

        for path in plots.draw(page, options.plots):
            display.line(f"drawn: {path}")


def tables(page):
    """The entries of both kinds."""
    return [*page["workloads"].values(), *page["constant_rate"].values()]


def run(options, environment):
    """Install, wait for quiet, measure, publish; the exit code."""
    try:
        from .terminal import Display
    except ImportError as error:
        raise SystemExit(f"{error}; without --no-install it is installed") from None

    display = Display()
    if options.render:
        publish(options, document.read(options.render), display)
        return 0
    raise_file_limit()
    os.sched_setaffinity(0, {options.load_core})
    try:
        servers, left_out = install(
            options.servers or SERVERS, environment, options, display
        )
    except InstallFailed as error:
        raise SystemExit(f"fastserve could not be installed:\n{error}") from None
    with tempfile.TemporaryDirectory() as folder, display:
        settings = rounds.Settings(
            environment.bin_dir,
            options.rounds,
            options.seconds,
            options.server_cores,
            options.load_core,
            make_certificate(Path(folder)),
            everyone=options.servers is not None,
        )
        used = (*options.server_cores, options.load_core)
        not_quiet = quiet.wait(used, options.patience, display.line)
        page = first_page(options, environment, servers, left_out, settings, not_quiet)
        measure(options, servers, settings, page, display)
    publish(options, page, display)
    return 1 if any("fastserve" in e["failures"] for e in tables(page)) else 0


def main(arguments=None):
    """Run the command; returns the exit code: 1 when fastserve failed."""
    options = options_of(arguments)
    if not options.render:
        check_machine(options)
    # A SIGTERM unwinds the stack, so that every server is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    environment = Environment(options.venv)
    try:
        enter(environment, options)
    except InstallFailed as error:
        raise SystemExit(
            f"rich and matplotlib could not be installed:\n{error}"
        ) from None
    return run(options, environment)

"""locust as processes: one, or a master and its workers.

They read locustfile.py, which has them end, and write the report, at SIGUSR1.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

from bench.compare.process import clean_environment, free_port

from . import judge

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
START_LIMIT = 60.0  # seconds to the first request
END_LIMIT = 30.0  # seconds from the signal to the report
SPAWN_RATE = 32  # users a second


class CrowdFailed(Exception):
    """locust did not start, or ended early."""


class Crowd:
    """A context: locust runs in it."""

    def __init__(self, options, targets):
        self.folder = options.folder
        self.log = options.folder / "locust.log"
        self.samples_file = options.folder / "samples.tsv"
        self.report = options.folder / "report.html"
        for old in (self.samples_file, self.report):
            old.unlink(missing_ok=True)
        self.processes = []
        self.commands = commands(options, targets, self.samples_file, self.report)

    def __enter__(self):
        with self.log.open("w") as output:
            for command in self.commands:
                self.processes.append(
                    subprocess.Popen(
                        command,
                        cwd=self.folder,
                        env=clean_environment(),
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        return self

    def __exit__(self, *_):
        self.processes[0].send_signal(signal.SIGUSR1)  # a master ends its workers
        for process in self.processes:
            try:
                process.wait(END_LIMIT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def wait(self, seconds):
        """Let the load go on for so long; raises CrowdFailed if it does not."""
        limit = time.monotonic() + seconds
        while (left := limit - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))
            if any(process.poll() is not None for process in self.processes):
                raise CrowdFailed(f"locust has ended, see {self.log}")

    def wait_for_first_sample(self):
        """Returns once a user has had an answer."""
        limit = time.monotonic() + START_LIMIT
        while not (self.samples_file.exists() and self.samples_file.stat().st_size):
            if time.monotonic() > limit:
                raise CrowdFailed(f"locust has asked nothing yet, see {self.log}")
            self.wait(0.1)

    def samples(self):
        """All requests, once locust has ended; the report must be there too."""
        if not self.report.exists():
            raise CrowdFailed(f"locust wrote no report, see {self.log}")
        with self.samples_file.open() as lines:
            return judge.read(lines)


def commands(options, targets, samples, report):
    """The command lines: the one, or the master, first."""
    common = [options.locust, "-f", str(LOCUSTFILE)]
    shared = ["--targets", targets, "--samples", str(samples)]
    shared += ["--headless", "--only-summary", "--users", str(options.users)]
    shared += ["--spawn-rate", str(SPAWN_RATE), "--html", str(report)]
    shared += ["--exit-code-on-error", "0"]
    if not options.processes:
        return [[*common, *shared]]
    port = str(free_port())
    master = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
    master += ["--expect-workers", str(options.processes)]
    worker = ["--worker", "--master-host", "127.0.0.1", "--master-port", port]
    return [[*common, *shared, *master]] + [[*common, *worker]] * options.processes

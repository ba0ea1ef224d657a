"""A stretch of time with what the server, the client and everyone else used in it.

It only looks; it starts and ends nothing.
"""

import os
import time
from dataclasses import asdict, dataclass

from . import procfs

QUIET = 0.03  # of one core: what others may take before a round is marked


@dataclass(frozen=True)
class Usage:
    """What happened on the cores between start and stop."""

    wall: float  # seconds
    server_cpu: float  # seconds, the server's whole process tree
    server_system: float  # seconds of it in the kernel
    busy: float  # share of the server's cores that was busy, 0-1
    foreign: float  # what others used of the cores, in cores
    steal: float  # largest share of any core that the hypervisor took, 0-1
    culprit: str  # the foreign process that used most, or ""
    peak: int  # bytes, the most memory that the process tree has had

    @property
    def quiet(self):
        """Whether others took less than QUIET of a core."""
        return max(self.foreign, self.steal) < QUIET

    def as_dict(self):
        """For JSON."""
        return asdict(self) | {"quiet": self.quiet}


class Window:
    """Counts from its creation to stop(), for the process tree of `server_pid`."""

    def __init__(self, server_pid, workload, settings):
        self.server_pid = server_pid
        self.server_cores = settings.cores_of(workload)
        self.cores = (*self.server_cores, settings.load_core)
        self.before = procfs.processes()
        self.cores_before = [procfs.core_times(core) for core in self.cores]
        self.started = time.monotonic()

    def stop(self, settle=0.05):
        """The Usage up to now; the server gets `settle` seconds more to finish."""
        wall = time.monotonic() - self.started
        cores = [
            procfs.core_times(core).since(before)
            for core, before in zip(self.cores, self.cores_before, strict=True)
        ]
        time.sleep(settle)
        after = procfs.processes()
        server = procfs.tree(after, self.server_pid)
        own = procfs.tree(after, os.getpid()) | server
        served = cores[: len(self.server_cores)]
        return Usage(
            wall=wall,
            server_cpu=self.spent(after, server),
            server_system=self.spent(after, server, procfs.system_seconds),
            busy=sum(c.busy for c in served) / sum(c.total for c in served),
            foreign=foreign_share(cores, self.spent(after, own)),
            steal=max(core.steal / core.total for core in cores),
            culprit=self.busiest(after, after.keys() - own),
            peak=procfs.peak_memory(server),
        )

    def spent(self, after, pids, seconds=procfs.cpu_seconds):
        """Seconds of CPU that `pids` used since the start of the window."""
        return seconds(after, pids) - seconds(self.before, pids)

    def busiest(self, after, pids):
        """Name and pid of the process among `pids` that used most CPU."""
        spent = {pid: self.spent(after, {pid}) for pid in pids}
        pid = max(spent, key=spent.get, default=None)
        return f"{after[pid].name} ({pid})" if pid and spent[pid] > 0 else ""


def foreign_share(cores, own_cpu):
    """What of the busy time of `cores` was not ours, in cores."""
    busy = sum(core.busy for core in cores)
    if procfs.interrupts_are_apart():
        busy -= sum(core.interrupts for core in cores)
    return max(0.0, busy - own_cpu) / cores[0].total

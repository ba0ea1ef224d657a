"""Whether the machine is quiet before anything is measured.

During a measurement, window.py sees who else is at work; the load average cannot tell
others from the servers and clients. So that is asked beforehand, and waited for.
"""

import os
import time

from . import procfs
from .window import QUIET

LOAD = 0.35  # runnable processes a core, by the load average of the last minute
STEP = 2.0  # seconds between two looks


def complaint(cores):
    """What speaks against measuring on `cores` now, as a sentence; "" if nothing."""
    before = {core: procfs.core_times(core) for core in cores}
    processes = procfs.processes()
    time.sleep(STEP)
    for core in cores:
        spent = procfs.core_times(core).since(before[core])
        if spent.steal / spent.total >= QUIET:
            return (
                f"the hypervisor takes {spent.steal / spent.total:.0%} of core {core}."
            )
        if spent.busy / spent.total >= QUIET:
            return (
                f"core {core} is {spent.busy / spent.total:.0%} busy before anything"
                f" was started (most: {busiest(processes)})."
            )
    load, limit = os.getloadavg()[0], LOAD * (os.cpu_count() or 1)
    if load > limit:
        return f"the load average is {load:.2f}, and should be below {limit:.2f}."
    return ""


def busiest(before):
    """Name and pid of the process that used most CPU since procfs.processes()."""
    after = procfs.processes()
    spent = {
        pid: process.cpu - before[pid].cpu
        for pid, process in after.items()
        if pid in before and pid != os.getpid()
    }
    pid = max(spent, key=spent.get, default=None)
    return f"{after[pid].name} ({pid})" if pid else "no process that lasted"


def wait(cores, seconds, progress):
    """Wait up to `seconds` until the machine is quiet; the last complaint, or ""."""
    end = time.monotonic() + seconds
    said = ""
    while (found := complaint(cores)) and time.monotonic() < end:
        kind = found.split()[1]
        if kind != said:  # once for each kind of complaint
            progress(f"waiting for a quiet machine: {found}")
            said = kind
    return found

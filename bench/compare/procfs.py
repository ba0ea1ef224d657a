"""What Linux tells in /proc of processes and cores: CPU time and memory.

Read-only, and without a third-party module. Times are seconds unless a name says
otherwise; the kernel gives them in ticks, mostly of 10 ms, so windows should last
a second or more.
"""

import gzip
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One process at one moment."""

    pid: int
    parent: int
    name: str
    cpu: float  # its own, and that of the children it has waited for
    system: float  # what of it was spent in the kernel


@dataclass(frozen=True)
class CoreTimes:
    """Seconds that one core has spent since the start of the machine."""

    busy: float  # all work, interrupts among it
    interrupts: float  # hardware and software interrupts
    steal: float  # taken away by the hypervisor
    total: float

    def since(self, before):
        """The difference to an earlier CoreTimes."""
        return CoreTimes(
            self.busy - before.busy,
            self.interrupts - before.interrupts,
            self.steal - before.steal,
            self.total - before.total,
        )


@dataclass(frozen=True)
class Memory:
    """Bytes of user memory of some processes together."""

    pss: int  # pages shared by n processes count 1/n
    private: int


def parse_stat(text):
    """The Process that a line of /proc/PID/stat describes (proc_pid_stat(5))."""
    head, _, tail = text.rpartition(")")  # the name may hold blanks and brackets
    pid, _, name = head.partition(" (")
    fields = tail.split()  # fields[0] is the third field, the state
    user, system, children_user, children_system = map(int, fields[11:15])
    kernel = (system + children_system) * TICK
    cpu = (user + children_user) * TICK + kernel
    return Process(int(pid), int(fields[1]), name, cpu, kernel)


def processes():
    """All processes of the machine by pid."""
    found = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            process = parse_stat(Path(entry.path, "stat").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended between the two calls
        found[process.pid] = process
    return found


def tree(table, root):
    """The pids of `root` and all its descendants in a table from processes()."""
    pids = {root}
    found = {root}
    while found:
        found = {p.pid for p in table.values() if p.parent in found} - pids
        pids |= found
    return pids


def cpu_seconds(table, pids):
    """CPU time of the processes `pids`; those not in the table count nothing."""
    return sum(table[pid].cpu for pid in pids if pid in table)


def system_seconds(table, pids):
    """What of cpu_seconds() was spent in the kernel."""
    return sum(table[pid].system for pid in pids if pid in table)


def core_times(core):
    """The CoreTimes of one core, by its number."""
    prefix = f"cpu{core} "
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(prefix):
            ticks = [int(field) * TICK for field in line.split()[1:9]]
            user, nice, system, idle, iowait, irq, softirq, steal = ticks
            busy = user + nice + system + irq + softirq
            return CoreTimes(busy, irq + softirq, steal, busy + idle + iowait + steal)
    raise LookupError(f"/proc/stat knows no core {core}")


@cache
def interrupts_are_apart():
    """Whether this kernel leaves interrupt time out of a process's CPU time.

    Without CONFIG_IRQ_TIME_ACCOUNTING, the usual case, what a network interrupt
    costs is part of the time of the process that it interrupted.
    """
    sources = (
        ("/proc/config.gz", gzip.open),
        (f"/boot/config-{os.uname().release}", open),
    )
    for path, opener in sources:
        try:
            with opener(path, "rt") as file:
                return "CONFIG_IRQ_TIME_ACCOUNTING=y" in file.read()
        except OSError:
            continue
    return False


def memory(pids):
    """The Memory of the processes `pids` together (smaps_rollup)."""
    pss = private = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                pss += int(line.split()[1]) * 1024
            elif line.startswith("Private_"):
                private += int(line.split()[1]) * 1024
    return Memory(pss, private)


def peak_memory(pids):
    """The most memory, in bytes, that the processes `pids` have had together.

    PSS now, and for each process what its resident set has been above what it is: a
    page that several share counts once, and peaks at different times are added.
    """
    total = 0
    for pid in pids:
        try:
            total += memory({pid}).pss
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        kib = dict(re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB$", status, re.M))
        total += (int(kib.get("VmHWM", 0)) - int(kib.get("VmRSS", 0))) * 1024
    return total

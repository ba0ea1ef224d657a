"""keep_heap(): large reads are not paid for in page faults."""

from __future__ import annotations

import platform
import subprocess
import sys

# Blocks as two reads of a large body are, which come and go.
PROGRAM = """
import resource
from fastserve.protocols.shared import keep_heap

print(keep_heap())
for _ in range(10):
    blocks = [bytes(200_000), bytes(200_000)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(500):
    blocks = [bytes(200_000), bytes(200_000)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_blocks_that_come_and_go_fault_once() -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    kept, faults = ran.stdout.split()
    assert kept == str(platform.libc_ver()[0] == "glibc")
    if kept == "True":
        assert int(faults) < 500  # 9,000 without it: one for each page

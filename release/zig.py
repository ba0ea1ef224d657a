"""ziglang, from the package index, as the C compiler.

It brings the headers and symbol tables of each platform's C library, so a wheel for an
old glibc, for musl or for another processor needs no container and no other machine.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """A platform that wheels are made for."""

    triple: str  # to zig: processor, system, C library
    platform: str  # the tag before a wheel is repaired
    tag: str  # and after
    suffix: str  # of a module's file name there, as Python's own configure writes it
    linking: str = "-shared"

    @property
    def is_linux(self) -> bool:
        return self.platform.startswith("linux_")

    @property
    def compiler(self) -> str:
        # Zig's own default is to trap at undefined behaviour in builds with -O0.
        zig = f"{sys.executable} -m ziglang cc -target {self.triple}"
        return f"{zig} -fno-sanitize=undefined"

    def environment(self, cache: Path, debug: bool) -> Mapping[str, str]:
        """os.environ, with zig as the compiler that setuptools takes."""
        # What zig itself brings, for __builtin_cpu_supports(), has debug sections.
        strip = "" if debug else " -Wl,--strip-debug"
        return {
            **os.environ,
            "FASTSERVE_DEBUG": str(int(debug)),
            "CC": self.compiler,
            "LDSHARED": f"{self.compiler} {self.linking}{strip}",
            "ZIG_GLOBAL_CACHE_DIR": str(cache.absolute()),
            "ZIG_LOCAL_CACHE_DIR": str(cache.absolute()),
        }


def glibc(machine: str) -> Target:
    """The oldest glibc that there are manylinux wheels for, and with it all newer."""
    return Target(
        triple=f"{machine}-linux-gnu.2.17",
        platform=f"linux_{machine}",
        tag=f"manylinux2014_{machine}",
        suffix=f"{machine}-linux-gnu",
    )


def musl(machine: str) -> Target:
    """Alpine Linux."""
    return Target(
        triple=f"{machine}-linux-musl",
        platform=f"linux_{machine}",
        tag=f"musllinux_1_2_{machine}",
        suffix=f"{machine}-linux-musl",
    )


def macos(machine: str, release: str) -> Target:
    """macOS from that release on. Symbols of Python's are looked up when loaded."""
    return Target(
        triple=f"{machine.replace('arm64', 'aarch64')}-macos.{release}",
        platform=f"macosx_{release.replace('.', '_')}_{machine}",
        tag=f"macosx_{release.replace('.', '_')}_{machine}",
        suffix="darwin",
        linking="-shared -undefined dynamic_lookup",
    )


def here() -> Target:
    """For the processor of this machine."""
    return glibc(platform.machine())


# What this machine cannot run.
FOREIGN = [
    glibc("aarch64" if platform.machine() == "x86_64" else "x86_64"),
    musl("x86_64"),
    musl("aarch64"),
    macos("x86_64", "11.0"),
    macos("arm64", "11.0"),
]
# No wheel is made for it here: what is needed of it is the compiler.
WINDOWS = Target("x86_64-windows-gnu", "win_amd64", "win_amd64", "win_amd64")

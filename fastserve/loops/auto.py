"""--loop auto."""

from __future__ import annotations

from fastserve.loops import LoopFactory
from fastserve.loops.asyncio import asyncio_loop_factory
from fastserve.loops.uvloop import uvloop_loop_factory


def auto_loop_factory(use_subprocess: bool = False) -> LoopFactory:
    """uvloop where it is installed, else asyncio's own loop."""
    try:
        return uvloop_loop_factory(use_subprocess)
    except ImportError:
        return asyncio_loop_factory(use_subprocess)

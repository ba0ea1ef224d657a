"""--loop uvloop."""

from __future__ import annotations

from fastserve.loops import LoopFactory


def uvloop_loop_factory(use_subprocess: bool = False) -> LoopFactory:
    """Raises ImportError when uvloop is not installed."""
    import uvloop

    return uvloop.new_event_loop

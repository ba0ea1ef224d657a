"""--loop zuvloop."""

from __future__ import annotations

import importlib

from fastserve.loops import LoopFactory


def zuvloop_loop_factory(use_subprocess: bool = False) -> LoopFactory:
    """Raises ImportError when zuvloop is not installed."""
    factory: LoopFactory = importlib.import_module("zuvloop").new_event_loop
    return factory

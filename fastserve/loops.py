"""The event loops that --loop knows by name.

Each function returns a loop factory: what is called, without arguments, to make the
loop. uvloop and zuvloop are imported by the functions, never by this module.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def auto_loop_factory(use_subprocess: bool = False) -> LoopFactory:
    """uvloop where it is installed, else asyncio's own loop."""
    try:
        return uvloop_loop_factory(use_subprocess)
    except ImportError:
        return asyncio_loop_factory(use_subprocess)


def uvloop_loop_factory(use_subprocess: bool = False) -> LoopFactory:
    """Raises ImportError when uvloop is not installed."""
    import uvloop

    return uvloop.new_event_loop


def zuvloop_loop_factory(use_subprocess: bool = False) -> LoopFactory:
    """Raises ImportError when zuvloop is not installed."""
    factory: LoopFactory = importlib.import_module("zuvloop").new_event_loop
    return factory


def asyncio_loop_factory(use_subprocess: bool = False) -> LoopFactory:
    """asyncio's loop; on Windows the one that can start subprocesses.

    There, a server in a child process gets the selector loop, for the proactor
    loop cannot accept on a socket that several processes share.
    """
    if sys.platform == "win32" and not use_subprocess:
        return asyncio.ProactorEventLoop
    return asyncio.SelectorEventLoop

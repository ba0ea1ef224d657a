"""--loop asyncio."""

from __future__ import annotations

import asyncio
import sys

from fastserve.loops import LoopFactory


def asyncio_loop_factory(use_subprocess: bool = False) -> LoopFactory:
    """asyncio's loop; on Windows the one that can start subprocesses.

    There, a server in a child process gets the selector loop, for the proactor
    loop cannot accept on a socket that several processes share.
    """
    if sys.platform == "win32" and not use_subprocess:
        return asyncio.ProactorEventLoop
    return asyncio.SelectorEventLoop

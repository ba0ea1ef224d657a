"""The event loops that --loop knows by name; uvicorn's names, one module each.

Each module's function returns a loop factory: what is called, without arguments, to
make the loop. uvloop and zuvloop are imported by the functions, never by a module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

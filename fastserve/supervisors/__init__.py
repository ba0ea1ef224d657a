"""The parents of servers: of several workers, and of one that is reloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastserve.supervisors.basereload import BaseReload
from fastserve.supervisors.multiprocess import Multiprocess

if TYPE_CHECKING:
    ChangeReload: type[BaseReload]
else:
    try:
        from fastserve.supervisors.watchfilesreload import (
            WatchFilesReload as ChangeReload,
        )
    except ImportError:
        from fastserve.supervisors.statreload import StatReload as ChangeReload

__all__ = ["ChangeReload", "Multiprocess"]

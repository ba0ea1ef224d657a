"""StatReload: --reload by the times of the Python files, for want of watchfiles."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import socket

from fastserve.config import Config
from fastserve.supervisors.basereload import BaseReload

logger: logging.Logger = logging.getLogger("uvicorn.error")


class StatReload(BaseReload):
    """Looks at every `*.py` below config.reload_dirs each --reload-delay seconds."""

    def __init__(
        self,
        config: Config,
        target: Callable[[list[socket] | None], None],
        sockets: list[socket],
    ) -> None:
        super().__init__(config, target, sockets)
        self.reloader_name: str = "StatReload"
        self.mtimes: dict[Path, float] = {}
        if config.reload_excludes or config.reload_includes:
            logger.warning(
                "--reload-include and --reload-exclude have no effect unless "
                "watchfiles is installed."
            )

    def begin_watch(self) -> None:
        self.mtimes = self._read_mtimes()

    def restart(self) -> None:
        self.mtimes = self._read_mtimes()
        super().restart()

    def should_restart(self) -> list[Path] | None:
        """The files whose time has changed; a new file is none yet."""
        self.pause()
        before, self.mtimes = self.mtimes, self._read_mtimes()
        return [
            path
            for path, mtime in self.mtimes.items()
            if before.get(path, mtime) != mtime
        ] or None

    def _read_mtimes(self) -> dict[Path, float]:
        mtimes = {}
        for path in self.iter_py_files():
            try:
                mtimes[path] = path.stat().st_mtime
            except OSError:  # gone, or not for us
                continue
        return mtimes

    def iter_py_files(self) -> Iterator[Path]:
        """Every Python file below the folders to watch."""
        for reload_dir in self.config.reload_dirs:
            try:
                found = list(reload_dir.rglob("*.py"))
            except OSError:  # a folder that went away meanwhile
                continue
            for path in found:
                yield path.resolve()

"""WatchFilesReload: --reload by what the operating system tells, through watchfiles."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from socket import socket

from watchfiles import watch
from watchfiles.main import FileChange

from fastserve.config import Config
from fastserve.reload_paths import is_dir
from fastserve.supervisors.basereload import BaseReload

# Milliseconds without a change after which the child is looked at again; also what the
# start of the first child waits, as long as one step of watchfiles.
_TIMEOUT = 50
# Unless told otherwise.
INCLUDES = ("*.py",)
EXCLUDES = (".*", ".py[cod]", ".sw.*", "~*")


class FileFilter:
    """Whether a change of a file matters, by --reload-include and --reload-exclude.

    An include that a path ends with to the letter is stronger than every exclude.
    """

    def __init__(self, config: Config) -> None:
        included, excluded = config.reload_includes, config.reload_excludes
        includes = [each for each in INCLUDES if each not in excluded]
        self.includes: list[str] = list(dict.fromkeys([*includes, *included]))
        excludes = [each for each in EXCLUDES if each not in included]
        excludes += [each for each in excluded if not is_dir(Path(each))]
        self.excludes: list[str] = list(dict.fromkeys(excludes))
        self.exclude_dirs: list[Path] = [
            Path(each).resolve() for each in excluded if is_dir(Path(each))
        ]

    def __call__(self, path: Path) -> bool:
        matching = [each for each in self.includes if path.match(each)]
        if not matching:
            return False
        if any(str(path).endswith(each) for each in matching):
            return True
        if any(folder in path.parents for folder in self.exclude_dirs):
            return False
        return not any(path.match(each) for each in self.excludes)


class WatchFilesReload(BaseReload):
    """Watches config.reload_dirs and all below them."""

    def __init__(
        self,
        config: Config,
        target: Callable[[list[socket] | None], None],
        sockets: list[socket],
    ) -> None:
        super().__init__(config, target, sockets)
        self.reloader_name: str = "WatchFiles"
        self.reload_dirs: list[Path] = list(config.reload_dirs)
        self.watch_filter: FileFilter = FileFilter(config)
        self.watcher: Generator[set[FileChange], None, None] = watch(
            *self.reload_dirs,
            watch_filter=None,
            stop_event=self.should_exit,
            rust_timeout=_TIMEOUT,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )

    def begin_watch(self) -> None:
        # The generator asks the system for events in its first step, not when made.
        next(self.watcher, None)

    def should_restart(self) -> list[Path] | None:
        self.pause()
        changes = next(self.watcher)
        paths = dict.fromkeys(Path(path) for _, path in changes)
        return [path for path in paths if self.watch_filter(path)] or None

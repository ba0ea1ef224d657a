"""`python -m fastserve.compat PROGRAM ARGS...`: run a program that names uvicorn.

PROGRAM is the name of a console script, `-m MODULE`, or a file. Whatever it imports
from uvicorn are fastserve's modules, the very same objects, so that a patch of one is
a patch of the other; a uvicorn that is installed is left alone and not used. It
reaches the processes that multiprocessing spawns, not those that the program starts
in other ways. Nothing is changed in a process that has not called `install`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import io
import os
import runpy
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

# uvicorn-worker is where uvicorn's gunicorn worker has moved to.
ALIASES = {"uvicorn": "fastserve", "uvicorn_worker": "fastserve.workers"}
# What importlib.metadata says of uvicorn: the version whose surface is offered.
UVICORN_VERSION = "0.54.0"

# Tells a spawned child what the parent's __main__ was, as "file:..." or "module:...".
_MAIN = "FASTSERVE_COMPAT_MAIN"

_USAGE = """\
usage: python -m fastserve.compat PROGRAM [ARGUMENT...]

Run PROGRAM with fastserve in uvicorn's place. PROGRAM is one of
  NAME        a console script, such as fastapi, gunicorn, pytest or uvicorn
  -m MODULE   a module, as with python -m
  FILE        a Python file
"""
_USAGE_ERROR = 2

_ANY = importlib.metadata.DistributionFinder.Context()


class AliasFinder(importlib.metadata.DistributionFinder, Loader):
    """Finds uvicorn.* and loads it by handing out fastserve.*."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        name = _target_of(fullname)
        if name is None or importlib.util.find_spec(name) is None:
            return None
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        name = _target_of(spec.name)
        assert name is not None
        module = importlib.import_module(name)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Undo what the import system did: the module stays fastserve's own."""
        alias = module.__spec__
        assert alias is not None
        module.__spec__ = alias.loader_state

    def find_distributions(
        self,
        context: importlib.metadata.DistributionFinder.Context = _ANY,
    ) -> Iterable[importlib.metadata.Distribution]:
        if context.name is None or context.name.lower() == "uvicorn":
            yield _Distribution()


class _Distribution(importlib.metadata.Distribution):
    """What importlib.metadata finds when it is asked for uvicorn."""

    _TEXTS = {
        "METADATA": "Metadata-Version: 2.1\nName: uvicorn\n"
        f"Version: {UVICORN_VERSION}\n"
        "Summary: fastserve, under the name of uvicorn\n",
        "entry_points.txt": "[console_scripts]\nuvicorn = fastserve.main:main\n",
    }

    def read_text(self, filename: str) -> str | None:
        return self._TEXTS.get(filename)

    def locate_file(self, path: str | os.PathLike[str]) -> Any:
        return Path(__file__).resolve().parent.parent / path


class _MainSpec(ModuleSpec):
    """The spec of a __main__ that runs another program.

    The name is compat's, which is how multiprocessing has its children run compat
    before anything else; the package is the program's, for its relative imports.
    """

    def __init__(self, own: ModuleSpec, package: str | None) -> None:
        super().__init__(own.name, own.loader, origin=own.origin)
        self._package = package

    @property
    def parent(self) -> str | None:
        return self._package


def install() -> None:
    """From now on, and in this process, uvicorn is fastserve.

    The Server header and the line that says where it listens say uvicorn then. May
    be called again. A uvicorn that has been imported already is forgotten; modules
    that hold parts of it keep them.
    """
    if any(isinstance(finder, AliasFinder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, AliasFinder())
    for name in list(sys.modules):
        if _target_of(name) is not None:
            del sys.modules[name]
    # All at once and not when they are asked for: an import binds the module to its
    # name in the package, and fastserve.main is to stay the command.
    for name, module in list(sys.modules.items()):
        package, dot, rest = name.partition(".")
        if package == "fastserve":
            sys.modules[f"uvicorn{dot}{rest}"] = module

    from fastserve import config

    config.SERVER_NAME = "uvicorn"


def main() -> None:
    """Run the program that sys.argv names, in place of this one."""
    del sys.argv[0]
    match sys.argv:
        case [] | [""]:
            _refuse("a program to run is missing")
        case ["-h" | "--help", *_]:
            print(_USAGE, end="")
        case ["-m"]:
            _refuse("-m needs the name of a module")
        case ["-m", name, *_]:
            del sys.argv[0]
            install()
            _run_module(name)
        case [option, *_] if option.startswith("-"):
            _refuse(f"no such option: {option}")
        case [path, *_] if path.endswith(".py") or os.path.dirname(path):
            install()
            _run_file(path)
        case [name, *_]:
            install()
            _run_script(name)


def main_of_child() -> dict[str, Any]:
    """Install in a spawned process; what is defined in the parent's program.

    As multiprocessing does for programs that run without compat, so that what was
    pickled by its name in __main__ is found.
    """
    install()
    kind, _, name = os.environ.get(_MAIN, "").partition(":")
    if kind == "file":
        return runpy.run_path(name, run_name="__mp_main__")
    if kind == "module":
        return runpy.run_module(name, run_name="__mp_main__", alter_sys=True)
    return {}


def _target_of(name: str) -> str | None:
    """fastserve's name of the module that is `name` in uvicorn; None: not uvicorn's."""
    package, dot, rest = name.partition(".")
    target = ALIASES.get(package)
    return None if target is None else f"{target}{dot}{rest}"


def _run_file(path: str) -> None:
    if not os.path.isfile(path):
        _refuse(f"there is no file {path}")
    with io.open_code(os.path.abspath(path)) as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    _be_started_from(os.path.dirname(os.path.abspath(path)))
    os.environ[_MAIN] = f"file:{os.path.abspath(path)}"
    _run_as_main(code, path, None)


def _run_module(name: str) -> None:
    name = _target_of(name) or name
    spec = _find_module(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = _find_module(f"{name}.__main__")
    get_code = getattr(getattr(spec, "loader", None), "get_code", None)
    if spec is None or get_code is None:
        _refuse(f"there is no module {name} that could be run")
    sys.argv[0] = spec.origin or name
    # Like multiprocessing: a package's __main__ is not made to be imported.
    os.environ[_MAIN] = "" if name != spec.name else f"module:{name}"
    _run_as_main(get_code(spec.name), spec.origin, spec.parent)


def _find_module(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and name.startswith(exc.name):
            return None
        raise


def _run_script(name: str) -> None:
    found = importlib.metadata.entry_points(group="console_scripts", name=name)
    if not found:
        _refuse(f"there is no console script {name} in this Python's environment")
    folder = sysconfig.get_path("scripts")
    sys.argv[0] = shutil.which(name, path=folder) or name
    _be_started_from(folder)
    os.environ[_MAIN] = ""
    [entry_point, *_] = found
    _become_main(sys.argv[0], None)
    sys.exit(entry_point.load()())


def _be_started_from(folder: str) -> None:
    """Have the program's folder in front of sys.path, where `-m` has put the cwd."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _become_main(file: str | None, package: str | None) -> dict[str, Any]:
    """Empty the namespace of __main__, and make it that of another program."""
    module = sys.modules["__main__"]
    own = module.__spec__
    assert own is not None, "compat is run by `python -m fastserve.compat`"
    namespace = vars(module)
    builtins = namespace["__builtins__"]
    namespace.clear()
    namespace.update(
        __name__="__main__",
        __spec__=_MainSpec(own, package),
        __package__=package,
        __file__=file,
        __builtins__=builtins,
        __loader__=None,
        __doc__=None,
    )
    return namespace


def _run_as_main(code: CodeType, file: str | None, package: str | None) -> None:
    exec(code, _become_main(file, package))


def _refuse(problem: str) -> NoReturn:
    sys.stderr.write(f"{_USAGE}\nfastserve.compat: {problem}.\n")
    sys.exit(_USAGE_ERROR)


# What runs as __main__ is a copy of this module, and makes room for the program; the
# names above are those of the module itself.
if __name__ == "__main__":
    importlib.import_module("fastserve.compat").main()
elif __name__ == "__mp_main__":
    globals().update(importlib.import_module("fastserve.compat").main_of_child())

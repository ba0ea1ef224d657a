"""After `import _bench` the checkout's package bench can be imported, for its tests.

It is loaded by its file: the checkout itself, and its unbuilt fastserve, stay off the
path.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "bench"

_spec = importlib.util.spec_from_file_location(
    "bench", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
)
assert _spec is not None and _spec.loader is not None
_package = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_package)
sys.modules["bench"] = _package

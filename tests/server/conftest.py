"""What the tests at process level share: the helper module and the two loops."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

# `from _process import serve` in the tests of this folder, in every import mode
# of pytest, without putting the checkout itself (and its unbuilt fastserve) on
# the path.
sys.path.insert(0, str(Path(__file__).parent))
# `from harness.certificates import Authority`, likewise.
sys.path.insert(1, str(Path(__file__).parent.parent))

from _no_uvicorn import make_environment  # noqa: E402

LOOPS = ["asyncio"]
if importlib.util.find_spec("uvloop"):
    LOOPS.append("uvloop")


@pytest.fixture(params=LOOPS)
def loop_name(request: pytest.FixtureRequest) -> str:
    """Each event loop that this interpreter has, as a value for --loop."""
    return str(request.param)


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python without uvicorn."""
    return make_environment(tmp_path_factory.mktemp("no_uvicorn"))

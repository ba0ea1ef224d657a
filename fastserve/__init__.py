"""fastserve: an ASGI server that takes uvicorn's place.

`run` and `main` are the two ways to start it, `Config` and `Server` what they are
made of. As with uvicorn, `fastserve.main` is the command; the module of that name is
`importlib.import_module("fastserve.main")`.
"""

from fastserve.config import Config
from fastserve.main import main, run
from fastserve.server import Server

__version__ = "0.1.0"

__all__ = ["main", "run", "Config", "Server"]

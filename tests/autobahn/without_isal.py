"""The same application, in a server that cannot import isal."""

from __future__ import annotations

import sys

from echo import app

__all__ = ["app"]

sys.modules["isal"] = None  # type: ignore[assignment]

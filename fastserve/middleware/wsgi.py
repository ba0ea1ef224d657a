"""WSGIMiddleware: a WSGI application as an ASGI 3 one, in threads, by a2wsgi.

Without the package a2wsgi, which is the extra `wsgi`, this module can be imported all
the same: making a WSGIMiddleware then raises ImportError that says what to install.
"""

from __future__ import annotations

from typing import Any

try:
    from a2wsgi import WSGIMiddleware
except ModuleNotFoundError:

    class WSGIMiddleware:  # type: ignore[no-redef]
        """Stands where a2wsgi's would."""

        def __init__(self, app: Any, *args: Any, **kwargs: Any) -> None:
            raise ImportError(
                "WSGI applications need the package a2wsgi; install it, or "
                "fastserve-asgi[wsgi]."
            )


__all__ = ["WSGIMiddleware"]

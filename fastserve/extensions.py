"""The ASGI extensions of HTTP that a server may offer, by name.

Their order is that of the bits in protocols/shared.pxd. Nothing here is compiled:
the command line names them too.
"""

from __future__ import annotations

EARLY_HINT = "http.response.early_hint"
TRAILERS = "http.response.trailers"
REQUEST_TRAILERS = "fastserve.request.trailers"

EXTENSIONS = (EARLY_HINT, TRAILERS, REQUEST_TRAILERS)


def check_names(names: list[str]) -> list[str]:
    """`names`; ValueError if one of them is no extension's."""
    for name in names:
        if name not in EXTENSIONS:
            raise ValueError(
                f"There is no extension {name!r} to disable. "
                f"Names: {', '.join(EXTENSIONS)}."
            )
    return names

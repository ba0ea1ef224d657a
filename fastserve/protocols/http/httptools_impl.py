"""A name of uvicorn's for the one implementation that there is."""

from fastserve.protocols.http.auto import AutoHTTPProtocol as HttpToolsProtocol

__all__ = ["HttpToolsProtocol"]

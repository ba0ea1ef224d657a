"""What a server reads from the environment: Config's own variables, and .env files."""

from __future__ import annotations

import logging
import os

logger: logging.Logger = logging.getLogger("uvicorn.error")


def load_env_file(path: str | os.PathLike[str]) -> None:
    """Add what a .env file says to the environment; what is set already stays."""
    try:
        from dotenv import load_dotenv
    except ImportError as exc:
        raise ImportError(
            "Environment files need the package python-dotenv; install it, or "
            "fastserve-asgi[standard]."
        ) from exc
    logger.info("Loading environment from '%s'", path)
    load_dotenv(dotenv_path=path)


def web_concurrency() -> int | None:
    """WEB_CONCURRENCY, if it is set; raises ValueError for what is no number."""
    text = os.environ.get("WEB_CONCURRENCY")
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f"WEB_CONCURRENCY is {text!r}, which is no whole number."
        ) from None

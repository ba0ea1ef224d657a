"""Configs for the tests of config, which leave the application as it is."""

from __future__ import annotations

from typing import Any

import pytest

from fastserve import Config

LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    """As usual."""


def loaded(app: Any = asgi_app, **settings: Any) -> Config:
    config = Config(app, **{"log_config": None, "proxy_headers": False, **settings})
    config.load()
    return config


def exit_code(caught: pytest.ExceptionInfo[SystemExit]) -> object:
    return caught.value.code

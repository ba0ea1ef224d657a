"""Which interface an application has, as far as can be told without calling it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

if sys.version_info >= (3, 14):
    from inspect import iscoroutinefunction
else:  # knows more markers than inspect's does there, Cython's among them
    from asyncio import iscoroutinefunction


def takes_one_argument(app: Callable[..., Any]) -> bool:
    """Whether `app(scope)` is a call that Python would make: ASGI 2."""
    try:
        inspect.signature(app).bind(None)
    except TypeError:
        return False
    except ValueError:  # written in C, with no signature to be seen
        pass
    return True


def is_asgi3(app: Any) -> bool:
    """Whether calling `app` gives a coroutine: ASGI 3, and not 2."""
    if inspect.isclass(app):
        return hasattr(app, "__await__")
    # A function, a bound method, a partial; or an object that is called like one.
    return iscoroutinefunction(app) or iscoroutinefunction(
        getattr(app, "__call__", None)  # noqa: B004 (its kind is asked for)
    )

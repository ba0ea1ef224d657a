"""Finds an object by its import string, `package.module:attribute.attribute`."""

from __future__ import annotations

import importlib
from typing import Any


class ImportFromStringError(Exception):
    """The import string is malformed, or names nothing."""


def import_from_string(import_str: Any) -> Any:
    """Return the object that `import_str` names; what is no string is returned as is.

    Raises ImportFromStringError when the string is malformed, when there is no such
    module, or no such attribute in it. An error inside the module, a missing import
    of its own among them, is the application's and goes through unchanged.
    """
    if not isinstance(import_str, str):
        return import_str

    module_name, _, attributes = import_str.partition(":")
    if not module_name or not attributes:
        raise ImportFromStringError(
            f'Import string "{import_str}" must be in format "<module>:<attribute>".'
        )

    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        if exc.name != module_name:
            raise
        raise ImportFromStringError(
            f'Could not import module "{module_name}".'
        ) from None

    try:
        for attribute in attributes.split("."):
            found = getattr(found, attribute)
    except AttributeError:
        raise ImportFromStringError(
            f'Attribute "{attributes}" not found in module "{module_name}".'
        ) from None
    return found

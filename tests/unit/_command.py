"""The command, called inside the test."""

from __future__ import annotations

import importlib

from click.testing import CliRunner, Result

import fastserve

main_module = importlib.import_module("fastserve.main")


def invoke(*args: str, **env: str) -> Result:
    return CliRunner().invoke(fastserve.main, args, env=env)

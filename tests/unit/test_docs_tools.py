"""The parts of docs/ that are made: the settings' reference, the benchmark's bars."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fastserve.config import Config
from fastserve.options import GROUPS

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    """A module of tools/, which no path leads to."""
    module = ModuleType(name)
    path = ROOT / "tools" / f"{name}.py"
    module.__file__ = str(path)
    sys.modules[name] = module  # a NamedTuple looks itself up
    exec(compile(path.read_text("utf-8"), path, "exec"), module.__dict__)
    return module


settings_page = load("settings_page")
benchmark_plots = load("benchmark_plots")


# -- settings -------------------------------------------------------------------------


def test_the_reference_is_what_the_options_say() -> None:
    written = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert written == settings_page.page(), "run `python -m tools.settings_page`"


def test_every_setting_is_in_the_reference() -> None:
    page = settings_page.page()
    headings = re.findall(r"^### (.*)$", page, re.M)
    flags = {flag for heading in headings for flag in re.findall(r"`(.*?)`", heading)}
    for options in GROUPS.values():
        for option in options:
            assert option.opts[0] in flags
            assert {*option.secondary_opts} <= flags
    options_of = {str(o.name) for options in GROUPS.values() for o in options}
    parameters = set(inspect.signature(Config).parameters) - {"app"}
    assert parameters - options_of <= flags


def test_defaults_and_bounds_are_in_the_reference() -> None:
    page = settings_page.page()
    port = page.partition("### `--port`\n")[2].partition("###")[0]
    assert "Default: `8000`. A whole number from 0 to 65535." in port
    assert "Variable: `FASTSERVE_PORT`." in port
    log = page.partition("### `--access-log`, `--no-access-log`\n")[2]
    assert "Default: on. A switch." in log.partition("###")[0]
    headers = page.partition("### `--header`\n")[2].partition("###")[0]
    assert "Variable: `FASTSERVE_HEADERS`. Parameter: `headers`." in headers
    stuck = page.partition("### `--timeout-worker-stuck`\n")[2].partition("###")[0]
    assert "Default: only log where it is held up. A number above 0." in stuck


def test_a_parameter_without_a_text_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(settings_page.PARAMETERS, "callback_notify")
    with pytest.raises(KeyError, match="callback_notify"):
        settings_page.page()


# -- bars -----------------------------------------------------------------------------

TABLES = """
## The newest result

Words.

#### plain & simple

| server    | CPU us/request |    low-high | marks |
| :-------- | -------------: | ----------: | ----: |
| fastserve |           5.00 |   4.00-6.00 |       |
| uvicorn   |          10.00 | 10.00-20.00 |     c |

#### memory

| server    | bytes/connection (PSS) |          spread | private |
| :-------- | ---------------------: | --------------: | ------: |
| fastserve |                  2,284 |   [2,283-2,286] |   2,284 |

## What comes next

#### not this

| server | a | low-high |
| :----- | - | -------: |
| other  | 1 |      1-1 |
"""


def test_tables_are_read_as_they_stand() -> None:
    plain, memory = benchmark_plots.tables(TABLES)
    assert (plain.title, plain.unit) == ("plain & simple", "CPU us/request")
    assert plain.rows[0] == ("fastserve", "5.00", 4.0, 6.0)
    assert memory.rows == [("fastserve", "2,284", 2283.0, 2286.0)]


def test_bars_are_as_long_as_the_figures() -> None:
    plain, _ = benchmark_plots.tables(TABLES)
    drawn = benchmark_plots.drawn(plain)
    assert "plain &amp; simple: CPU us/request" in drawn
    ours, theirs = re.findall(r"^<div.*$", drawn, re.M)
    assert 'class=ours' in ours and "width: 25.0%" in ours and "<b>5.00</b>" in ours
    assert "left: 20.0%; width: 10.0%" in ours
    assert "class" not in theirs and "width: 50.0%" in theirs


def test_every_table_of_the_newest_result_is_drawn() -> None:
    text = benchmark_plots.README.read_text("utf-8")
    tables = list(benchmark_plots.tables(text))
    assert len(tables) == benchmark_plots.plots().count("<figure")
    assert len(tables) >= 3
    for table in tables:
        for row in table.rows:
            assert re.search(rf"^\| {row.server} +\| +{row.figure} \|", text, re.M)


def test_a_result_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="newest result"):
        list(benchmark_plots.tables("# Benchmarks\n"))

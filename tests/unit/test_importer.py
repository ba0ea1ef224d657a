"""importer: what an import string finds, and the words for what it does not."""

from __future__ import annotations

import os.path
from pathlib import Path

import pytest

from fastserve.importer import ImportFromStringError, import_from_string


def test_attribute_of_a_module() -> None:
    assert import_from_string("os.path:join") is os.path.join


def test_attribute_of_an_attribute() -> None:
    assert import_from_string("pathlib:Path.cwd") == Path.cwd


def test_what_is_no_string_is_returned_as_is() -> None:
    thing = object()
    assert import_from_string(thing) is thing
    assert import_from_string(None) is None


@pytest.mark.parametrize("text", ["os", "os:", ":attribute", ""])
def test_malformed_string(text: str) -> None:
    with pytest.raises(ImportFromStringError) as caught:
        import_from_string(text)
    expected = f'Import string "{text}" must be in format "<module>:<attribute>".'
    assert str(caught.value) == expected


def test_missing_module() -> None:
    with pytest.raises(ImportFromStringError) as caught:
        import_from_string("there_is_no_such_module:app")
    assert str(caught.value) == 'Could not import module "there_is_no_such_module".'


def test_missing_attribute_is_named_whole() -> None:
    with pytest.raises(ImportFromStringError) as caught:
        import_from_string("os:path.nothing")
    assert str(caught.value) == 'Attribute "path.nothing" not found in module "os".'


def test_missing_import_inside_the_module_goes_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_more.py").write_text("import there_is_no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="there_is_no_such_module"):
        import_from_string("needs_more:app")


def test_missing_parent_package_goes_through() -> None:
    with pytest.raises(ModuleNotFoundError, match="there_is_no_such_package"):
        import_from_string("there_is_no_such_package.module:app")

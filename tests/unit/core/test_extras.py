"""Tests of the import of optional packages."""

import json
import sys
from pathlib import Path

import pytest

from petmood.core.errors import MissingDependency
from petmood.core.extras import require


def test_an_installed_package_is_returned() -> None:
    assert require("json", extra="serve") is json


def test_a_missing_package_names_the_command_that_installs_it() -> None:
    with pytest.raises(MissingDependency) as refusal:
        require("petmood_no_such_package.part", extra="serve")
    expected = "'petmood_no_such_package' is not installed. Install it with: pip install 'petmood[serve]'"
    assert str(refusal.value) == expected


def test_a_package_blocked_in_sys_modules_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingDependency, match="pillow_heif"):
        require("pillow_heif", extra="heic")


def test_an_installed_package_that_lacks_a_part_of_its_own_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "petmood_broken_package.py").write_text("import petmood_part_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="petmood_part_that_is_not_there"):
        require("petmood_broken_package", extra="serve")

"""Tests of the import of optional packages."""

import json
import sys
from pathlib import Path

import pytest

from petmood.core.commands import shell_command
from petmood.core.errors import MissingDependency
from petmood.core.extras import require


def test_an_installed_package_is_returned() -> None:
    assert require("json", extra="serve") is json


def test_a_missing_package_names_the_command_that_installs_it() -> None:
    with pytest.raises(MissingDependency) as refusal:
        require("petmood_no_such_package.part", extra="serve")
    expected = "'petmood_no_such_package' is not installed. Install it with: pip install 'petmood[serve]'"
    assert str(refusal.value) == expected


@pytest.mark.parametrize("module", ["petmood_no_such_package.part.of_it", "xml.etree.no_such_part"])
def test_a_missing_part_counts_as_the_whole_package(module: str) -> None:
    with pytest.raises(MissingDependency) as refusal:
        require(module, extra="mlflow")
    package = module.partition(".")[0]
    assert str(refusal.value) == (
        f"'{package}' is not installed. Install it with: {shell_command('install', 'petmood[mlflow]', program='pip')}"
    )


def test_an_error_that_names_no_module_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "petmood_nameless.py").write_text("raise ModuleNotFoundError('built without it')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependency, match=r"^'petmood_nameless' is not installed\. "):
        require("petmood_nameless", extra="serve")


def test_a_package_blocked_in_sys_modules_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingDependency, match=r"^'pillow_heif' is not installed\. "):
        require("pillow_heif", extra="heic")


def test_an_installed_package_that_lacks_a_part_of_its_own_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "petmood_broken_package.py").write_text("import petmood_part_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="petmood_part_that_is_not_there"):
        require("petmood_broken_package", extra="serve")

"""Tests of shell commands in messages: program name or path, and quoting."""

import shlex
import sys
from pathlib import Path

import pytest

from petmood.core.commands import shell_command


def script(folder: Path) -> Path:
    """Write a program that is called petmood, beside a python."""
    folder.mkdir(parents=True)
    path = folder / "petmood"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_in_an_activated_environment_the_name_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = script(tmp_path / ".venv/bin")
    monkeypatch.setattr(sys, "executable", str(own.with_name("python")))
    monkeypatch.setenv("PATH", str(own.parent))
    assert shell_command("data", "check", Path("data/pets")) == "petmood data check data/pets"


def test_elsewhere_the_path_is_printed_relative_where_it_lies_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = script(tmp_path / ".venv/bin")
    monkeypatch.setattr(sys, "executable", str(own.with_name("python")))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert shell_command("config") == ".venv/bin/petmood config"
    monkeypatch.chdir(own.parents[1])
    assert shell_command("config") == "bin/petmood config"
    monkeypatch.chdir(own.parent)
    assert shell_command("config") == f"{own} config"  # "petmood" alone would be looked up
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert shell_command("config") == f"{own} config"


def test_the_program_of_another_environment_is_not_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = script(tmp_path / "own env"), script(tmp_path / "other")
    monkeypatch.setattr(sys, "executable", str(own.with_name("python")))
    monkeypatch.setenv("PATH", str(other.parent))
    assert shell_command("run") == f"'{own}' run"


def test_without_a_script_here_the_one_that_the_shell_finds_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = script(tmp_path / "other")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(other.parent))
    assert shell_command("run", 3, Path("my run")) == "petmood run 3 'my run'"


def test_another_program_is_looked_up_by_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = script(tmp_path / "bin")
    own.rename(own.with_name("pip"))
    monkeypatch.setattr(sys, "executable", str(own.with_name("python")))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shell_command("install", "x", program="pip") == f"{own.with_name('pip')} install x"
    assert shell_command("run") == f"{tmp_path}/bin/python -m petmood run"
    monkeypatch.setenv("PATH", str(own.parent))
    assert shell_command("install", "x", program="pip") == "pip install x"


def test_without_a_script_the_module_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shell_command("run") == f"{tmp_path}/python -m petmood run"


@pytest.mark.parametrize("word", ["my photo.jpg", "a'b", "$HOME", "petmood[train]", "ü.jpg", "-x", ""])
def test_every_word_survives_the_shell(word: str) -> None:
    assert shlex.split(shell_command("predict", word))[-1] == word

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
    for elsewhere in (own.parents[1], own.parent):
        monkeypatch.chdir(elsewhere)
        program, _ = shlex.split(shell_command("config"))
        assert "/" in program
        assert (elsewhere / program).samefile(own)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert shell_command("config") == f"{own} config"


def test_the_program_of_another_environment_is_not_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = script(tmp_path / "own env"), script(tmp_path / "other")
    monkeypatch.setattr(sys, "executable", str(own.with_name("python")))
    monkeypatch.setenv("PATH", str(other.parent))
    assert shell_command("run") == f"'{own}' run"


def test_without_a_script_the_module_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shell_command("run") == f"{tmp_path}/python -m petmood run"


@pytest.mark.parametrize("word", ["my photo.jpg", "a'b", "$HOME", "petmood[train]", "ü.jpg", "-x", ""])
def test_every_word_survives_the_shell(word: str) -> None:
    assert shlex.split(shell_command("predict", word))[-1] == word

"""Programs of Prometheus for tests."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["alertmanager_program", "program", "run_program"]

ALERTMANAGER: Final = ("prometheus-alertmanager", "alertmanager")
"""Debian's name, and that of the project."""


def program(*names: str) -> str:
    """Return the path of an installed program, by the first of its names that is found."""
    found = next(filter(None, map(shutil.which, names)), None)
    advice = "Install it, such as with: apt-get install prometheus prometheus-alertmanager"
    assert found, f"This proof needs {names[0]}. {advice}"
    return found


def alertmanager_program() -> str:
    """Return the path of Alertmanager."""
    return program(*ALERTMANAGER)


def run_program(name: str, *arguments: str | Path, cwd: Path | None = None) -> str:
    """Run an installed program to its end and return what it printed; a failure fails the test with that."""
    command = [program(name), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout

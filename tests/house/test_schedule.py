"""The proofs of a file run in one process, so that a fixture of the whole file is made once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.schedule import INDEPENDENT, LONGEST_FIRST

pytestmark = pytest.mark.spawns

HOOK = """
import pytest
from tests.support.schedule import group_by_file

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    group_by_file(items)
"""
PROOFS = """
import os
from pathlib import Path
import pytest

pytestmark = pytest.mark.proof

@pytest.mark.parametrize("number", range(8))
def test_which_process(number):
    with Path(__file__).with_suffix(".txt").open("a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_two_processes_divide_files_and_no_file_is_divided(root: Path, tmp_path: Path) -> None:
    """With pytest 9.2 and pytest-xdist 3.8, the groups had no effect and nothing said so."""
    (tmp_path / "conftest.py").write_text(HOOK, "utf-8")
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {root}\nmarkers = proof: slow", "utf-8")
    files = [tmp_path / f"test_{name}.py" for name in "abcd"]
    for file in files:
        file.write_text(PROOFS, "utf-8")
    options = ("-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    processes = [file.with_suffix(".txt").read_text("utf-8").split() for file in files]
    assert [len(one) for one in processes] == [8] * 4
    assert [len(set(one)) for one in processes] == [1] * 4
    assert {one[0] for one in processes} == {"gw0", "gw1"}


def test_every_scheduled_file_exists(root: Path) -> None:
    assert [name for name in (*LONGEST_FIRST, *INDEPENDENT) if not (root / name).is_file()] == []

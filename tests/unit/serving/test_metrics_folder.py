"""Tests of the temporary folder of metrics: removed at the end, and after a kill at the next start."""

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from petmood.serving import metrics_folder as module
from petmood.serving.metrics_folder import metrics_folder

HOLDS = """
import os, sys, time
from petmood.serving.metrics_folder import metrics_folder
with metrics_folder() as (folder, lock):
    (folder / "counter_1.db").touch()
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder for temporary files, apart from others."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_there_until_the_end(temporary: Path) -> None:
    with metrics_folder() as (folder, lock):
        assert [folder] == list(temporary.iterdir())
        assert os.fstat(lock)
        (folder / "counter_1.db").touch()
    assert list(temporary.iterdir()) == []


@pytest.mark.spawns
def test_the_folder_of_a_killed_process_is_removed_at_the_next_start_and_that_of_a_living_one_is_not(
    temporary: Path,
) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen([sys.executable, "-c", HOLDS], env=environment, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            held = Path(holder.stdout.readline().strip())
            with metrics_folder():
                assert (held / "counter_1.db").is_file()
        finally:
            holder.kill()
    assert held.is_dir()
    with metrics_folder() as (folder, _):
        assert list(temporary.iterdir()) == [folder]


def test_what_is_not_a_folder_of_ours_stays(temporary: Path) -> None:
    """A link, a file, a folder with files but no lock (of an earlier version), and one that is just being made."""
    (temporary / "elsewhere").mkdir()
    (temporary / "elsewhere/lock").touch()
    (temporary / "petmood-metrics-link").symlink_to(temporary / "elsewhere")
    (temporary / "petmood-metrics-file").touch()
    (temporary / "petmood-metrics-new").mkdir()
    (temporary / "petmood-metrics-old").mkdir()
    (temporary / "petmood-metrics-old/counter_1.db").touch()
    os.utime(temporary / "petmood-metrics-old", (0, 0))
    before = sorted(temporary.rglob("*"))
    with metrics_folder():
        pass
    assert sorted(temporary.rglob("*")) == before


def test_an_empty_folder_that_a_kill_left_before_its_lock_is_removed(temporary: Path) -> None:
    (temporary / "petmood-metrics-empty").mkdir()
    (temporary / "petmood-metrics-unlocked").mkdir()
    (temporary / "petmood-metrics-unlocked/unlocked").touch()
    for path in temporary.iterdir():
        os.utime(path, (0, 0))
    with metrics_folder():
        pass
    assert list(temporary.iterdir()) == []
    assert module.NEW_S == 60


def test_a_service_that_starts_before_the_lock_is_held_leaves_the_folder(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two services started at once: one looks for leftovers while the other has created its file, not yet locked it."""
    lock, began = fcntl.flock, list[int]()

    def late(handle: int, operation: int) -> None:
        if not began:
            began.append(handle)
            module._remove_leftovers(temporary)
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with metrics_folder() as (folder, handle):
        assert began == [handle]
        assert folder.is_dir()
        module._remove_leftovers(temporary)
        assert folder.is_dir()

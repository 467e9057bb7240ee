"""Tracking state: written atomically, read back equal, and locked by one process at a time."""

import fcntl
from pathlib import Path

import pytest
from pydantic import ValidationError

from petmood.core.errors import TrackingError
from petmood.core.locks import lock_path
from petmood.training.tracking.state import (
    STATE_NAME,
    BundleRecord,
    TrackerSettings,
    TrackingState,
    mirror_lock,
    new_state,
    read_state,
    state_of,
    write_state,
)


def test_a_state_reads_back_equal_and_leaves_no_other_file(folder: Path, state: TrackingState) -> None:
    bundle = BundleRecord(folder="bundles/x", name="x", sha256="0" * 64)
    whole = state.model_copy(update={"epoch_ms": {0: 1, 12: 3}, "bundle": bundle, "sweep": "../..", "ended_ms": 5})
    write_state(folder, whole)
    assert read_state(folder) == whole
    assert {path.name for path in folder.iterdir()} == {"report.html", STATE_NAME}


def test_a_run_that_is_not_tracked_has_no_state(folder: Path) -> None:
    assert read_state(folder) is None
    with pytest.raises(TrackingError, match=r"is not a tracked run\. Train with tracker=mlflow"):
        state_of(folder)


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"{}", b'{"run_id": "../x"}'])
def test_a_damaged_state_is_refused_in_one_line(damage: bytes, folder: Path) -> None:
    (folder / STATE_NAME).write_bytes(damage)
    with pytest.raises(TrackingError, match=r"tracking\.json can't be read"):
        read_state(folder)


def test_every_run_has_its_own_id_that_every_tracker_takes(folder: Path, state: TrackingState) -> None:
    first, second = (new_state(folder, TrackerSettings()) for _ in range(2))
    assert first.run_id != second.run_id
    assert first.name == "run"
    with pytest.raises(ValidationError):
        TrackingState.model_validate(state.model_dump() | {"run_id": "../x"})


def test_one_process_at_a_time_writes_a_run(folder: Path) -> None:
    with mirror_lock(folder, wait_s=0):
        with lock_path(folder / STATE_NAME).open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(TrackingError, match="Another process is sending"), mirror_lock(folder, wait_s=0.1):
            pass
    with mirror_lock(folder, wait_s=0):
        pass

"""Tests of the retention of kept photos: by the age of each folder that the log names."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from petmood.core.errors import LogUnavailable
from petmood.monitoring import kept_photos, photo_retention
from petmood.monitoring.kept_photos import DAY_S, KeptPhotos
from petmood.monitoring.photo_retention import PhotoRetention
from petmood.monitoring.prediction_log.clock import AgeClock
from petmood.monitoring.prediction_log.rows import PhotoKey


def folder_of(path: Path, *, days: float) -> Path:
    """Make a folder that keeps photos for some days, with one of 0, 8 and 31 days each."""
    photos = KeptPhotos(path)
    photos.create(days=days)
    for age in (0, 8, 31):
        photos.write(PhotoKey(str(age)), b"pixels")
        then = time.time() - age * DAY_S
        os.utime(photos.path(PhotoKey(str(age))), (then, then))
    return path


def ages(folder: Path) -> list[str]:
    """Return the ages of the photos in a folder."""
    return sorted(path.stem.removeprefix("0-") for path in folder.glob("*.photo"))


def test_each_folder_that_the_log_names_keeps_its_own_promise_and_one_that_is_not_here_is_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_retention, "PRUNE_EVERY_S", 0.0)
    week, month = folder_of(tmp_path / "week", days=7), folder_of(tmp_path / "month", days=30)
    retention = PhotoRetention(lambda: [week, tmp_path / "gone", month])
    for _ in range(2):
        retention.step()
    assert (ages(week), ages(month)) == (["0"], ["0", "8"])
    assert caplog.text.count(f"not on this machine, in which none are deleted by age from here: {tmp_path}/gone") == 1
    assert not (tmp_path / "gone").exists()


def test_in_the_service_s_own_folder_photos_are_not_older_than_rows(tmp_path: Path) -> None:
    own, other = folder_of(tmp_path / "own", days=30), folder_of(tmp_path / "other", days=30)
    PhotoRetention(lambda: [own, other], own=own, most_days=7).step()
    assert (ages(own), ages(other)) == (["0"], ["0", "8"])
    PhotoRetention(list, own=tmp_path / "none", most_days=7).step()


def test_a_folder_that_can_t_be_used_and_a_log_that_is_away_leave_no_photos_in_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_retention, "PRUNE_EVERY_S", 0.0)
    own, old, odd = (folder_of(tmp_path / name, days=30) for name in ("own", "old", "odd"))
    (odd / kept_photos.DAYS_FILE).write_text("many")
    away = False

    def remembered() -> Sequence[Path]:
        if away:
            raise LogUnavailable("The prediction log can't be used: away")
        return [odd, old]

    retention = PhotoRetention(remembered, own=own)
    retention.step()
    assert f"can't be deleted in {odd}: could not convert string to float" in caplog.text
    away = True
    for folder in (own, old):
        folder_of(folder, days=30)
    retention.step()
    assert [ages(one) for one in (own, old, odd)] == [["0", "8"], ["0", "8"], ["0", "31", "8"]]
    assert "the folders of kept photos can't be read; again in an hour: The prediction log" in caplog.text


def test_a_clock_that_is_set_forward_deletes_no_photo_early(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_retention, "PRUNE_EVERY_S", 0.0)
    shift = 0.0
    own = folder_of(tmp_path / "own", days=30)
    clock = AgeClock("photos", clock=lambda: time.time() + shift)
    retention = PhotoRetention(list, own=own, clock=clock)
    shift = 3650 * DAY_S
    for _ in range(2):
        retention.step()
    assert ages(own) == ["0", "8"], "ages are those of the time that has elapsed"
    assert caplog.text.count("Old photos are deleted as if it had not been") == 1


def test_photos_are_deleted_once_an_hour(tmp_path: Path) -> None:
    own = folder_of(tmp_path / "own", days=30)
    retention = PhotoRetention(list, own=own)
    retention.step()
    folder_of(own, days=30)
    retention.step()
    assert ages(own) == ["0", "31", "8"]

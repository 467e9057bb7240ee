"""Tests of the spool of the prediction log."""

import os
import shutil
from pathlib import Path

import pytest

from petmood.core.errors import ConfigError
from petmood.monitoring.prediction_log.database import database_url
from petmood.monitoring.prediction_log.rows import LogRow
from petmood.monitoring.prediction_log.spool import Spool, replay_orphans, rows_in, spool_folder
from tests.support.logged import row


def replayed(spool: Spool) -> list[LogRow]:
    """Return all rows of a spool, which is empty afterwards."""
    return [one for chunk in spool.replay() for one in chunk]


def test_what_is_appended_is_replayed_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append([row(1), row(2)])
    spool.append([row(3)])
    assert replayed(spool) == [row(1), row(2), row(3)]
    assert list((tmp_path / "spool").iterdir()) == []
    assert replayed(spool) == []
    spool.append([row(4)])
    assert replayed(spool) == [row(4)]


def test_many_rows_come_in_chunks_and_none_is_missing(tmp_path: Path) -> None:
    spool, rows = Spool(tmp_path), [row(number) for number in range(1203)]
    spool.append(rows)
    chunks = list(spool.replay())
    assert [len(chunk) for chunk in chunks] == [500, 500, 203]
    assert [one for chunk in chunks for one in chunk] == rows


def test_a_replay_that_stops_midway_keeps_its_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([row(number) for number in range(600)])
    replay = spool.replay()
    assert len(next(replay)) == 500
    replay.close()
    assert len(replayed(spool)) == 600


def test_files_of_dead_processes_are_replayed_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    dead, living, spool = Spool(tmp_path), Spool(tmp_path), Spool(tmp_path)
    dead.append([row(1)])
    dead.close()
    living.append([row(2)])
    assert replayed(spool) == [row(1)]
    assert replayed(living) == [row(2)]


def test_damaged_and_cut_lines_are_passed_over_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path)
    spool.append([row(1), row(2)])
    (path,) = tmp_path.iterdir()
    spool.close()
    path.write_bytes(b"\xff\x00 damaged\n" + path.read_bytes()[:-30])
    assert replayed(Spool(tmp_path)) == [row(1)]
    assert "2 damaged lines" in caplog.text


def test_a_full_disk_leaves_no_cut_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    spool.append([row(1)])
    write = os.write

    def write_a_little(handle: int, data: bytes) -> int:
        if len(data) <= 10:
            raise OSError(28, "No space left on device")
        return write(handle, data[:-10])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write_a_little)
        with pytest.raises(OSError, match="No space left"):
            spool.append([row(2)])
    spool.append([row(3)])
    assert replayed(spool) == [row(1), row(3)]


def test_a_file_or_folder_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append([row(1)])
    shutil.rmtree(tmp_path / "spool")
    spool.append([row(2)])
    assert replayed(spool) == [row(2)]
    spool.append([row(3)])
    (path,) = (tmp_path / "spool").iterdir()
    path.unlink()
    assert replayed(spool) == []
    spool.append([row(4)])
    assert replayed(spool) == [row(4)]


def test_a_spool_has_a_largest_size(tmp_path: Path) -> None:
    line = len(row(1).to_json()) + 1
    spool = Spool(tmp_path, most_bytes=2 * line)
    spool.append([row(1), row(2)])
    with pytest.raises(OSError, match="the spool has reached"):
        spool.append([row(3)])
    assert replayed(spool) == [row(1), row(2)]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be made"):
        Spool(tmp_path / "file" / "spool")


def test_only_its_user_reads_a_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([row(1)])
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o077 == 0
    spool.close()


def test_the_files_that_dead_processes_left_are_read_without_a_spool_of_ones_own(tmp_path: Path) -> None:
    dead, living = Spool(tmp_path), Spool(tmp_path)
    dead.append([row(1)])
    dead.close()
    living.append([row(2)])
    assert {one.request_id for one in rows_in(tmp_path)} == {"request-1", "request-2"}
    assert list(replay_orphans(tmp_path)) == [[row(1)]]
    assert list(rows_in(tmp_path)) == [row(2)]
    assert replayed(living) == [row(2)]


def test_the_folder_of_a_log_is_the_given_one_or_follows_from_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path))
    first, second = (database_url(f"postgresql://me:{word}@db/pets") for word in ("one", "two"))
    assert spool_folder(first) == spool_folder(second)
    assert spool_folder(first).parent == tmp_path / "prediction-log"
    assert spool_folder(first, Path("given")) == Path("given")


def test_rows_of_any_process_are_seen_until_they_are_replayed(tmp_path: Path) -> None:
    spool, other = Spool(tmp_path), Spool(tmp_path)
    assert not spool.has_rows()
    other.append([row(1)])
    assert spool.has_rows()
    assert replayed(other) == [row(1)]
    assert not spool.has_rows()

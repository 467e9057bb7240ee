"""Tests of `petmood log`."""

import errno
import json
import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from petmood.cli.app import petmood
from petmood.core.errors import ConfigError, OutputLocked
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.monitoring.photo_folders import remember_photo_folder
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.monitoring.prediction_log.spool import Spool
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import request_ids, row, sqlite


def run(*words: str, expected: int = 0) -> Result:
    """Run a command and check its exit code."""
    result = CliRunner().invoke(petmood, ["log", *words])
    assert result.exit_code == expected, result.output
    return result


@pytest.fixture
def log(tmp_path: Path) -> str:
    """Return the address of a log with four rows, one of them of just now."""
    store = LogStore(sqlite(tmp_path))
    store.insert([*(row(number) for number in range(3)), row(9, time_us=int(time.time() * 1e6))])
    store.close()
    return f"sqlite:///{tmp_path}/log.db"


def test_show_lists_bundles(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("show", "--log", log).output.startswith("pets 1: 4 predictions, 2026-")
    monkeypatch.setenv("PETMOOD_PREDICTION_LOG", log)
    (found,) = json.loads(run("show", "--json").output)
    assert (found["bundle"], found["rows"], found["classes"]) == ("pets", 4, ["angry", "happy"])


def test_show_says_that_a_log_is_empty(tmp_path: Path) -> None:
    LogStore(sqlite(tmp_path)).prepare()
    assert run("show", "--log", f"sqlite:///{tmp_path}/log.db").output == "The log has no predictions yet.\n"


@pytest.mark.parametrize(
    ("options", "rows"), [((), 4), (("--last", "2"), 2), (("--since", "24h"), 1), (("--since", "30m"), 1)]
)
def test_export_writes_a_window(log: str, tmp_path: Path, options: tuple[str, ...], rows: int) -> None:
    target = tmp_path / "out.parquet"
    assert run("export", "--log", log, "--output", str(target), *options).output == f"{target}: {rows} predictions\n"
    assert pq.read_table(target).num_rows == rows


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--last", "0"), "0 is not in the range x>=1"),
        (("--last", "1_0"), "1_0"),
        (("--since", "0h"), "Expected a time such as 30m, 24h or 7d, got '0h'"),
        (("--since", "tomorrow"), "got 'tomorrow'"),
        (("--since", "-3h"), "got '-3h'"),
    ],
)
def test_a_window_without_sense_is_refused(log: str, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    result = run("export", "--log", log, "--output", str(tmp_path / "out.parquet"), *options, expected=2)
    assert message in result.output
    assert not (tmp_path / "out.parquet").exists()


def test_delete_takes_request_ids(log: str, tmp_path: Path) -> None:
    assert run("delete", "request-1", "unknown", "--log", log).output == "1 predictions deleted\n"
    assert request_ids(sqlite(tmp_path)) == ["request-0", "request-2", "request-9"]


def test_prune_takes_an_age(log: str, tmp_path: Path) -> None:
    run("prune", "--days", "0.5", "--log", log)
    assert request_ids(sqlite(tmp_path)) == ["request-9"]
    run("prune", "--days", "nan", "--log", log, expected=2)


def test_a_log_must_be_named_and_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PETMOOD_PREDICTION_LOG", raising=False)
    assert "Missing option '--log'" in run("show", expected=2).output
    with pytest.raises(ConfigError, match="No prediction log at"):
        CliRunner().invoke(petmood, ["log", "show", "--log", f"sqlite:///{tmp_path}/none.db"], catch_exceptions=False)


def test_delete_and_prune_reach_the_spool(log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append([row(5), row(6)])
    spool.close()
    given = ("--log", log, "--spool", str(tmp_path / "spool"))
    assert run("delete", "request-5", *given).output == "1 predictions deleted\n"
    assert "request-6" in request_ids(sqlite(tmp_path))
    spool.append([row(7)])
    spool.close()
    monkeypatch.setenv("PETMOOD_PREDICTION_LOG_SPOOL", str(tmp_path / "spool"))
    assert run("prune", "--days", "0.5", "--log", log).output == "5 predictions deleted\n"
    assert request_ids(sqlite(tmp_path)) == ["request-9"]


def test_delete_says_what_a_running_service_will_write(log: str, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append([row(1, position=1)])
    words = ["log", "delete", "request-1", "--log", log, "--spool", str(tmp_path / "spool")]
    with pytest.raises(OutputLocked, match="1 of these predictions are left in the spool"):
        CliRunner().invoke(petmood, words, catch_exceptions=False)
    assert "request-1" not in request_ids(sqlite(tmp_path))
    spool.close()


def test_a_database_of_something_else_is_no_log(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as raw:
        raw.execute("CREATE TABLE runs (id)")
    raw.close()
    for words in (["show"], ["export", "--output", "x.parquet"], ["delete", "a"], ["prune", "--days", "1"]):
        given = ["log", *words, "--log", f"sqlite:///{tmp_path}/other.db"]
        with pytest.raises(ConfigError, match="isn't a prediction log"):
            CliRunner().invoke(petmood, given, catch_exceptions=False)
    with sqlite3.connect(tmp_path / "other.db") as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("runs",)]
    raw.close()


def with_photos(folder: Path, *numbers: int) -> KeptPhotos:
    """Keep photos of requests with these numbers beside the log."""
    photos = KeptPhotos(folder)
    photos.create(days=30)
    for number in numbers:
        photos.write(PhotoKey(f"request-{number}"), b"pixels")
    return photos


def test_photos_are_deleted_with_their_predictions(log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PETMOOD_KEEP_PHOTOS_FOLDER", raising=False)
    photos = with_photos(tmp_path / "log.db.photos", 0, 1, 9)
    assert run("delete", "request-1", "--log", log).output == "1 predictions deleted, 1 photos deleted\n"
    os.utime(photos.path(PhotoKey("request-0")), (0, 0))
    assert run("prune", "--days", "0.5", "--log", log).output == "2 predictions deleted, 1 photos deleted\n"
    assert photos.path(PhotoKey("request-9")).is_file()


def test_photos_in_a_folder_that_the_log_remembers_are_deleted_and_a_missing_one_is_named(
    log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PETMOOD_KEEP_PHOTOS_FOLDER", raising=False)
    engine, elsewhere = sqlite(tmp_path), tmp_path / "elsewhere"
    remember_photo_folder(engine, elsewhere)
    with_photos(elsewhere, 1, 2)
    assert run("delete", "request-1", "--log", log).output == "1 predictions deleted, 1 photos deleted\n"
    remember_photo_folder(engine, tmp_path / "gone")
    engine.dispose()
    told = run("delete", "request-2", "--log", log)
    assert told.stdout == "1 predictions deleted, 1 photos deleted\n"
    assert told.stderr == (
        f"Photos, if there are any in {tmp_path / 'gone'}, which is not here, were not deleted: "
        "name their folder with --photos.\n"
    )


def test_pruning_a_copy_of_a_log_leaves_the_photos_of_the_original(
    log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PETMOOD_KEEP_PHOTOS_FOLDER", raising=False)
    engine, original = sqlite(tmp_path), tmp_path / "original"
    remember_photo_folder(engine, original)
    engine.dispose()
    photos = with_photos(original, 0)
    os.utime(photos.path(PhotoKey("request-0")), (0, 0))
    assert "photos deleted" not in run("prune", "--days", "0.5", "--log", log).output
    assert photos.path(PhotoKey("request-0")).is_file()


def test_a_folder_that_can_not_be_read_is_named_and_the_others_are_deleted_from(
    log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PETMOOD_KEEP_PHOTOS_FOLDER", raising=False)
    engine, elsewhere, closed = sqlite(tmp_path), tmp_path / "elsewhere", tmp_path / "closed"
    for folder in (elsewhere, closed):
        remember_photo_folder(engine, folder)
        with_photos(folder, 1)
    engine.dispose()
    delete = KeptPhotos.delete_requests

    def denied(photos: KeptPhotos, request_ids: Iterable[str]) -> int:
        if photos.folder == closed:
            raise PermissionError(errno.EACCES, "Permission denied")
        return delete(photos, request_ids)

    monkeypatch.setattr(KeptPhotos, "delete_requests", denied)
    told = run("delete", "request-1", "--log", log)
    assert told.stdout == "1 predictions deleted, 1 photos deleted\n"
    assert f"{closed} (Permission denied), were not deleted" in told.stderr


def test_photos_elsewhere_are_deleted_if_their_folder_is_named(
    log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    with_photos(elsewhere, 1, 2)
    found = run("delete", "request-1", "--log", log, "--photos", str(elsewhere)).output
    assert found == "1 predictions deleted, 1 photos deleted\n"
    monkeypatch.setenv("PETMOOD_KEEP_PHOTOS_FOLDER", str(elsewhere))
    assert run("delete", "request-2", "--log", log).output == "1 predictions deleted, 1 photos deleted\n"

"""Tests of the folders of photos that a log remembers."""

from pathlib import Path

from petmood.monitoring.photo_folders import remember_photo_folder, remembered_photo_folders
from petmood.monitoring.prediction_log.database import migrate
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import row, sqlite


def test_the_folder_of_the_last_start_comes_first_and_each_is_there_once(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    migrate(engine)
    assert remembered_photo_folders(engine) == []
    for name in ("first", "second", "first"):
        remember_photo_folder(engine, tmp_path / name)
    assert remembered_photo_folders(engine) == [tmp_path / "first", tmp_path / "second"]
    engine.dispose()


def test_a_service_s_log_remembers_it_also_when_the_log_is_begun_anew(tmp_path: Path) -> None:
    store, reader = LogStore(sqlite(tmp_path), photo_folder=tmp_path / "photos"), sqlite(tmp_path)
    for _ in range(2):
        store.insert([row(1)])
        assert remembered_photo_folders(reader) == [tmp_path / "photos"]
        reader.dispose()
        for path in tmp_path.glob("log.db*"):
            path.unlink()
    store.close()

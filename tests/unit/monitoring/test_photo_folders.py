"""Tests of the folders of photos that a log remembers."""

import hashlib
from pathlib import Path

import pytest

from petmood.monitoring.kept_photos import KeptPhotos
from petmood.monitoring.photo_folders import PhotosOfLog, is_here, remember_photo_folder, remembered_photo_folders
from petmood.monitoring.prediction_log.database import migrate
from petmood.monitoring.prediction_log.rows import PhotoKey
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


def folder_with(path: Path, *contents: bytes) -> Path:
    """Make a folder that keeps these photos of requests 0, 1 and so on; an empty one is left out."""
    photos = KeptPhotos(path)
    photos.create(days=30)
    for number, content in enumerate(contents):
        if content:
            photos.write(PhotoKey(f"request-{number}"), content)
    return path


def test_each_photo_is_read_from_the_folder_that_has_that_of_its_row(tmp_path: Path) -> None:
    new, old = folder_with(tmp_path / "new", b"another", b"", b"c"), folder_with(tmp_path / "old", b"a", b"b")
    photos = PhotosOfLog([tmp_path / "gone", new, old, new])
    assert (photos.here, photos.elsewhere) == ((new, old), (tmp_path / "gone",))
    found = [
        photos.read(PhotoKey(f"request-{number}"), sha256=hashlib.sha256(content).hexdigest())
        for number, content in enumerate((b"a", b"b", b"c", b"d"))
    ]
    assert found == [b"a", b"b", b"c", None]
    assert sorted(key.request_id for _, key in photos.dated()) == ["request-0", "request-0", "request-1", "request-2"]
    none = PhotosOfLog([])
    assert (none.read(PhotoKey("request-0")), none.dated(), none.here) == (None, [], ())


def test_a_photo_that_can_t_be_read_is_an_error_unless_another_folder_has_it(tmp_path: Path) -> None:
    closed, old = folder_with(tmp_path / "closed"), folder_with(tmp_path / "old", b"a")
    for number in range(2):
        KeptPhotos(closed).path(PhotoKey(f"request-{number}")).mkdir()
    photos = PhotosOfLog([closed, old])
    assert photos.read(PhotoKey("request-0")) == b"a"
    with pytest.raises(OSError, match="request-1"):
        photos.read(PhotoKey("request-1"))
    assert not is_here(tmp_path / ("n" * 5000))

"""Tests of the photos that a service keeps: only when told to, for some days, readable by their owner alone."""

import hashlib
import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from petmood.core.errors import ConfigError
from petmood.monitoring import kept_photos
from petmood.monitoring.kept_photos import DAY_S, KeptPhotos, PhotoKeeper, open_keeper, photos_folder
from petmood.monitoring.metric_names import PhotoResult
from petmood.monitoring.prediction_log.rows import PhotoKey


class Counts(Counter[PhotoResult]):
    """Numbers of photos by result."""

    def add(self, result: PhotoResult, number: int) -> None:
        """Count photos."""
        self[result] += number


@pytest.fixture
def photos(tmp_path: Path) -> KeptPhotos:
    """Return a folder that keeps photos for 30 days."""
    found = KeptPhotos(tmp_path / "photos")
    found.create(days=30)
    return found


def age(photos: KeptPhotos, key: PhotoKey, days: float) -> None:
    """Make a photo older."""
    then = time.time() - days * DAY_S
    os.utime(photos.path(key), (then, then))


def names(photos: KeptPhotos) -> list[str]:
    """Return the names of the files in the folder, without that of the age."""
    return sorted(path.name for path in photos.folder.iterdir() if path.name != kept_photos.DAYS_FILE)


def test_a_photo_is_kept_as_it_was_uploaded_and_only_its_owner_can_read_it(photos: KeptPhotos) -> None:
    photos.write(PhotoKey("abc", 2), b"pixels")
    assert names(photos) == ["2-abc.photo"]
    path = photos.path(PhotoKey("abc", 2))
    assert path.read_bytes() == b"pixels"
    assert path.stat().st_mode & 0o777 == 0o600
    assert photos.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("request_id", ["..", ".", ".hidden", "-x", "a.photo", "a.new"])
def test_any_request_id_is_a_file_of_the_folder(photos: KeptPhotos, request_id: str) -> None:
    photos.write(PhotoKey(request_id), b"pixels")
    assert photos.path(PhotoKey(request_id)).parent == photos.folder
    assert names(photos) == [f"0-{request_id}.photo"]
    assert photos.delete_requests([request_id]) == 1
    assert names(photos) == []


def test_the_first_photo_of_a_request_stays(photos: KeptPhotos) -> None:
    for content in (b"first", b"second"):
        photos.write(PhotoKey("abc"), content)
    assert photos.path(PhotoKey("abc")).read_bytes() == b"first"


def test_a_photo_is_read_for_the_row_that_has_its_hash_alone(photos: KeptPhotos) -> None:
    photos.write(PhotoKey("abc"), b"second")
    first, second = (hashlib.sha256(content).hexdigest() for content in (b"first", b"second"))
    found = [photos.read(PhotoKey("abc"), sha256=one) for one in (first, "", second, None)]
    assert found == [None, None, b"second", b"second"]


def test_photos_of_a_request_are_deleted_and_no_others(photos: KeptPhotos) -> None:
    for key in (PhotoKey("abc"), PhotoKey("abc", 1), PhotoKey("abcd"), PhotoKey("0-abc")):
        photos.write(key, b"pixels")
    assert photos.delete_requests(["abc", "unknown"]) == 2
    assert names(photos) == ["0-0-abc.photo", "0-abcd.photo"]


def test_a_half_written_photo_of_a_killed_process_is_no_photo_and_is_deleted_with_its_request(
    photos: KeptPhotos,
) -> None:
    for name in ("0-abc.photo.1234.new", "1-abcd.photo.1234.new"):
        (photos.folder / name).write_bytes(b"half")
    assert photos.dated() == []
    assert photos.delete_requests(["abc"]) == 1
    assert names(photos) == ["1-abcd.photo.1234.new"]


def test_old_photos_and_stale_drafts_are_deleted_and_other_files_are_not(photos: KeptPhotos) -> None:
    for number in range(3):
        photos.write(PhotoKey(str(number)), b"pixels")
    age(photos, PhotoKey("1"), 31)
    for name in ("0-9.photo.1234.new", "notes.txt"):
        (photos.folder / name).write_bytes(b"half")
        os.utime(photos.folder / name, (0, 0))
    assert photos.delete_expired() == 2
    assert names(photos) == ["0-0.photo", "0-2.photo", "notes.txt"]
    age(photos, PhotoKey("2"), 0.5)
    assert photos.delete_older(0.4) == 1


def test_an_age_of_the_rows_counts_if_it_is_less_and_a_folder_without_an_age_keeps_its_photos(
    photos: KeptPhotos,
) -> None:
    for number, days in enumerate((0.0, 8.0)):
        photos.write(PhotoKey(str(number)), b"pixels")
        age(photos, PhotoKey(str(number)), days)
    assert [photos.delete_expired(most_days=days) for days in (None, 40, 7)] == [0, 0, 1]
    (photos.folder / kept_photos.DAYS_FILE).write_text("many")
    with pytest.raises(ValueError, match="many"):
        photos.delete_expired()
    (photos.folder / kept_photos.DAYS_FILE).unlink()
    age(photos, PhotoKey("0"), 10_000)
    assert photos.delete_expired(most_days=7) == 0


def test_a_folder_that_is_not_there_has_no_photos(tmp_path: Path) -> None:
    photos = KeptPhotos(tmp_path / "none")
    assert (photos.delete_expired(), photos.delete_older(1), photos.delete_requests(["abc"])) == (0, 0, 0)


def test_a_photo_that_can_not_be_written_is_dropped_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counts = Counts()
    photos = KeptPhotos(tmp_path / "photos")  # never created, as if it was removed
    keeper = PhotoKeeper(photos, count=counts.add)
    for _ in range(2):
        admitted = keeper.admit(b"pixels")
        assert admitted is not None
        keeper.write(PhotoKey("abc"), admitted)
    assert counts == {PhotoResult.DROPPED: 2}
    assert caplog.text.count("photos can't be kept") == 1


def test_photos_that_wait_are_bounded_in_bytes_and_room_is_made_by_writing(photos: KeptPhotos) -> None:
    counts = Counts()
    keeper = PhotoKeeper(photos, count=counts.add, held_bytes=10)
    assert (keeper.admit(b"123456"), keeper.admit(b"12345"), keeper.admit(b"1234")) == (b"123456", None, b"1234")
    keeper.write(PhotoKey("a"), b"123456")
    assert keeper.admit(b"123456") == b"123456"
    assert counts == {PhotoResult.DROPPED: 1, PhotoResult.KEPT: 1}


def test_photos_are_admitted_from_several_threads(photos: KeptPhotos) -> None:
    counts = Counts()
    keeper = PhotoKeeper(photos, count=counts.add, held_bytes=50)
    admitted: list[bytes] = []

    def ask() -> None:
        admitted.extend(photo for _ in range(100) if (photo := keeper.admit(b"x")) is not None)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 50


def test_the_folder_is_beside_an_sqlite_file_and_is_named_for_postgresql(tmp_path: Path) -> None:
    sqlite, postgres = make_url(f"sqlite:///{tmp_path}/log.db"), make_url("postgresql+psycopg://db/pets")
    assert photos_folder(sqlite) == tmp_path / "log.db.photos"
    assert photos_folder(sqlite, "elsewhere") == photos_folder(postgres, "elsewhere") == Path("elsewhere")
    assert photos_folder(postgres) is None
    with pytest.raises(ConfigError, match=r"Expected a folder for the photos.*Set PETMOOD_KEEP_PHOTOS_FOLDER"):
        open_keeper(postgres, days=1, count=Counts().add)


def test_a_folder_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigError, match="for photos can't be written"):
        open_keeper(make_url(f"sqlite:///{tmp_path}/log.db"), days=1, folder=f"{tmp_path}/file", count=Counts().add)


def test_photos_have_the_time_at_which_they_were_written_and_other_files_are_none(tmp_path: Path) -> None:
    photos, keys = KeptPhotos(tmp_path), [PhotoKey(f"request-{number}", number) for number in range(3)]
    for number, key in enumerate(keys):
        photos.write(key, b"photo")
        os.utime(photos.path(key), (1000 + number, 1000 + number))
    (tmp_path / "notes.txt").touch()
    assert sorted(photos.dated()) == [(1000.0 + number, key) for number, key in enumerate(keys)]


def test_a_photo_that_is_older_than_promised_is_not_found_before_it_is_deleted_either(photos: KeptPhotos) -> None:
    keys = [PhotoKey("new"), PhotoKey("old")]
    for key, days in zip(keys, (29, 31), strict=True):
        photos.write(key, b"pixels")
        age(photos, key, days)
    assert [photos.read(key) for key in keys] == [b"pixels", None]
    assert [key for _, key in photos.dated()] == [PhotoKey("new")]
    photos.create(days=32)
    assert photos.read(PhotoKey("old")) == b"pixels"


@pytest.mark.parametrize(("request_id", "position"), [("../log", 0), ("a/b", 0), ("", 0), ("a" * 65, 0), ("a", -1)])
def test_a_name_that_leaves_the_folder_is_none(request_id: str, position: int) -> None:
    assert KeptPhotos.is_name("request-1.a_B", 12)
    assert not KeptPhotos.is_name(request_id, position)

"""Tests of photo search and streamed prediction."""

import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from petmood.core.errors import DataError, PhotoError
from petmood.core.prediction import Prediction
from petmood.core.schemas import ModelInfo
from petmood.inference.base import Answer
from petmood.inference.batch import BATCH, find_photos, predict_stream
from petmood.inference.fake import FakePredictor
from tests.support.pictures import jpeg, photo_like, png

PHOTO = jpeg(photo_like(40, 40))


class Counting(FakePredictor):
    """Remember how many photos came at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def predict(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Answer as the pretended predictor does."""
        self.asked.append(len(photos))
        return super().predict(photos)


def fill(folder: Path, *names: str) -> None:
    """Put the same photo under several names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PHOTO)


# --- finding ----------------------------------------------------------------------------------------------------------


def test_photos_below_a_folder_are_found_sorted_whatever_the_case_of_their_suffix(tmp_path: Path) -> None:
    fill(tmp_path, "b.JPG", "a/z.png", "a/b/c.WebP", "c.jpeg", "notes.txt", "d.jpg.bak", "e")
    names = [path.relative_to(tmp_path).as_posix() for path in find_photos([tmp_path])]
    assert names == ["a/b/c.WebP", "a/z.png", "b.JPG", "c.jpeg"]


def test_hidden_files_and_folders_are_passed_over_unless_they_are_named(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "._a.jpg", ".cache/b.jpg", "in/.hidden/c.jpg")
    assert find_photos([tmp_path]) == [tmp_path / "a.jpg"]
    assert find_photos([tmp_path / "._a.jpg", tmp_path / ".cache"]) == [tmp_path / "._a.jpg", tmp_path / ".cache/b.jpg"]


def test_a_folder_that_is_named_like_a_photo_is_looked_into(tmp_path: Path) -> None:
    fill(tmp_path, "album.jpg/a.jpg")
    assert find_photos([tmp_path]) == [tmp_path / "album.jpg/a.jpg"]


def test_named_files_keep_their_order_and_need_no_suffix(tmp_path: Path) -> None:
    fill(tmp_path, "z", "a.jpg", "folder/b.jpg")
    asked = [tmp_path / "z", tmp_path / "folder", tmp_path / "a.jpg"]
    assert find_photos(asked) == [tmp_path / "z", tmp_path / "folder/b.jpg", tmp_path / "a.jpg"]


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No such photo or folder: .*none\.jpg"):
        find_photos([tmp_path / "none.jpg"])


def test_a_folder_without_photos_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    fill(tmp_path, "notes.txt")
    with pytest.raises(DataError, match=r"No photos below .* Looked for \.avif, .*\.webp"):
        find_photos([tmp_path])


# --- answering --------------------------------------------------------------------------------------------------------


def test_answers_come_in_order_in_small_batches_as_soon_as_they_are_there(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{number:02}.jpg" for number in range(2 * BATCH + 3)))
    predictor, photos = Counting(), find_photos([tmp_path])
    stream = predict_stream(predictor, photos)
    assert predictor.asked == []
    assert next(stream).photo == photos[0]
    assert predictor.asked == [BATCH]
    assert [answered.photo for answered in stream] == photos[1:]
    assert predictor.asked == [BATCH, BATCH, 3]


def test_photos_that_can_t_be_read_or_decoded_spoil_no_other(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "d.jpg")
    (tmp_path / "b.jpg").write_bytes(b"no photo")
    (tmp_path / "c.jpg").symlink_to(tmp_path / "gone")
    answers = [answered.answer for answered in predict_stream(FakePredictor(), find_photos([tmp_path]))]
    good = [isinstance(answer, Prediction) for answer in answers]
    assert good == [True, False, False, True]
    assert isinstance(answers[2], PhotoError)
    assert "c.jpg can't be read" in str(answers[2])


def test_a_photo_that_is_named_twice_is_answered_twice(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg")
    asked = [tmp_path / "a.jpg"] * 2
    assert [answered.photo for answered in predict_stream(FakePredictor(), asked)] == asked


def test_memory_stays_flat_over_two_thousand_photos(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(photo_like(300, 300)))

    def endless(count: int) -> Iterator[Path]:
        for _ in range(count):
            yield tmp_path / "a.png"

    class Quick(FakePredictor):
        """Answer without decoding: this test is about what the stream holds on to."""

        def predict(self, photos: Sequence[bytes | Path]) -> list[Answer]:
            """Hold the bytes of one batch."""
            held = [photo.read_bytes() if isinstance(photo, Path) else photo for photo in photos]
            return [PhotoError(str(len(data))) for data in held]

        @property
        def model(self) -> ModelInfo:
            """Which model answers."""
            return ModelInfo(name="quick", version="0", sha256="0" * 64)

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            for _ in predict_stream(Quick(), endless(count)):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(50)
    assert peak(2000) < 1.5 * peak(50) + 100_000

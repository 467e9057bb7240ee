"""Tests of what all predictors share: one photo, several, batches, and preparation that returns errors."""

import gc
import io
import tracemalloc
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from petmood.core.bundle import Bundle
from petmood.core.errors import CorruptImage, EmptyFile, FileTooLarge, PetmoodError, PhotoError, TooSmall
from petmood.core.image import ImageSpec, PreparedImage, load
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.photo import ImageLimits
from petmood.core.prediction import Prediction, prediction_response
from petmood.core.schemas import ModelInfo, error_response
from petmood.inference.base import BATCH, Answer, Predictor, try_prepare
from petmood.inference.fake import FakePredictor
from petmood.inference.load import load_bundle
from tests.support.images import jpeg, photo_like, png

SPEC = ImageSpec(side_px=32)
PHOTO = jpeg(photo_like(90, 60))


class Counting(FakePredictor):
    """Remember how many photos came at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Predict as the fake predictor does."""
        self.asked.append(len(photos))
        return super().predict_batch(photos)


@pytest.fixture(params=["real", "fake"])
def predictor(request: pytest.FixtureRequest, shared_bundle: Bundle) -> Predictor:
    """Return each predictor in turn."""
    return load_bundle(shared_bundle.folder) if request.param == "real" else FakePredictor()


def kinds(answers: Sequence[object]) -> list[str]:
    """Return the names of the answers' types."""
    return [type(answer).__name__ for answer in answers]


def test_a_predictor_says_which_model_answers(predictor: Predictor) -> None:
    assert isinstance(predictor.model, ModelInfo)
    assert len(predictor.model.sha256) == 64
    assert predictor.classes == DEFAULT_CLASSES


def test_answers_come_in_the_order_of_the_photos_and_a_bad_one_affects_no_other(
    predictor: Predictor, tmp_path: Path
) -> None:
    (tmp_path / "good.jpg").write_bytes(PHOTO)
    photos: list[bytes | Path] = [b"", PHOTO, PHOTO[:300], tmp_path / "good.jpg", tmp_path / "missing.jpg"]
    answers = predictor.predict_batch(photos)
    assert kinds(answers) == ["EmptyFile", "Prediction", "CorruptImage", "Prediction", "PhotoError"]
    assert answers[1] == answers[3]


def test_nothing_is_asked_and_nothing_is_answered(predictor: Predictor) -> None:
    assert predictor.predict_batch([]) == []


def test_bad_photos_alone_get_their_errors(predictor: Predictor) -> None:
    assert kinds(predictor.predict_batch([b"", PHOTO[:300]])) == [EmptyFile.__name__, CorruptImage.__name__]


def test_every_answer_fits_on_the_wire(predictor: Predictor) -> None:
    good, bad = predictor.predict_batch([PHOTO, b""])
    assert isinstance(good, Prediction)
    assert isinstance(bad, PetmoodError)
    assert isinstance(bad, PhotoError)
    body = prediction_response(good, photo="a.jpg")
    assert sum(body.probabilities.values()) == pytest.approx(1)
    assert body.label in body.prediction_set
    assert error_response(bad).code == "empty_file"


def test_warnings_about_a_photo_come_with_its_answer(predictor: Predictor) -> None:
    (answer,) = predictor.predict_batch([jpeg(photo_like(16, 16))])
    assert isinstance(answer, Prediction)
    assert isinstance(answer.warnings, tuple)


# --- one photo --------------------------------------------------------------------------------------------------------


def test_one_photo_is_predicted_however_it_is_given(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(PHOTO)
    first = predictor.predict(PHOTO)
    assert first.model == predictor.model
    assert predictor.predict(path) == predictor.predict(str(path)) == first
    assert predictor.predict(bytearray(PHOTO)) == predictor.predict(io.BytesIO(PHOTO)) == first
    with path.open("rb") as file:
        assert predictor.predict(file) == first


def test_a_photo_that_is_rejected_raises_its_error(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(CorruptImage):
        predictor.predict(PHOTO[:300])
    with pytest.raises(EmptyFile):
        predictor.predict(io.BytesIO())
    with pytest.raises(PhotoError, match=r"missing\.jpg can't be read"):
        predictor.predict(tmp_path / "missing.jpg")
    with pytest.raises(TypeError, match="got ndarray"):
        predictor.predict(np.zeros((8, 8, 3), np.uint8))  # type: ignore[arg-type] # what is refused


def test_an_error_that_was_caught_keeps_no_photo_in_memory(predictor: Predictor) -> None:
    class Bytes(io.BytesIO):
        """Bytes that can be referenced weakly."""

    photo = Bytes(PHOTO[:300])
    held = weakref.ref(photo)
    gc.disable()
    try:
        with pytest.raises(CorruptImage):
            predictor.predict(photo)
        del photo
        assert held() is None
    finally:
        gc.enable()


def test_a_predictor_is_shown_on_one_line(predictor: Predictor) -> None:
    model = predictor.model
    assert repr(predictor).endswith(f" of {model.name} {model.version}, manifest {model.sha256[:12]}>")


# --- several ----------------------------------------------------------------------------------------------------------


def test_results_come_in_order_in_small_batches_as_soon_as_they_are_there(tmp_path: Path) -> None:
    photos = [tmp_path / f"{number:02}.jpg" for number in range(2 * BATCH + 3)]
    for photo in photos:
        photo.write_bytes(PHOTO)
    predictor = Counting()
    answers = predictor.predict_many(photos)
    assert predictor.asked == []
    first = next(answers)
    assert isinstance(first, Prediction)
    assert predictor.asked == [BATCH]
    assert list(answers) == [first] * (len(photos) - 1)
    assert predictor.asked == [BATCH, BATCH, 3]


def test_photos_that_can_t_be_read_or_decoded_affect_no_other(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    (tmp_path / "c.jpg").symlink_to(tmp_path / "gone")
    too_large = io.BytesIO(bytes(predictor.limits.file_bytes + 1))
    answers = list(predictor.predict_many([str(tmp_path / "a.jpg"), b"no photo", tmp_path / "c.jpg", too_large, PHOTO]))
    assert kinds(answers) == ["Prediction", "UnsupportedFormat", "PhotoError", "FileTooLarge", "Prediction"]
    assert "c.jpg can't be read" in str(answers[2])
    assert all(answer.__traceback__ is None for answer in answers if isinstance(answer, PetmoodError))


def test_one_photo_is_not_taken_for_several(predictor: Predictor) -> None:
    with pytest.raises(TypeError, match="Expected several photos"):
        predictor.predict_many("a.jpg")


def test_memory_stays_flat_over_two_thousand_photos(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(photo_like(300, 300)))

    def endless(count: int) -> Iterator[Path]:
        for _ in range(count):
            yield tmp_path / "a.png"

    class Quick(FakePredictor):
        """Answer without decoding: this test is about what the stream holds on to."""

        def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
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
            for _ in Quick().predict_many(endless(count)):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(50)
    assert peak(2000) < 1.5 * peak(50) + 100_000


# --- preparation ------------------------------------------------------------------------------------------------------


def test_a_good_photo_is_prepared_as_everywhere_else(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    for source in (PHOTO, tmp_path / "a.jpg"):
        prepared = try_prepare(source, SPEC)
        assert isinstance(prepared, PreparedImage)
        assert np.array_equal(prepared.pixels, load(PHOTO, SPEC).pixels)


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"", EmptyFile), (PHOTO[:400], CorruptImage), (png(photo_like(20, 8)), TooSmall)],
)
def test_a_bad_photo_is_returned_as_its_error(data: bytes, kind: type[PhotoError]) -> None:
    assert isinstance(try_prepare(data, SPEC), kind)


def test_limits_are_those_that_are_given() -> None:
    assert isinstance(try_prepare(PHOTO, SPEC, limits=ImageLimits(file_bytes=100)), FileTooLarge)


def test_a_file_that_can_t_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    for name in ("missing.jpg", "folder.jpg", "loop.jpg"):
        error = try_prepare(tmp_path / name, SPEC)
        assert isinstance(error, PhotoError)
        assert str(error).startswith(f"{name} can't be read (")
        assert "\n" not in str(error)


@pytest.mark.parametrize("data", [b"", PHOTO[:400], b"no picture"])
def test_an_error_that_waits_in_a_batch_holds_neither_the_photo_nor_what_was_decoded_of_it(data: bytes) -> None:
    error = try_prepare(data, SPEC)
    assert isinstance(error, PhotoError)
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)

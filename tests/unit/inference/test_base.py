"""Tests that the real and the fake predictor follow the predictor protocol."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from petmood.core.bundle import Bundle
from petmood.core.errors import CorruptImage, EmptyFile, PetmoodError, PhotoError
from petmood.core.prediction import Prediction
from petmood.core.schemas import ModelInfo, error_response, prediction_response
from petmood.inference.base import Predictor
from petmood.inference.fake import FakePredictor
from petmood.inference.load import load_bundle
from tests.support.pictures import jpeg, photo_like

PHOTO = jpeg(photo_like(90, 60))


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


def test_answers_come_in_the_order_of_the_photos_and_a_bad_one_spoils_no_other(
    predictor: Predictor, tmp_path: Path
) -> None:
    (tmp_path / "good.jpg").write_bytes(PHOTO)
    photos: list[bytes | Path] = [b"", PHOTO, PHOTO[:300], tmp_path / "good.jpg", tmp_path / "missing.jpg"]
    answers = predictor.predict(photos)
    assert kinds(answers) == ["EmptyFile", "Prediction", "CorruptImage", "Prediction", "PhotoError"]
    assert answers[1] == answers[3]


def test_nothing_is_asked_and_nothing_is_answered(predictor: Predictor) -> None:
    assert predictor.predict([]) == []


def test_bad_photos_alone_get_their_errors(predictor: Predictor) -> None:
    assert kinds(predictor.predict([b"", PHOTO[:300]])) == [EmptyFile.__name__, CorruptImage.__name__]


def test_every_answer_fits_on_the_wire(predictor: Predictor) -> None:
    good, bad = predictor.predict([PHOTO, b""])
    assert isinstance(good, Prediction)
    assert isinstance(bad, PetmoodError)
    assert isinstance(bad, PhotoError)
    body = prediction_response(good, model=predictor.model, photo="a.jpg")
    assert sum(body.probabilities.values()) == pytest.approx(1)
    assert body.label in body.prediction_set
    assert error_response(bad).code == "empty_file"


def test_warnings_about_a_photo_come_with_its_answer(predictor: Predictor) -> None:
    (answer,) = predictor.predict([jpeg(photo_like(16, 16))])
    assert isinstance(answer, Prediction)
    assert isinstance(answer.warnings, tuple)

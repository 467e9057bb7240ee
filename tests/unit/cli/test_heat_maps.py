"""Explanations of `petmood predict --explain`: how often a photo is run, and what happens where one has none."""

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from petmood.cli.heat_maps import explained_answers
from petmood.cli.photo_answers import PhotoAnswer, PipedPhoto
from petmood.client.client import Client
from petmood.core.errors import BundleError, CorruptImage, RequestError, ServiceUnreachable
from petmood.core.explanation import Explanation
from petmood.core.prediction import Prediction
from petmood.core.schemas import ExplanationMethod
from petmood.inference.base import Answer, Explained
from petmood.inference.fake import FakePredictor
from tests.support.images import jpeg
from tests.support.scripted_service import BODY, serving

MAPS = {label: [[1.0]] for label in BODY.probabilities}
MISSING = (404, {"code": "not_found", "message": "There is no such path.", "request_id": "r"})


class Recording(FakePredictor):
    """Predictor with one method of explanations that records what it is asked for."""

    def __init__(self, method: ExplanationMethod) -> None:
        super().__init__()
        self.method: ExplanationMethod = method
        self.predicted: list[str] = []
        self.explained: list[str] = []

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Record and predict."""
        self.predicted += [Path(os.fsdecode(photo)).name for photo in photos]
        return super().predict_batch(photos)

    def explain_photo(self, photo: bytes | Path) -> Explained:
        """Record and explain."""
        self.explained.append(Path(os.fsdecode(photo)).name)
        found = super().explain_photo(photo)
        return replace(found, method=self.method) if isinstance(found, Explanation) else found


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Return five photos of falling brightness; the second is not complete."""
    made = [tmp_path / f"{n}.jpg" for n in range(5)]
    for number, path in enumerate(made):
        path.write_bytes(jpeg(np.full((48, 64, 3), 250 - 60 * number, np.uint8)))
    made[1].write_bytes(made[1].read_bytes()[:300])
    return made


def every(_: Answer) -> bool:
    return True


def service_body(method: ExplanationMethod) -> dict[str, object]:
    return {"prediction": BODY.model_dump(), "method": method, "maps": MAPS, "box": [0.0, 0.0, 1.0, 1.0]}


def test_a_photo_with_maps_of_the_network_is_explained_and_not_predicted_before(photos: list[Path]) -> None:
    predictor = Recording("hirescam")
    found = list(explained_answers(predictor, photos, wanted=lambda _: False))
    assert (predictor.explained, predictor.predicted) == ([path.name for path in photos], [])
    assert [one.photo for one in found] == photos
    expected = list(FakePredictor().predict_many(photos))
    assert [one.answer for one in found if isinstance(one.answer, Prediction)] == [*expected[:1], *expected[2:]]
    assert (type(found[1].answer), found[1].explanation) == (CorruptImage, None)


def test_with_occlusion_maps_only_photos_that_are_wanted_are_explained(photos: list[Path]) -> None:
    """Occlusion maps of a photo take 25 more passes of the network."""
    predictor = Recording("occlusion")
    answers = [one for one in FakePredictor().predict_many(photos) if isinstance(one, Prediction)]
    assert len({one.best_guess for one in answers[1:]}) > 1

    def wanted(answer: Answer) -> bool:
        return isinstance(answer, Prediction) and answer.best_guess == answers[-1].best_guess

    found = list(explained_answers(predictor, photos, wanted=wanted))
    kept = [path.name for path, one in zip(photos[2:], answers[1:], strict=True) if wanted(one)]
    assert predictor.predicted == [path.name for path in photos[1:]]
    assert predictor.explained == ["0.jpg", *kept]
    assert [one.photo.name for one in found if one.explanation and isinstance(one.photo, Path)] == ["0.jpg", *kept]


def test_with_occlusion_maps_photos_without_a_label_are_not_explained(photos: list[Path]) -> None:
    """Those that are rejected or out of the domain have no heat map."""

    class Guarded(Recording):
        def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
            found = super().predict_batch(photos)
            return [
                replace(one, label=None, domain_warning="no_animal") if isinstance(one, Prediction) else one
                for one in found
            ]

    predictor = Guarded("occlusion")
    found = list(explained_answers(predictor, photos, wanted=every))
    assert predictor.predicted == [path.name for path in photos[1:]]
    assert predictor.explained == ["0.jpg"]
    assert [one.explanation for one in found[1:]] == [None] * 4


def batch_body(*results: dict[str, object]) -> dict[str, object]:
    return {"results": list(results), "request_id": "r"}


def test_a_service_predicts_photos_in_one_request_and_explains_those_that_are_wanted(photos: list[Path]) -> None:
    """A service counts predictions in its metrics, and explanations not."""
    sad = BODY.model_copy(update={"label": "sad"}).model_dump()
    answers = [(200, batch_body(BODY.model_dump(), sad)), (200, service_body("hirescam"))]

    def wanted(answer: Answer) -> bool:
        return isinstance(answer, Prediction) and answer.label == "happy"

    with serving(*answers) as (address, script), Client(address) as client:
        first, second = explained_answers(client, [photos[0], photos[2]], wanted=wanted)
    assert [asked["path"] for asked in script.asked] == ["/predict/batch", "/explain"]
    assert isinstance(first.explanation, Explanation)
    assert (second.label, second.explanation) == ("sad", None)


def test_a_service_without_explanations_predicts(photos: list[Path]) -> None:
    answers = [(200, batch_body(BODY.model_dump(), BODY.model_dump())), MISSING]
    with serving(*answers) as (address, script), Client(address) as client:
        found = list(explained_answers(client, [photos[0], photos[2]], wanted=every))
    assert [asked["path"] for asked in script.asked] == ["/predict/batch", "/explain", "/explain"]
    assert [one.label for one in found] == ["happy", "happy"]
    assert all("/explain does not exist" in str(one.explanation) for one in found)


def test_after_an_explanation_that_fails_photos_are_predicted_together(photos: list[Path]) -> None:
    class Failing(Recording):
        def explain_photo(self, photo: bytes | Path) -> Explained:
            super().explain_photo(photo)
            return BundleError("no maps")

    predictor = Failing("hirescam")
    assert len(list(explained_answers(predictor, photos, wanted=lambda _: False))) == len(photos)
    assert predictor.explained == ["0.jpg"]
    assert predictor.predicted == [path.name for path in photos]


def test_a_service_that_can_not_predict_either_ends_the_command(photos: list[Path]) -> None:
    denied = (401, {"code": "unauthorized", "message": "Expected a token.", "request_id": "r"})
    with serving(denied) as (address, _), Client(address) as client, pytest.raises(RequestError, match="a token"):
        list(explained_answers(client, photos, wanted=every))
    with Client("http://127.0.0.1:9") as client, pytest.raises(ServiceUnreachable):
        list(explained_answers(client, photos, wanted=every))


@pytest.mark.posix
@pytest.mark.parametrize("method", ["hirescam", "occlusion"])
def test_the_bytes_of_a_pipe_are_kept_for_the_map(
    photos: list[Path], tmp_path: Path, method: ExplanationMethod
) -> None:
    pipes = [tmp_path / name for name in ("a", "b")]
    data = [photos[0].read_bytes(), photos[2].read_bytes()]
    for pipe, content in zip(pipes, data, strict=True):
        os.mkfifo(pipe)
        threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True).start()
    found: list[PhotoAnswer] = []
    for one in explained_answers(Recording(method), [PipedPhoto(pipe) for pipe in pipes], wanted=every):
        assert isinstance(one.explanation, Explanation)
        found.append(one)
    assert [one.photo for one in found] == data

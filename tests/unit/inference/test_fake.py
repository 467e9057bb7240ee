"""Tests of the fake predictor."""

import numpy as np
import pytest

from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.prediction import Prediction
from petmood.inference.fake import FakePredictor
from tests.support.images import png


def answer(shade: int) -> Prediction:
    """Return the answer for an even picture."""
    (found,) = FakePredictor().predict_batch([png(np.full((40, 40, 3), shade, np.uint8))])
    assert isinstance(found, Prediction)
    return found


@pytest.mark.parametrize(
    ("shade", "label"),
    [(0, DEFAULT_CLASSES[0]), (85, DEFAULT_CLASSES[1]), (170, DEFAULT_CLASSES[2]), (255, DEFAULT_CLASSES[3])],
)
def test_a_darker_or_lighter_image_gets_another_label(shade: int, label: str) -> None:
    assert (answer(shade).label, answer(shade).confident) == (label, True)


def test_between_two_shades_it_is_not_sure() -> None:
    assert not answer(127).confident
    assert len(answer(127).prediction_set) >= 2


def test_equal_photos_get_equal_answers() -> None:
    assert answer(60) == answer(60)


def test_its_name_and_version_can_be_chosen() -> None:
    model = FakePredictor(name="shadow", version="7").model
    assert (model.name, model.version) == ("shadow", "7")


def test_its_card_names_it_and_its_classes() -> None:
    card = FakePredictor(name="shadow", version="7").card()
    assert (card.model.name, card.model.version, card.classes) == ("shadow", "7", list(DEFAULT_CLASSES))

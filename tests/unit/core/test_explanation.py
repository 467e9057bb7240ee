"""Tests of explanations and their response bodies."""

import json

import numpy as np
import pytest

from petmood.core.explanation import Explanation, explanation_response
from petmood.core.image import Box
from petmood.core.prediction import DecisionRule, decide
from petmood.core.schemas import ExplanationResponse, ModelInfo

MODEL = ModelInfo(name="demo", version="1", sha256="0" * 64)
MAPS = {"sad": np.array([[0.5, -0.25], [1 / 3, 0.0]], np.float32), "happy": np.zeros((2, 2), np.float32)}


@pytest.fixture
def explanation() -> Explanation:
    """Return an explanation of a photo that is twice as wide as high."""
    prediction = decide(np.array([1.0, 0.0]), DecisionRule(("sad", "happy")), model=MODEL)
    return Explanation(prediction, "hirescam", MAPS, Box(0.25, 0.0, 0.75, 1.0))


def test_a_response_has_the_prediction_rounded_maps_by_class_and_the_box(explanation: Explanation) -> None:
    body = json.loads(explanation_response(explanation, request_id="r").model_dump_json())
    prediction = body.pop("prediction")
    assert body == {
        "method": "hirescam",
        "maps": {"sad": [[0.5, -0.25], [0.3333, 0.0]], "happy": [[0.0, 0.0], [0.0, 0.0]]},
        "box": [0.25, 0.0, 0.75, 1.0],
    }
    assert (prediction["label"], prediction["request_id"]) == ("sad", "r")
    assert set(explanation.to_dict()) == {"prediction", "method", "maps", "box"}


def test_what_a_service_sends_comes_back(explanation: Explanation) -> None:
    body = ExplanationResponse.model_validate_json(explanation_response(explanation).model_dump_json())
    found = Explanation.from_response(body)
    assert (found.prediction, found.method, found.box) == (explanation.prediction, "hirescam", explanation.box)
    assert list(found.maps) == ["sad", "happy"]
    assert all(array.dtype == np.float32 for array in found.maps.values())
    assert found.maps["sad"] == pytest.approx(MAPS["sad"], abs=5e-5)


def test_its_text_fits_on_a_line(explanation: Explanation) -> None:
    assert repr(explanation).endswith(", method='hirescam', 2 maps of 2 x 2)")
    assert repr(explanation).startswith("Explanation(Prediction(label='sad'")

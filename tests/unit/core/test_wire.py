"""Do answers and refusals become the JSON that programs rely on?"""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from petmood.core.errors import TooSmall
from petmood.core.moods import MOODS
from petmood.core.prediction import Decision, decide
from petmood.core.wire import (
    BatchBody,
    ModelBody,
    ModelCardBody,
    PredictionBody,
    StateBody,
    VertexBody,
    error_body,
    prediction_body,
)

MODEL = ModelBody(name="demo", version="1", sha256="0" * 64)


def test_an_answer_as_json_holds_mood_chances_set_model_and_warnings() -> None:
    prediction = decide(
        np.array([0.0, 5.0, 0.0, 0.0]), Decision(MOODS, sure_from=0.5, set_quantile=0.5), warnings=["w"]
    )
    body = json.loads(prediction_body(prediction, model=MODEL, photo="a.jpg").model_dump_json())
    assert list(body["probabilities"]) == list(MOODS)
    assert (body["photo"], body["mood"], body["sure"], body["prediction_set"]) == ("a.jpg", "happy", True, ["happy"])
    assert body["model"] == {"name": "demo", "version": "1", "sha256": "0" * 64}
    assert body["warnings"] == ["w"]
    assert body["probability"] == pytest.approx(body["probabilities"]["happy"])


def test_a_refusal_as_json_holds_the_code_and_the_message() -> None:
    body = error_body(TooSmall("Expected at least 16 pixels a side, got 1x1."), photo="dot.png").model_dump(
        exclude_none=True
    )
    expected = {"photo": "dot.png", "code": "too_small", "message": "Expected at least 16 pixels a side, got 1x1."}
    assert body == expected


def test_a_probability_outside_of_0_to_1_is_refused() -> None:
    with pytest.raises(ValidationError, match="probability"):
        PredictionBody(mood="sad", probability=1.5, probabilities={}, sure=True, prediction_set=[], model=MODEL)


def test_a_batch_tells_answers_from_refusals_when_it_is_read_again() -> None:
    answer = prediction_body(
        decide(np.array([0.0, 5.0, 0.0, 0.0]), Decision(MOODS, sure_from=0.5, set_quantile=0.5)), model=MODEL
    )
    refusal = error_body(TooSmall("Expected more pixels."), request_id="r")
    sent = BatchBody(results=[refusal, answer], request_id="r").model_dump_json(exclude_none=True)
    assert BatchBody.model_validate_json(sent).results == [refusal, answer]
    assert [min(result) for result in json.loads(sent)["results"]] == ["code", "model"]
    as_vertex = VertexBody(predictions=[answer, refusal]).model_dump_json(exclude_none=True)
    assert VertexBody.model_validate_json(as_vertex).predictions == [answer, refusal]


def test_a_state_gives_a_reason_only_where_there_is_one() -> None:
    assert StateBody(status="ok").model_dump(exclude_none=True) == {"status": "ok"}
    assert StateBody(status="unready", reason="why").model_dump() == {"status": "unready", "reason": "why"}


def test_a_models_card_is_told_with_its_manifest_as_it_is() -> None:
    card = ModelCardBody(model=MODEL, classes=list(MOODS), manifest={"temperature": 1.5, "any": None}, card="# Demo")
    body = json.loads(card.model_dump_json(exclude_none=True))
    assert (body["manifest"]["temperature"], body["card"], body["classes"]) == (1.5, "# Demo", list(MOODS))

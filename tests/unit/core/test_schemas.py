"""Tests of the JSON response bodies."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from petmood.core.errors import TooSmall
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.prediction import DecisionRule, decide, prediction_response
from petmood.core.schemas import (
    BatchResponse,
    ExplanationResponse,
    FeedbackRequest,
    HealthStatus,
    ModelCardResponse,
    ModelInfo,
    PredictionResponse,
    VertexResponse,
    error_response,
)

MODEL = ModelInfo(name="demo", version="1", sha256="0" * 64)


def test_a_refusal_as_json_holds_the_code_and_the_message() -> None:
    body = error_response(TooSmall("Expected at least 16 pixels per side, got 1x1."), photo="dot.png").model_dump()
    expected = {"photo": "dot.png", "code": "too_small", "message": "Expected at least 16 pixels per side, got 1x1."}
    assert body == expected


def test_a_probability_outside_of_0_to_1_is_refused() -> None:
    with pytest.raises(ValidationError, match="probability"):
        PredictionResponse(
            label="sad", probability=1.5, probabilities={}, confident=True, prediction_set=[], model=MODEL
        )


def test_a_batch_distinguishes_answers_from_refusals_when_it_is_read_again() -> None:
    answer = prediction_response(
        decide(
            np.array([0.0, 5.0, 0.0, 0.0]),
            DecisionRule(DEFAULT_CLASSES, confidence_threshold=0.5, conformal_quantile=0.5),
            model=MODEL,
        )
    )
    refusal = error_response(TooSmall("Expected more pixels."), request_id="r")
    sent = BatchResponse(results=[refusal, answer], request_id="r").model_dump_json()
    assert BatchResponse.model_validate_json(sent).results == [refusal, answer]
    assert [("code" in one, "label" in one) for one in json.loads(sent)["results"]] == [(True, False), (False, True)]
    as_vertex = VertexResponse(predictions=[answer, refusal]).model_dump_json()
    assert VertexResponse.model_validate_json(as_vertex).predictions == [answer, refusal]


def test_a_label_without_a_value_is_null_and_other_fields_are_left_out() -> None:
    body = PredictionResponse(
        label=None,
        probability=0.9,
        probabilities={"sad": 0.9, "happy": 0.1},
        confident=False,
        in_domain=False,
        domain_warning="no_animal",
        novelty=2.5,
        prediction_set=[],
        model=MODEL,
    )
    assert json.loads(body.model_dump_json()) == {
        "label": None,
        "probability": 0.9,
        "probabilities": {"sad": 0.9, "happy": 0.1},
        "confident": False,
        "in_domain": False,
        "domain_warning": "no_animal",
        "novelty": 2.5,
        "prediction_set": [],
        "model": {"name": "demo", "version": "1", "sha256": "0" * 64},
        "warnings": [],
    }
    in_a_batch = BatchResponse(results=[body], request_id="r").model_dump_json()
    assert json.loads(in_a_batch)["results"][0]["label"] is None
    assert BatchResponse.model_validate_json(in_a_batch).results == [body]


@pytest.mark.parametrize("warning", ["no_pet", "", "unfamiliar photo"])
def test_a_reason_that_is_not_known_is_refused(warning: str) -> None:
    fields: dict[str, object] = {
        "label": None,
        "probability": 0.9,
        "probabilities": {},
        "confident": False,
        "prediction_set": [],
    }
    with pytest.raises(ValidationError, match="domain_warning"):
        PredictionResponse.model_validate({**fields, "model": MODEL, "domain_warning": warning})


def test_a_state_gives_a_reason_only_where_there_is_one() -> None:
    assert HealthStatus(status="ok").model_dump() == {"status": "ok"}
    assert HealthStatus(status="unready", reason="why").model_dump() == {"status": "unready", "reason": "why"}


def test_a_models_card_is_reported_with_its_manifest_as_it_is() -> None:
    card = ModelCardResponse(
        model=MODEL, classes=list(DEFAULT_CLASSES), manifest={"temperature": 1.5, "any": None}, card="# Demo"
    )
    body = json.loads(card.model_dump_json())
    assert body["manifest"] == {"temperature": 1.5, "any": None}
    assert (body["card"], body["classes"]) == ("# Demo", list(DEFAULT_CLASSES))


def test_an_error_s_request_is_the_one_that_is_given_else_its_own() -> None:
    error = TooSmall("Expected more pixels.")
    assert error_response(error).model_dump() == {"code": "too_small", "message": "Expected more pixels."}
    error.request_id = "of the service"
    assert error_response(error).request_id == "of the service"
    assert error_response(error, request_id="given").request_id == "given"
    assert error_response(TooSmall("x"), request_id="given").request_id == "given"


@pytest.mark.parametrize(
    "maps",
    [{}, {"sad": []}, {"sad": [[]]}, {"sad": [[1.0, 2.0], [3.0]]}, {"sad": [[1.0]], "happy": [[1.0, 2.0]]}],
    ids=["no class", "no row", "no column", "ragged", "of two sizes"],
)
def test_maps_without_one_height_and_width_are_refused(maps: dict[str, list[list[float]]]) -> None:
    rule = DecisionRule(("sad", "happy"))
    prediction = prediction_response(decide(np.array([1.0, 0.0]), rule, model=MODEL))
    box = (0.0, 0.0, 1.0, 1.0)
    with pytest.raises(ValidationError, match="all of the same height and width"):
        ExplanationResponse(prediction=prediction, method="hirescam", maps=maps, box=box)


@pytest.mark.parametrize("said", [{}, {"right": True, "label": "sad"}, {"right": False}, {"label": ""}])
def test_feedback_says_right_or_a_label_and_not_both(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FeedbackRequest.model_validate({"request_id": "abc", **said})


def test_feedback_is_on_the_first_photo_of_a_request_unless_it_says_another() -> None:
    given = FeedbackRequest.model_validate_json('{"request_id": "abc", "right": true}')
    assert (given.position, given.label, given.note) == (0, None, None)
    assert FeedbackRequest.model_validate_json('{"request_id": "abc", "label": "sad", "position": 3}').position == 3

"""Tests of the decision rule from logits to a prediction, and of a prediction as JSON."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from petmood.core.domain import DomainRule, DomainScores
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.prediction import DecisionRule, Prediction, decide, prediction_response, softmax
from petmood.core.schemas import ModelInfo, PredictionResponse

MODEL = ModelInfo(name="demo", version="1", sha256="0" * 64)
LOGITS = arrays(np.float32, 4, elements=st.floats(-1e4, 1e4, width=32))


RULE = DomainRule(features="efficientnet_lite0", animal_threshold=0.9, target_false_alarms=0.02)
HAPPY = np.array([0.0, 5.0, 0.0, 0.0])
KNOWING = DecisionRule(DEFAULT_CLASSES, confidence_threshold=0.5, conformal_quantile=0.5, domain=RULE)


def logits_of(*chances: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return logits whose softmax are these probabilities."""
    return np.asarray(np.log(chances))


@given(LOGITS)
def test_probabilities_are_finite_and_sum_to_one_for_any_logits(
    logits: np.ndarray[tuple[int], np.dtype[np.float32]],
) -> None:
    answer = decide(logits, DecisionRule(DEFAULT_CLASSES), model=MODEL)
    assert math.isclose(sum(answer.probabilities.values()), 1, abs_tol=1e-9)
    assert all(0 <= chance <= 1 for chance in answer.probabilities.values())
    assert answer.probability == max(answer.probabilities.values()) == answer.probabilities[answer.best_guess]
    assert answer.label == answer.best_guess


@given(LOGITS, st.floats(0, 1))
def test_the_set_holds_the_answer_first_and_shrinks_with_the_quantile(
    logits: np.ndarray[tuple[int], np.dtype[np.float32]], quantile: float
) -> None:
    answer = decide(logits, DecisionRule(DEFAULT_CLASSES, conformal_quantile=quantile), model=MODEL)
    assert answer.prediction_set[0] == answer.label
    everything = decide(logits, DecisionRule(DEFAULT_CLASSES), model=MODEL).prediction_set
    assert set(answer.prediction_set) <= set(everything) == set(DEFAULT_CLASSES)


def test_softmax_works_on_rows_and_survives_huge_logits() -> None:
    chances = softmax(np.array([[1e30, 0.0], [0.0, 0.0]], dtype=np.float32))
    assert chances.dtype == np.float64
    assert chances.tolist() == [[1.0, 0.0], [0.5, 0.5]]
    cube = np.log(np.array([[[1.0, 3.0], [4.0, 1.0]], [[1.0, 1.0], [9.0, 1.0]], [[2.0, 6.0], [0.5, 1.5]]]))
    expected = [[[0.25, 0.75], [0.8, 0.2]], [[0.5, 0.5], [0.9, 0.1]], [[0.25, 0.75], [0.25, 0.75]]]
    assert np.allclose(softmax(cube), expected, rtol=1e-12, atol=0)


def test_an_answer_at_the_threshold_is_confident_and_one_below_is_not() -> None:
    logits = np.zeros(4)
    assert decide(logits, DecisionRule(DEFAULT_CLASSES, confidence_threshold=0.25), model=MODEL).confident
    assert not decide(logits, DecisionRule(DEFAULT_CLASSES, confidence_threshold=0.2500001), model=MODEL).confident


def test_a_threshold_of_zero_is_always_confident_and_one_above_one_never() -> None:
    certain = np.array([1000.0, 0, 0, 0])
    assert decide(np.zeros(4), DecisionRule(DEFAULT_CLASSES), model=MODEL).confident
    assert not decide(certain, DecisionRule(DEFAULT_CLASSES, confidence_threshold=1.1), model=MODEL).confident


@pytest.mark.parametrize(
    ("quantile", "expected"),
    [(0.0, ("happy",)), (0.45, ("happy",)), (0.75, ("happy", "sad")), (0.9, ("happy", "sad", "angry"))],
)
def test_the_set_holds_the_classes_whose_score_reaches_the_quantile_likeliest_first(
    quantile: float, expected: tuple[str, ...]
) -> None:
    logits = logits_of(0.12, 0.55, 0.03, 0.30)
    even = decide(np.zeros(4), DecisionRule(DEFAULT_CLASSES, conformal_quantile=0.75), model=MODEL)
    assert even.prediction_set == DEFAULT_CLASSES  # 1 - 0.25 is exactly the quantile
    assert (
        decide(logits, DecisionRule(DEFAULT_CLASSES, conformal_quantile=quantile), model=MODEL).prediction_set
        == expected
    )


def test_the_first_of_equal_classes_is_the_answer() -> None:
    assert decide(np.zeros(4), DecisionRule(DEFAULT_CLASSES), model=MODEL).label == "angry"


def test_warnings_of_the_image_travel_with_the_answer() -> None:
    assert decide(np.zeros(4), DecisionRule(DEFAULT_CLASSES), model=MODEL, warnings=["small"]).warnings == ("small",)


def test_logits_that_dont_fit_the_classes_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        decide(np.zeros(3), DecisionRule(DEFAULT_CLASSES), model=MODEL)


def test_an_answer_as_json_holds_label_chances_set_model_and_warnings() -> None:
    prediction = decide(
        np.array([0.0, 5.0, 0.0, 0.0]),
        DecisionRule(DEFAULT_CLASSES, confidence_threshold=0.5, conformal_quantile=0.5),
        model=MODEL,
        warnings=["w"],
    )
    body = json.loads(prediction_response(prediction, photo="a.jpg").model_dump_json())
    happy, other = math.exp(5) / (math.exp(5) + 3), 1 / (math.exp(5) + 3)
    assert body == {
        "photo": "a.jpg",
        "label": "happy",
        "probability": pytest.approx(happy),
        "probabilities": {
            "angry": pytest.approx(other),
            "happy": pytest.approx(happy),
            "other": pytest.approx(other),
            "sad": pytest.approx(other),
        },
        "confident": True,
        "confidence_threshold": 0.5,
        "prediction_set": ["happy"],
        "model": {"name": "demo", "version": "1", "sha256": "0" * 64},
        "warnings": ["w"],
    }
    assert list(body["probabilities"]) == list(DEFAULT_CLASSES)


def test_the_id_of_a_request_is_the_given_one_or_that_of_the_prediction() -> None:
    prediction = decide(np.zeros(4), DecisionRule(DEFAULT_CLASSES), model=MODEL)
    answered = replace(prediction, request_id="r-1")
    assert prediction.request_id is None
    assert prediction_response(prediction, request_id="r-2").request_id == "r-2"
    assert prediction_response(answered).request_id == "r-1"
    assert prediction_response(answered, request_id="r-2").request_id == "r-2"
    assert answered.to_dict() == {
        "label": "angry",
        "probability": 0.25,
        "probabilities": dict.fromkeys(DEFAULT_CLASSES, 0.25),
        "confident": True,
        "confidence_threshold": 0.0,
        "prediction_set": [*DEFAULT_CLASSES],
        "model": {"name": "demo", "version": "1", "sha256": "0" * 64},
        "request_id": "r-1",
        "warnings": [],
    }


def test_a_prediction_survives_the_way_through_json() -> None:
    prediction = decide(np.array([0.0, 5.0, 0.0, 0.0]), DecisionRule(DEFAULT_CLASSES), model=MODEL, warnings=["w"])
    sent = json.dumps(prediction.to_dict())
    assert Prediction.from_response(PredictionResponse.model_validate_json(sent)) == prediction
    assert "request_id" not in prediction.to_dict()
    answered = PredictionResponse.model_validate({**prediction.to_dict(), "request_id": "r-1"})
    assert Prediction.from_response(answered).to_dict()["request_id"] == "r-1"


def test_a_prediction_is_shown_on_one_line_with_its_model() -> None:
    shown = repr(decide(np.array([0.0, 9.0]), DecisionRule(("sad", "happy")), model=MODEL))
    assert shown == (
        "Prediction(label='happy', probability=1.000, confident=True, prediction_set=('happy', 'sad'), model='demo 1')"
    )


def test_a_photo_out_of_the_domain_has_no_label_and_no_set_however_probable_a_class_is() -> None:
    cup = decide(HAPPY, KNOWING, model=MODEL, scores=DomainScores(3.0, 0.02))
    assert (cup.label, cup.confident, cup.prediction_set) == (None, False, ())
    assert (cup.in_domain, cup.domain_warning, cup.domain) == (False, "no_animal", DomainScores(3.0, 0.02))
    assert cup.probability == cup.probabilities["happy"] > 0.97
    assert cup.best_guess == "happy"
    drawn = decide(HAPPY, KNOWING, model=MODEL, scores=DomainScores(1.01, 0.98))
    assert (drawn.label, drawn.in_domain, drawn.domain_warning) == (None, False, "unfamiliar")


def test_a_photo_in_the_domain_is_decided_as_without_scores() -> None:
    pet = decide(HAPPY, KNOWING, model=MODEL, scores=DomainScores(1.0, 0.9))
    assert (pet.label, pet.confident, pet.prediction_set, pet.best_guess) == ("happy", True, ("happy",), "happy")
    assert (pet.in_domain, pet.domain_warning) == (True, None)
    unknown = decide(HAPPY, KNOWING, model=MODEL)
    assert (unknown.in_domain, unknown.domain_warning, unknown.domain) == (None, None, None)
    assert replace(pet, domain=None) == unknown


def test_scores_without_a_rule_decide_nothing() -> None:
    answer = decide(HAPPY, DecisionRule(DEFAULT_CLASSES), model=MODEL, scores=DomainScores(9.0, 0.0))
    assert (answer.label, answer.confident, answer.domain_warning) == ("happy", True, None)


@pytest.mark.parametrize(("threshold", "never"), [(None, False), (0.0, False), (1.0, False), (1.01, True)])
def test_a_threshold_above_one_is_never_reached(threshold: float | None, never: bool) -> None:
    answer = decide(HAPPY, DecisionRule(DEFAULT_CLASSES), model=MODEL)
    assert replace(answer, confidence_threshold=threshold).never_confident is never


@pytest.mark.parametrize("scores", [DomainScores(3.0, 0.02), DomainScores(2.0, 0.95), DomainScores(0.5, 0.95)])
def test_scores_and_a_missing_label_survive_the_way_through_json(scores: DomainScores) -> None:
    prediction = decide(HAPPY, KNOWING, model=MODEL, scores=scores)
    sent = prediction.to_dict()
    assert (sent["in_domain"], sent["novelty"], sent["animal_score"]) == (
        prediction.in_domain,
        scores.novelty,
        scores.animal_score,
    )
    assert ("label" in sent, sent["label"]) == (True, prediction.label)
    body = PredictionResponse.model_validate_json(json.dumps(sent))
    assert Prediction.from_response(body) == prediction


def test_a_scene_warning_keeps_the_prediction_and_survives_the_way_through_json() -> None:
    rule = RULE.model_copy(update={"scene_warnings": ("two_pets", "face_unclear")})
    scores = DomainScores(0.5, 0.95, {"two_pets": 0.2, "face_unclear": -0.1})
    plain, warned = (
        decide(HAPPY, replace(KNOWING, domain=one), model=MODEL, warnings=["small"], scores=scores)
        for one in (RULE, rule)
    )
    assert "scene_warnings" not in plain.to_dict()
    assert warned.scene_warnings == ("two_pets",)
    assert warned.warnings == ("small", "There may be two pets in this photo: crop it to one of them.")
    assert replace(warned, warnings=plain.warnings, scene_warnings=()) == plain
    sent = warned.to_dict()
    assert sent["scene_warnings"] == ["two_pets"]
    assert Prediction.from_response(PredictionResponse.model_validate_json(json.dumps(sent))) == warned


def test_a_model_without_an_animal_score_leaves_it_out() -> None:
    rule = RULE.model_copy(update={"animal_threshold": None})
    prediction = decide(HAPPY, replace(KNOWING, domain=rule), model=MODEL, scores=DomainScores(1.5))
    sent = prediction.to_dict()
    assert (sent["label"], sent["domain_warning"], sent["novelty"]) == (None, "unfamiliar", 1.5)
    assert "animal_score" not in sent
    assert Prediction.from_response(PredictionResponse.model_validate(sent)) == prediction


def test_a_photo_out_of_the_domain_is_shown_without_a_label() -> None:
    shown = repr(decide(HAPPY, KNOWING, model=MODEL, scores=DomainScores(3.0, 0.02)))
    assert shown.startswith("Prediction(label=None, probability=0.980, confident=False, prediction_set=(), ")

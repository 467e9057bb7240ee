"""Tests of the words for a prediction that is not confident, or has no label."""

import json
from importlib.resources import files

import pytest

from petmood.core.domain import DomainScores, DomainWarning
from petmood.core.prediction import PRACTICE_MODEL, Prediction
from petmood.core.schemas import ModelInfo
from petmood.presentation.answers import (
    FEEDBACK_QUESTION,
    FEEDBACK_THANKS,
    NEVER_CONFIDENT,
    NO_RESULT,
    OTHER_LABELS,
    RIGHT,
    WRONG,
    alternatives,
    guess,
    in_words,
    no_result,
    percent,
    percent_below,
    photos_kept,
)

MODEL = ModelInfo(name="demo", version="1", sha256="0" * 64)


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100%"), (0.9999, "over 99%"), (0.994, "99%"), (0.5, "50%"), (0.004, "under 1%"), (0.0, "0%")],
)
def test_a_percentage_never_promises_more_than_is_known(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("probability", "text"), [(0.5, "probably sad"), (0.499, "perhaps sad")])
def test_what_is_less_likely_than_not_is_not_called_probable(probability: float, text: str) -> None:
    assert guess("sad", probability) == text


@pytest.mark.parametrize(
    ("probability", "threshold", "texts"),
    [
        (0.84, 0.88, ("84%", "88%")),
        (0.876, 0.884, ("87.6%", "88.4%")),
        (0.87999, 0.88, ("87.999%", "88.000%")),
        (0.8799999, 0.88, ("just under 88%", "88%")),
    ],
)
def test_a_probability_below_the_threshold_reads_as_below_it(
    probability: float, threshold: float, texts: tuple[str, str]
) -> None:
    prediction = Prediction("sad", probability, {}, False, ("sad",), MODEL, confidence_threshold=threshold)
    assert percent_below(prediction) == texts


@pytest.mark.parametrize(("confident", "threshold"), [(True, 0.5), (False, 1.01), (False, None)])
def test_nothing_is_below_where_a_model_is_confident_or_never_is(confident: bool, threshold: float | None) -> None:
    prediction = Prediction("sad", 0.84, {}, confident, ("sad",), MODEL, confidence_threshold=threshold)
    assert percent_below(prediction) is None


@pytest.mark.parametrize(
    ("warning", "words"),
    [
        (
            "no_animal",
            (
                "No pet found",
                "The model found no animal in this photo, so it gives no result. If a pet is in it, go closer.",
            ),
        ),
        (
            "unfamiliar",
            ("Unfamiliar photo", "The model has not learned from photos like this one, so it gives no result."),
        ),
    ],
)
def test_a_photo_out_of_the_domain_gets_a_headline_and_a_sentence(
    warning: DomainWarning, words: tuple[str, str]
) -> None:
    scores = DomainScores(3.0, 0.02)
    outside = Prediction(None, 0.84, {"sad": 0.84}, False, (), MODEL, domain=scores, domain_warning=warning)
    assert no_result(outside) == words
    assert no_result(Prediction("sad", 0.84, {"sad": 0.84}, False, ("sad",), MODEL, domain=scores)) is None


@pytest.mark.parametrize(
    ("confident", "possible", "threshold", "words"),
    [
        (True, ("sad", "happy"), 0.8, ("sad 84%", "")),
        (False, ("sad",), 0.88, ("not sure, probably sad 84%", "confident from 88%")),
        (False, ("sad", "happy"), 0.88, ("not sure, probably sad 84%", "confident from 88%; sad or happy")),
        (False, ("sad", "happy"), 1.01, ("not sure, probably sad 84%", "sad or happy")),
        (False, ("sad",), None, ("not sure, probably sad 84%", "")),
    ],
)
def test_an_answer_is_said_in_words_with_its_reason(
    confident: bool, possible: tuple[str, ...], threshold: float | None, words: tuple[str, str]
) -> None:
    assert in_words(Prediction("sad", 0.84, {}, confident, possible, MODEL, confidence_threshold=threshold)) == words


def test_a_photo_out_of_the_domain_is_said_in_its_own_words() -> None:
    outside = Prediction(None, 0.84, {"sad": 0.84}, False, (), MODEL, domain_warning="no_animal")
    assert in_words(outside) == no_result(outside)


@pytest.mark.parametrize("probability", [0.4, 0.99])
def test_a_photo_out_of_the_domain_is_not_compared_with_the_threshold(probability: float) -> None:
    outside = Prediction(None, probability, {}, False, (), MODEL, confidence_threshold=0.88, domain_warning="no_animal")
    assert percent_below(outside) is None


def test_for_how_long_photos_are_kept_is_one_sentence() -> None:
    assert [photos_kept(days) for days in (1, 7.5)] == [
        "Photos are kept for 1 day.",
        "Photos are kept for 7.5 days.",
    ]


def test_one_class_is_no_choice() -> None:
    assert [alternatives(labels) for labels in ([], ["sad"], ["sad", "happy"])] == ["", "", "sad or happy"]


def test_the_page_of_the_service_says_of_a_model_what_the_terminal_says() -> None:
    page = (files("petmood.serving") / "static/landing.html").read_text("utf-8")
    assert NEVER_CONFIDENT in page
    assert PRACTICE_MODEL.replace("its result says", "its results say") in page


def test_the_page_of_the_service_asks_for_feedback_in_the_same_words() -> None:
    static = files("petmood.serving") / "static"
    page, script = ((static / name).read_text("utf-8") for name in ("landing.html", "feedback.js"))
    assert all(f">{words}</" in page for words in (FEEDBACK_QUESTION, RIGHT, WRONG))
    assert all(f'"{words}"' in script for words in (OTHER_LABELS, FEEDBACK_THANKS))


def test_the_page_of_the_service_says_of_a_photo_out_of_the_domain_what_the_terminal_says() -> None:
    script = (files("petmood.serving") / "static/answers.js").read_text("utf-8")
    for warning, words in NO_RESULT.items():
        assert f"{warning}: {json.dumps(list(words))}," in script

"""Tests of the view model of a prediction."""

import pytest

from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.prediction import Prediction
from petmood.core.schemas import ModelInfo, PredictionResponse
from petmood.frontend.view import (
    ADVICE,
    ICONS,
    MEANING,
    NEUTRAL_ICON,
    NO_RESULT,
    UNSURE,
    label_text,
    label_word,
    plain,
    result_view,
)


def body(*, confident: bool = True, possible: tuple[str, ...] = ("sad",), **changes: object) -> Prediction:
    """Return an answer."""
    fields: dict[str, object] = {
        "label": "sad",
        "probability": 0.88,
        "probabilities": {"angry": 0.02, "happy": 0.06, "other": 0.04, "sad": 0.88},
        "confident": confident,
        "prediction_set": list(possible),
        "model": ModelInfo(name="demo", version="7", sha256="0" * 64),
    }
    return Prediction.from_response(PredictionResponse.model_validate(fields | changes))


def test_a_confident_answer_is_named_with_how_often_it_is_right() -> None:
    view = result_view(body(), seconds=0.0312)
    assert (view.headline, view.sentence) == ("Sad", "Results like this are right about 88% of the time.")
    assert view.footnote == "Model demo 7 · 31 ms"
    assert view.advice == ()


def test_bars_are_there_for_every_label_the_likely_ones_first() -> None:
    bars = result_view(body()).bars
    assert [bar.share for bar in bars] == [0.88, 0.06, 0.04, 0.02]
    assert bars[0].text.endswith("Sad · 88%")


def test_not_sure_is_said_first_with_what_is_possible_and_what_helps() -> None:
    view = result_view(body(confident=False, possible=("sad", "happy", "other"), confidence_threshold=0.92))
    assert (view.headline, view.icon) == ("Not sure, probably sad", UNSURE)
    assert view.sentence == "88%, below the 92% of a confident result. It could be sad, happy or another expression."
    assert view.advice == ADVICE


@pytest.mark.parametrize("possible", [("sad",), ()])
def test_a_set_of_one_class_is_not_shown(possible: tuple[str, ...]) -> None:
    view = result_view(body(confident=False, possible=possible, confidence_threshold=0.92))
    assert view.sentence == "88%, below the 92% of a confident result."


def test_a_model_that_is_never_confident_gives_its_best_guess() -> None:
    view = result_view(body(confident=False, label="other", probability=0.4, confidence_threshold=1.01))
    assert (view.headline, view.sentence) == ("Not sure, perhaps another expression", "40%.")


@pytest.mark.parametrize(
    ("warning", "headline", "sentence"),
    [
        (
            "no_animal",
            "No pet found",
            "The model found no animal in this photo, so it gives no result. If a pet is in it, go closer.",
        ),
        (
            "unfamiliar",
            "Unfamiliar photo",
            "The model has not learned from photos like this one, so it gives no result.",
        ),
    ],
)
def test_a_photo_out_of_the_domain_has_no_bars_and_no_class_but_advice(
    warning: str, headline: str, sentence: str
) -> None:
    domain = {"in_domain": False, "domain_warning": warning, "novelty": 2.5, "confidence_threshold": 0.7}
    view = result_view(body(label=None, confident=False, possible=(), warnings=["Small photo."], **domain))
    assert (view.icon, view.headline, view.sentence) == (NO_RESULT, headline, sentence)
    assert (view.bars, view.confident, view.advice) == ((), False, ADVICE)
    assert (view.warnings, view.footnote) == (("Small photo.",), "Model demo 7")
    assert headline in MEANING


def test_nearly_certain_reads_as_a_sentence() -> None:
    assert result_view(body(probability=0.999)).sentence == "Results like this are right over 99% of the time."


def test_warnings_are_passed_on_and_a_label_of_a_later_model_is_shown_by_its_name() -> None:
    view = result_view(body(label="playful", probabilities={"playful": 0.9}, warnings=["Small photo."]))
    assert view.headline == "Playful"
    assert view.icon == NEUTRAL_ICON
    assert NEUTRAL_ICON not in ICONS.values()
    assert view.warnings == ("Small photo.",)


def test_every_label_has_a_text_of_its_own() -> None:
    assert len({label_text(label) for label in DEFAULT_CLASSES}) == len(DEFAULT_CLASSES)
    assert [label_word(label) for label in ("other", "playful")] == ["Another expression", "Playful"]


def test_a_file_name_is_no_markdown() -> None:
    assert plain("*a* [b](c).jpg") == r"\*a\* \[b\]\(c\)\.jpg"
    assert plain("Träume 1 是") == "Träume 1 是"

"""Text tables of predictions, metrics and comparisons."""

import json
import re
from dataclasses import replace
from importlib.resources import files

import pytest

from petmood.cli.tables import CSV_COLUMNS, answer_row, headline_text, model_notices, paired_text, prediction_text
from petmood.core.domain import DomainScores, DomainWarning
from petmood.core.errors import EmptyFile
from petmood.core.prediction import PRACTICE_MODEL, Prediction
from petmood.core.schemas import ModelInfo
from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.paired import PairedTest
from petmood.presentation.answers import NEVER_CONFIDENT
from petmood.presentation.display_names import HEADLINE_SHARES, VALIDATION_NOTE

MODEL = ModelInfo(name="demo", version="1", sha256="0" * 64)


def prediction(*, confident: bool, warnings: tuple[str, ...] = ()) -> Prediction:
    """Return an answer."""
    chances = {"angry": 0.1, "happy": 0.6, "other": 0.25, "sad": 0.05}
    return Prediction("happy", 0.6, chances, confident, ("happy", "other"), MODEL, warnings)


def outside(warning: DomainWarning, *, warnings: tuple[str, ...] = ()) -> Prediction:
    """Return the prediction of a photo that is not of the kind that the model was trained on."""
    chances = {"angry": 0.02, "happy": 0.95, "other": 0.02, "sad": 0.01}
    domain = DomainScores(2.5, 0.04)
    return Prediction(None, 0.95, chances, False, (), MODEL, warnings, 0.88, domain, domain_warning=warning)


def test_a_confident_answer_is_a_label_and_a_probability() -> None:
    assert prediction_text("a.jpg", prediction(confident=True)) == "a.jpg: happy 60%"


def test_an_unsure_answer_names_what_it_may_be_and_warnings_follow() -> None:
    unsure = prediction(confident=False, warnings=("turned by EXIF",))
    below = replace(unsure, confidence_threshold=0.88)
    shown = "a.jpg: not sure, probably happy 60%  (confident from 88%; happy or other)  [turned by EXIF]"
    assert prediction_text("a.jpg", below) == shown
    assert prediction_text("a.jpg", replace(below, prediction_set=("happy",), warnings=())) == (
        "a.jpg: not sure, probably happy 60%  (confident from 88%)"
    )
    alone = replace(unsure, prediction_set=("happy",), warnings=(), probability=0.4)
    assert prediction_text("a.jpg", alone) == "a.jpg: not sure, perhaps happy 40%"


def test_a_refused_photo_shows_code_and_reason() -> None:
    assert prediction_text("a.jpg", EmptyFile("The file is empty.")) == "a.jpg: empty_file: The file is empty."


def test_the_headline_puts_controls_below_the_network_in_columns() -> None:
    numbers = {name: {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9} for name in ("accuracy", "balanced_accuracy")}
    numbers["macro_f1"] = {"value": 0.25, "low": 0.125, "high": 0.375, "n": 9}
    found = {"main": "test", "splits": {"test": numbers, "valid": numbers}, "baselines": {"hog_svm": numbers}}
    found["verdict"] = "The model is right."
    verdict, blank, *lines = headline_text(json.dumps(found)).splitlines()
    assert (verdict, blank) == ("The model is right.", "")
    assert lines[0].split() == ["accuracy", "balanced", "accuracy", "macro", "F1"]
    assert lines[1].startswith("this network, test photos ")
    assert lines[2].startswith("HOG features + SVM")
    assert lines[2].endswith("25.0% [12.5%, 37.5%]")
    assert len({len(line) for line in lines}) == 1
    assert "this network, validation photos " in headline_text(json.dumps(found | {"main": "valid"}))


def test_a_cross_validation_stands_above_the_validation_photos_and_both_are_named() -> None:
    numbers = {name: {"value": 0.5, "low": 0.4, "high": 0.6, "n": 330} for name in HEADLINE_SHARES}
    valid = {name: {**value, "n": 36} for name, value in numbers.items()}
    found = {"main": "crossval", "splits": {"crossval": numbers, "valid": valid}, "baselines": {"hog_svm": numbers}}
    found["verdict"] = "The recipe is right."
    verdict, blank, *lines = headline_text(json.dumps(found)).splitlines()
    assert (verdict, blank) == ("The recipe is right.", "")
    assert lines[1].startswith("this recipe, 330 photos in cross-validation ")
    assert lines[2].startswith("this network, 36 validation photos ")
    assert lines[3].startswith("HOG features + SVM ")
    assert lines[4:] == ["", f"On 36 validation photos the network itself has an accuracy of 50.0%. {VALIDATION_NOTE}"]
    del found["splits"]["valid"]  # type: ignore[attr-defined] # a dict
    assert "validation photos" not in headline_text(json.dumps(found))


def test_a_comparison_says_how_likely_it_is_chance() -> None:
    paired = PairedTest("accuracy", 0.75, 0.5, Estimate(value=0.25, low=0.05, high=0.4, n=20), 0.03, 18)
    assert paired_text(paired) == (
        "accuracy 75.0% here, 50.0% there; difference +25.0% [+5.0%, +40.0%], p = 0.03, over 18 groups."
    )


def test_what_a_practice_model_always_warns_of_is_said_once_and_not_for_each_photo() -> None:
    warned = prediction(confident=True, warnings=(PRACTICE_MODEL, "turned by EXIF"))
    assert prediction_text("a.jpg", warned) == "a.jpg: happy 60%  [turned by EXIF]"
    assert model_notices([EmptyFile("The file is empty."), warned]) == [PRACTICE_MODEL]
    assert model_notices([prediction(confident=True), EmptyFile("The file is empty.")]) == []


def test_that_a_model_is_never_confident_is_said_once() -> None:
    unsure = prediction(confident=False)
    never = replace(unsure, confidence_threshold=1.01)
    assert model_notices([never, never]) == [NEVER_CONFIDENT]
    assert model_notices([replace(unsure, confidence_threshold=0.88)]) == []
    assert model_notices([unsure]) == [], "an older service does not say"


def test_nearly_certain_is_not_written_as_certain() -> None:
    nearly = replace(prediction(confident=True), probability=0.9999)
    assert prediction_text("a.jpg", nearly) == "a.jpg: happy over 99%"
    assert answer_row("a.jpg", replace(nearly, warnings=("one", "two"))) == [
        *("a.jpg", "happy", "0.9999", "true", "happy|other", "one|two", "", "", "", ""),
    ]


@pytest.mark.parametrize(
    ("warning", "line"),
    [
        (
            "no_animal",
            (
                "a.jpg: no pet found: The model found no animal in this photo, so it gives no result. "
                "If a pet is in it, go closer."
            ),
        ),
        (
            "unfamiliar",
            "a.jpg: unfamiliar photo: The model has not learned from photos like this one, so it gives no result.",
        ),
    ],
)
def test_a_photo_out_of_the_domain_is_shown_without_a_class_or_a_percentage(warning: DomainWarning, line: str) -> None:
    assert prediction_text("a.jpg", outside(warning)) == line
    assert prediction_text("a.jpg", outside(warning, warnings=(PRACTICE_MODEL, "small"))) == f"{line}  [small]"


def test_a_row_says_whether_a_photo_is_in_the_domain_where_the_model_has_scores() -> None:
    domain = CSV_COLUMNS.index("in_domain"), CSV_COLUMNS.index("domain_warning")
    inside = replace(prediction(confident=True), domain=DomainScores(0.5, 0.99))
    for answer, expected in (
        (inside, ["true", ""]),
        (prediction(confident=True), ["", ""]),
        (EmptyFile("The file is empty."), ["", ""]),
        (outside("unfamiliar"), ["false", "unfamiliar"]),
    ):
        row = answer_row("a.jpg", answer)
        assert len(row) == len(CSV_COLUMNS)
        assert [row[column] for column in domain] == expected
    assert answer_row("a.jpg", outside("no_animal", warnings=("small",))) == [
        *("a.jpg", "", "0.9500", "false", "", "small", "", "", "false", "no_animal"),
    ]


def test_the_page_of_the_service_writes_the_same_columns() -> None:
    script = (files("petmood.serving") / "static/answers.js").read_text("utf-8")
    found = re.search(r"const CSV_COLUMNS = (\[[^]]*),\s*];", script)
    assert found
    assert tuple(json.loads(found[1] + "]")) == CSV_COLUMNS

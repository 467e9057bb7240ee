"""Tests of the record of a model's choice: guarantees that hold after it, and what is said about them."""

import numpy as np

from benchmarks.promises import calibrated_after_choice
from petmood.configs.schema import EvaluationConfig
from petmood.evaluation.model_choice import ModelChoice, without_choice


def test_the_guarantees_hold_for_the_best_of_forty_equal_models() -> None:
    rng, share, rounds = np.random.default_rng(1), EvaluationConfig().calibration_share, 200
    found = [calibrated_after_choice(rng, photos=109, tried=40, share=share) for _ in range(rounds)]
    assert sum(outcome.error is not None and outcome.error > 0.1 for outcome in found) / rounds <= 0.1
    assert np.mean([outcome.coverage for outcome in found]) >= 0.9


def test_the_sentence_says_how_many_were_tried_and_whether_the_guarantees_hold() -> None:
    apart = ModelChoice(tried=40, chosen_on=55, calibrating=np.arange(54), separate=True)
    assert apart.sentence == (
        "55 validation photos chose the best of 40 models tried. Temperature, threshold and prediction sets come from "
        "54 others, so the choice does not weaken their guarantees."
    )
    same = ModelChoice(tried=40, chosen_on=109, calibrating=np.arange(109), separate=False)
    assert same.sentence == (
        "109 validation photos chose the best of 40 models tried. Temperature, threshold and prediction sets come from "
        "the same ones, so their guarantees are weaker than stated. The two are separate with 44 or more validation "
        "groups and evaluation.calibration_share=0.5."
    )
    assert without_choice(0).sentence == "There were no validation photos to calibrate on."


def test_a_model_that_no_photo_chose_is_calibrated_on_all_validation_photos() -> None:
    chosen = without_choice(36)
    assert chosen.calibrating.tolist() == list(range(36))
    assert chosen.to_json() == {
        "tried": 1,
        "chosen_on": 0,
        "calibrated_on": 36,
        "separate": True,
        "sentence": "No validation photo chose the model. Temperature, threshold and prediction sets come from all 36 "
        "of them.",
    }


def test_the_record_as_json_has_the_counts_and_the_sentence() -> None:
    record = ModelChoice(tried=16, chosen_on=20, calibrating=np.arange(19), separate=True)
    assert record.to_json() == {
        "tried": 16,
        "chosen_on": 20,
        "calibrated_on": 19,
        "separate": True,
        "sentence": record.sentence,
    }

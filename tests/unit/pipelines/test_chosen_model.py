"""Tests of a run's record of its choice: photos that chose, photos that calibrate, and the number of models tried."""

import csv
from collections.abc import Callable

import numpy as np
import pytest

from petmood.configs.schema import Config
from petmood.data.index import Split
from petmood.evaluation.calibration import fit_temperature
from petmood.evaluation.metrics import per_sample_nll
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.chosen_model import chooses, choosing_predictions, model_choice, models_tried
from petmood.pipelines.evaluate import evaluate_run, read_evaluation
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train

Settings = Callable[..., Config]


@pytest.mark.parametrize(
    ("overrides", "tried"),
    [
        (["epochs=6"], 6),
        (["epochs=1"], 1),
        (["epochs=6", "recipe.checkpoint=last"], 1),
        (["epochs=6", "recipe.checkpoint=last", "recipe.patience=2"], 6),
        (["recipe=linear_probe", "recipe.l2_strengths=[0.1,1.0]"], 2),
        (["recipe=linear_probe", "recipe.l2_strengths=[0.1]"], 1),
        (["recipe=closed_form"], 1),
        (["recipe=closed_form", "evaluation.tried=30"], 30),
        (["epochs=6", "evaluation.tried=30"], 30),
    ],
)
def test_epochs_strengths_and_trials_are_counted_where_validation_photos_choose(
    settings: Settings, overrides: list[str], tried: int
) -> None:
    config = settings(*overrides)
    assert models_tried(config, epochs=config.trainer.max_epochs) == tried
    assert chooses(config) == (tried > 1)


def test_one_half_of_the_validation_photos_chooses_the_epoch_and_the_other_calibrates(
    small_run: RunFolder,
) -> None:
    facts, scored = small_run.read_metadata(), Predictions.load(small_run.predictions(Split.VALID))
    choosing, choice = choosing_predictions(small_run), model_choice(small_run, scored)
    calibrating = scored.take(choice.calibrating)
    assert (facts.chosen_on, facts.tried) == (8, 6)
    assert (len(scored), len(choosing), len(calibrating)) == (16, 8, 8)
    assert not set(choosing.groups) & set(calibrating.groups)
    with small_run.metrics_csv.open(newline="") as file:
        losses = [float(row["val/loss"]) for row in csv.DictReader(file)]
    kept = per_sample_nll(choosing.probabilities(), choosing.labels).mean()
    assert losses[facts.best_epoch or 0] == min(losses) == pytest.approx(kept, rel=1e-4)
    found = read_evaluation(evaluated(small_run))
    assert found["calibration"]["temperature"] == pytest.approx(fit_temperature(calibrating))
    assert found["calibration"]["fitted_on"] == found["abstention"]["n"] == 8
    assert found["selection"]["tried"] == 6
    assert "8 validation photos chose the best of 6 models" in small_run.report.read_text()


def evaluated(run: RunFolder) -> RunFolder:
    """Evaluate a run and return it."""
    evaluate_run(run)
    return run


def test_all_validation_photos_calibrate_a_model_that_none_of_them_chose(settings: Settings) -> None:
    run = train(settings("name=last", "epochs=2", "recipe.checkpoint=last"))
    choice = model_choice(run, Predictions.load(run.predictions(Split.VALID)))
    assert (choice.tried, choice.chosen_on, len(choice.calibrating), choice.separate) == (1, 0, 16, True)


def test_photos_that_do_both_are_said_to_weaken_the_guarantees(settings: Settings) -> None:
    run = train(settings("name=both", "epochs=2", "evaluation.calibration_share=0"))
    choice = model_choice(run, Predictions.load(run.predictions(Split.VALID)))
    assert (choice.tried, choice.chosen_on, len(choice.calibrating), choice.separate) == (2, 16, 16, False)
    assert "weaker than stated" in choice.sentence


def test_a_run_of_an_earlier_version_was_chosen_by_the_photos_that_calibrate_it(settings: Settings) -> None:
    run = train(settings("name=earlier", "epochs=2"))
    run.write_metadata(run.read_metadata(), update={"chosen_on": None, "tried": None})
    choice = model_choice(run, Predictions.load(run.predictions(Split.VALID)))
    assert (choice.tried, choice.chosen_on, len(choice.calibrating), choice.separate) == (2, 16, 16, False)
    assert len(np.unique(choice.calibrating)) == 16

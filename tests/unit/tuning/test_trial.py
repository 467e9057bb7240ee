"""Trial: complete run, evaluation on validation photos alone, per-epoch reports and pruning."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from petmood.configs.schema import Config
from petmood.core.errors import RunError
from petmood.data.index import Split
from petmood.data.validation_parts import divide_validation
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.train import resume
from petmood.tuning.trial import Diverged, PruningCallback, clear_checkpoints, run_of, run_trial, valid_value

Settings = Callable[..., Config]


def epoch(number: int, loss: float, accuracy: float = 0.5) -> Any:  # noqa: ANN401 - what of a trainer is read
    """Return what a callback reads of Lightning's trainer after an epoch."""
    metrics = {"val/loss": torch.tensor(loss), "val/accuracy": torch.tensor(accuracy)}
    return SimpleNamespace(current_epoch=number, callback_metrics=metrics)


def test_a_trial_s_value_is_what_the_kept_weights_score_on_the_half_of_the_validation_photos_that_chooses(
    settings: Settings, tmp_path: Path
) -> None:
    study = optuna.create_study()
    value = run_trial(study.ask(), settings("epochs=3"), folder=tmp_path, metric="val/loss")
    run = run_of(tmp_path, 0)
    every = Predictions.load(run.predictions(Split.VALID))
    chosen = divide_validation(every.groups, [every.classes[label] for label in every.labels], share=0.5).choosing
    scored = every.take(chosen)
    assert len(every) == 16
    assert len(scored) == run.read_metadata().chosen_on == 8
    right = scored.probabilities()[range(len(scored)), scored.labels]
    assert value == pytest.approx(-sum(map(math.log, right)) / len(scored))
    assert value == pytest.approx(min(study.trials[0].intermediate_values.values()), rel=1e-4)
    assert list(study.trials[0].intermediate_values) == [0, 1, 2]
    assert valid_value(run, "val/accuracy") == (scored.predicted() == scored.labels).mean()


def test_test_photos_aren_t_even_opened_until_the_run_is_completed(settings: Settings, tmp_path: Path) -> None:
    run_trial(optuna.create_study().ask(), settings("epochs=1"), folder=tmp_path, metric="val/loss")
    run = run_of(tmp_path, 0)
    assert run.read_metadata().status == "done"
    assert not run.predictions(Split.TEST).exists()
    before = run.weights.read_bytes()
    resume(run.path)
    assert len(Predictions.load(run.predictions(Split.TEST))) == 16
    assert run.weights.read_bytes() == before


def test_a_probe_has_no_epochs_and_is_a_trial_all_the_same(settings: Settings, tmp_path: Path) -> None:
    study = optuna.create_study()
    config = settings("recipe=linear_probe", "weights=none", "recipe.l2_strengths=[0.01]")
    assert 0 < run_trial(study.ask(), config, folder=tmp_path, metric="val/accuracy") <= 1
    assert study.trials[0].intermediate_values == {}


def test_a_trial_that_is_done_is_not_trained_again_and_one_of_other_settings_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    trial, config = optuna.create_study().ask(), settings("epochs=1")
    first = run_trial(trial, config, folder=tmp_path, metric="val/loss")
    written = run_of(tmp_path, 0).weights.stat().st_mtime_ns
    assert run_trial(trial, config, folder=tmp_path, metric="val/loss") == first
    assert run_of(tmp_path, 0).weights.stat().st_mtime_ns == written
    with pytest.raises(
        RunError, match=r"000 is the run of another training, not of trial 0 of this sweep\. Move it away\."
    ):
        run_trial(trial, settings("epochs=2"), folder=tmp_path, metric="val/loss")


def test_an_epoch_is_reported_once_also_by_a_trial_that_was_gone_on_with() -> None:
    study = optuna.create_study()
    trial = study.ask()
    trial.report(0.9, 0)
    watch = PruningCallback(trial, metric="val/loss", reported=(0,))
    watch.on_validation_end(epoch(0, 0.7), None)  # type: ignore[arg-type] # not read
    watch.on_validation_end(epoch(1, 0.5), None)  # type: ignore[arg-type] # not read
    assert study.trials[0].intermediate_values == {0: 0.9, 1: 0.5}


@pytest.mark.parametrize("loss", [math.nan, math.inf])
@pytest.mark.parametrize("metric", ["val/loss", "val/accuracy"])
def test_a_loss_that_is_no_number_ends_the_trial(loss: float, metric: str) -> None:
    with pytest.raises(Diverged, match=r"validation loss was (nan|inf) after epoch 3"):
        PruningCallback(optuna.create_study().ask(), metric=metric).on_validation_end(epoch(2, loss), None)  # type: ignore[arg-type] # not read


def test_a_trial_worse_than_half_of_the_others_is_pruned_and_a_better_one_isn_t() -> None:
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1))
    for level in (0.2, 0.4):
        trial = study.ask()
        for step in range(3):
            trial.report(level, step)
        study.tell(trial, level)
    good, bad = (PruningCallback(study.ask(), metric="val/loss") for _ in range(2))
    bad.on_validation_end(epoch(0, 0.9), None)  # type: ignore[arg-type] # not read
    with pytest.raises(optuna.TrialPruned):
        bad.on_validation_end(epoch(1, 0.9), None)  # type: ignore[arg-type] # not read
    for number in (0, 1, 2):
        good.on_validation_end(epoch(number, 0.25), None)  # type: ignore[arg-type] # not read
    assert study.trials[-1].state == TrialState.RUNNING


def test_checkpoints_of_an_ended_trial_go_and_its_weights_stay(settings: Settings, tmp_path: Path) -> None:
    run_trial(optuna.create_study().ask(), settings("epochs=1"), folder=tmp_path, metric="val/loss")
    run = run_of(tmp_path, 0)
    assert list(run.checkpoints.iterdir())
    clear_checkpoints(run)
    clear_checkpoints(run)
    assert not run.checkpoints.exists()
    assert run.weights.is_file()

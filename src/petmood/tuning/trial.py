"""What is one trial? A training in its own run folder, judged by validation photos alone, stopped early if hopeless."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import optuna
from lightning.pytorch import Callback, LightningModule, Trainer

from petmood.configs.schema import Config
from petmood.core.errors import RunError
from petmood.evaluation.metrics import metrics
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import resume, train

__all__ = ["Diverged", "PruningCallback", "clear_checkpoints", "run_of", "run_trial", "valid_value"]

OBJECTIVE_SPLITS: Final = ("valid",)
"""The only photos that a trial is judged by; those of the test are not opened."""
MEASURES: Final = {"val/loss": "nll", "val/accuracy": "accuracy"}


class Diverged(Exception):
    """Say that a training's numbers are no numbers any more."""


class PruningCallback(Callback):
    """Report a validation metric after every epoch, and end a trial that has diverged or is hopeless.

    ``reported`` epochs were reported before the trial was interrupted.
    """

    def __init__(self, trial: optuna.Trial, *, metric: str, reported: Sequence[int] = ()) -> None:
        self.trial = trial
        self.metric = metric
        self.reported = set(reported)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 - Lightning's signature
        """Report this epoch before its checkpoint is written, so that a resumed trial has reported all it has done."""
        epoch, told = int(trainer.current_epoch), trainer.callback_metrics
        if not math.isfinite(loss := float(told["val/loss"])):
            raise Diverged(f"the validation loss was {loss} after epoch {epoch + 1}")
        if epoch not in self.reported:
            self.trial.report(float(told[self.metric]), epoch)
            self.reported.add(epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def run_of(place: Path, number: int) -> RunFolder:
    """Return the folder of a trial's run."""
    return RunFolder(place / f"{number:03d}")


def run_trial(trial: optuna.Trial, config: Config, *, place: Path, metric: str) -> float:
    """Train as a trial has drawn, or go on with that, and return its validation metric.

    Raises:
        Diverged: the loss is no number any more.
        TrialPruned: it is worse than others were at the same epoch.
        RunError: its folder holds another training.
    """
    run = run_of(place, trial.number)
    named = config.model_copy(
        update={"run": config.run.model_copy(update={"folder": str(place), "name": run.path.name})}
    )
    reported = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
    watch = PruningCallback(trial, metric=metric, reported=tuple(reported))
    if run.metadata.is_file():
        if run.read_config() != named:
            raise RunError(f"{run.path} holds another training than trial {trial.number} of this sweep. Move it away.")
        resume(run.path, callbacks=[watch], judged=OBJECTIVE_SPLITS)
    else:
        train(named, callbacks=[watch], judged=OBJECTIVE_SPLITS)
    return valid_value(run, metric)


def valid_value(run: RunFolder, metric: str) -> float:
    """Return what the kept weights score on the validation photos."""
    scored = Predictions.load(run.predictions("valid"))
    return float(metrics(scored.probabilities(), scored.labels)[MEASURES[metric]][0])


def clear_checkpoints(run: RunFolder) -> None:
    """Remove the checkpoints of a trial that has ended; they serve only to go on with one."""
    shutil.rmtree(run.checkpoints, ignore_errors=True)

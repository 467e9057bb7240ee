"""Training of one trial in its own run folder, with pruning by a validation metric."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import optuna
from lightning.pytorch import Callback, LightningModule, Trainer

from petmood.configs.schema import Config
from petmood.core.errors import RunError
from petmood.data.index import Split
from petmood.evaluation.metrics import metrics
from petmood.pipelines.chosen_model import choosing_predictions, models_tried
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import resume, train
from petmood.tuning.report import TrialRow

__all__ = ["Diverged", "PruningCallback", "clear_checkpoints", "run_of", "run_trial", "tried_by", "valid_value"]

OBJECTIVE_SPLITS: Final = (Split.VALID,)
"""The only splits that a trial is evaluated on; test photos are not opened."""
MEASURES: Final = {"val/loss": "nll", "val/accuracy": "accuracy"}


class Diverged(Exception):
    """The validation loss of a training is not finite."""


class PruningCallback(Callback):
    """Report a validation metric after every epoch, and end a trial that diverged or is pruned.

    ``reported``: epochs that were reported before the trial was interrupted.
    """

    def __init__(self, trial: optuna.Trial, *, metric: str, reported: Sequence[int] = ()) -> None:
        self.trial = trial
        self.metric = metric
        self.reported = set(reported)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 - Lightning's signature
        """Report this epoch before its checkpoint is written, so that a resumed trial has no unreported epochs."""
        epoch, metrics = int(trainer.current_epoch), trainer.callback_metrics
        if not math.isfinite(loss := float(metrics["val/loss"])):
            raise Diverged(f"the validation loss was {loss} after epoch {epoch + 1}")
        if epoch not in self.reported:
            self.trial.report(float(metrics[self.metric]), epoch)
            self.reported.add(epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def run_of(folder: Path, number: int) -> RunFolder:
    """Return the run folder of a trial."""
    return RunFolder(folder / f"{number:03d}")


def run_trial(trial: optuna.Trial, config: Config, *, folder: Path, metric: str) -> float:
    """Train with the sampled settings of a trial, or resume its training, and return its validation metric.

    Raises:
        Diverged: the validation loss is not finite.
        TrialPruned: the trial is worse than others at the same epoch.
        RunError: its folder holds another training.
    """
    run = run_of(folder, trial.number)
    named = config.model_copy(
        update={"run": config.run.model_copy(update={"folder": str(folder), "name": run.path.name})}
    )
    reported = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
    watch = PruningCallback(trial, metric=metric, reported=tuple(reported))
    if run.metadata.is_file():
        if run.read_config() != named:
            raise RunError(
                f"{run.path} is the run of another training, not of trial {trial.number} of this sweep. Move it away."
            )
        resume(run.path, callbacks=[watch], splits=OBJECTIVE_SPLITS)
    else:
        train(named, callbacks=[watch], splits=OBJECTIVE_SPLITS, sweep=folder.parent)
    return valid_value(run, metric)


def valid_value(run: RunFolder, metric: str) -> float:
    """Return the metric of the kept weights on the validation photos that choose among models."""
    scored = choosing_predictions(run)
    return float(metrics(scored.probabilities(), scored.labels)[MEASURES[metric]][0])


def tried_by(rows: Sequence[TrialRow], best: Config) -> int:
    """Return how many models the trials compared on the validation photos.

    A trial compares its epochs. One that keeps the last epoch, or a probe, compares as many models as the ``best`` one.
    """
    own = models_tried(best, epochs=0)
    return sum(own or row.epochs for row in rows)


def clear_checkpoints(run: RunFolder) -> None:
    """Remove the checkpoints of a trial that has ended; they are only needed to resume it."""
    shutil.rmtree(run.checkpoints, ignore_errors=True)

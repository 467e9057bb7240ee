"""Worker of a search: resumes interrupted trials and starts new ones until all are done."""

import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import optuna
import torch
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from petmood.configs.schema import SearchConfig
from petmood.tuning.locks import TrialLocks
from petmood.tuning.space import Space, Values, grid, suggest
from petmood.tuning.storage import open_trial, sampler_for
from petmood.tuning.trial import Diverged, clear_checkpoints, run_of, run_trial

__all__ = ["Worker", "wanted_trials"]

logger = logging.getLogger(__name__)

POLL_INTERVAL_S: Final = 0.2


def wanted_trials(search: SearchConfig, space: Space) -> int:
    """Return the total number of trials of the sweep; a grid ends with its last combination."""
    return min(search.n_trials, len(grid(space))) if search.sampler == "grid" else search.n_trials


@dataclass(frozen=True, slots=True)
class Worker:
    """Worker of a search in one process; run folders are in ``folder``."""

    study: optuna.Study
    storage: RDBStorage
    search: SearchConfig
    space: Space
    claims: TrialLocks
    folder: Path

    def work(self) -> Iterator[int]:
        """Run trials until the wanted number is reached, and yield the number of each ended trial.

        An error outside the trial (a full disk, missing weights, Ctrl-C) leaves the trial in state RUNNING, so that the
        next sweep of this name resumes it.

        Raises:
            PetmoodError: settings that can't be trained with, or photos that can't be read.
        """
        while (begun := self._next()) is not None:
            trial, values = begun
            self._run(trial, values)
            self.claims.release(trial.number)
            yield trial.number

    def _next(self) -> tuple[optuna.Trial, Values] | None:
        """Return a trial to run and its sampled values; wait while others run the last trials, since they may die."""
        while True:
            with self.claims.allocation_lock():
                trials = self.study.get_trials(deepcopy=False)
                running = [trial for trial in trials if trial.state == TrialState.RUNNING]
                for left in running:
                    if self._take(left.number):
                        logger.info("resuming trial %d, which was interrupted", left.number)
                        return self._drawn(left)
                if len(trials) < wanted_trials(self.search, self.space):
                    return self._drawn(None, number=len(trials))
            if not running:
                return None
            time.sleep(POLL_INTERVAL_S)

    def _take(self, number: int) -> bool:
        """Lock an interrupted trial; return False if its worker ended it after the study was read."""
        if not self.claims.take(number):
            return False
        if self.study.get_trials(deepcopy=False)[number].state == TrialState.RUNNING:
            return True
        self.claims.release(number)
        return False

    @property
    def _points(self) -> Sequence[Values]:
        return grid(self.space) if self.search.sampler == "grid" else ()

    def _drawn(self, left: FrozenTrial | None, *, number: int = 0) -> tuple[optuna.Trial, Values]:
        number = left.number if left else number
        self.study.sampler = sampler_for(self.search, number, points=self._points)
        trial = open_trial(self.study, self.storage, number) if left else self.study.ask()
        self.claims.take(trial.number)
        values = {name: suggest(trial, name, one) for name, one in self.space.dimensions.items()}
        return trial, values

    def _run(self, trial: optuna.Trial, values: Values) -> None:
        began = time.monotonic()
        run = run_of(self.folder, trial.number)
        trial.set_user_attr("process", os.getpid())
        trial.set_user_attr("run", f"{socket.gethostname()}:{run.path.absolute()}")
        try:
            value = run_trial(trial, self.space.compose(values), folder=self.folder, metric=self.search.metric)
        except optuna.TrialPruned:
            self._record(trial, TrialState.PRUNED, began)
        except (Diverged, torch.OutOfMemoryError) as error:
            reason = str(error).partition("\n")[0]
            logger.warning("trial %d failed: %s", trial.number, reason)
            trial.set_user_attr("failed", reason)
            self._record(trial, TrialState.FAIL, began)
        else:
            self._record(trial, TrialState.COMPLETE, began, value=value)
        clear_checkpoints(run)

    def _record(self, trial: optuna.Trial, state: TrialState, began: float, *, value: float | None = None) -> None:
        trial.set_user_attr("seconds", round(time.monotonic() - began, 2))
        self.study.tell(trial, value, state)

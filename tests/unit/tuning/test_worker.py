"""Worker: number of trials, diverged trials, and resumption of interrupted ones."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from petmood.configs.load import compose
from petmood.tuning.locks import FileTrialLocks
from petmood.tuning.space import open_space
from petmood.tuning.sweep import open_sweep
from petmood.tuning.trial import run_of
from petmood.tuning.worker import Worker, wanted_trials
from tests.support.small_sets import SMALL, write_small_set


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data set that a test may damage."""
    return write_small_set(tmp_path / "data")


@pytest.fixture
def wanted(tmp_path: Path, data: Path) -> list[str]:
    """Return overrides of a grid of two trials, one of which can't but diverge."""
    space = "search.space={optimizer.lr:{choices:[0.003,1e30]}}"
    where = [f"search.folder={tmp_path}/sweeps", "search.name=s", f"data={data}"]
    return [*SMALL, *where, "epochs=2", "search.sampler=grid", "search.startup=9", space]


def worker(wanted: list[str]) -> Iterator[Worker]:
    """Yield the worker of a sweep that is open meanwhile."""
    with open_sweep(wanted) as opened:
        yield opened.worker


def test_a_trial_that_diverges_has_failed_and_the_others_go_on(wanted: list[str]) -> None:
    for one in worker(wanted):
        assert list(one.work()) == [0, 1]
        good, bad = one.study.trials
        assert (good.state, bad.state) == (TrialState.COMPLETE, TrialState.FAIL)
        assert "validation loss was nan" in bad.user_attrs["failed"]
        assert [trial.params["optimizer.lr"] for trial in (good, bad)] == [0.003, 1e30]
        assert good.user_attrs["seconds"] > 0
        assert good.user_attrs["run"].endswith("/sweeps/s/trials/000")
        assert not run_of(one.folder, 0).checkpoints.exists()
        assert list(one.work()) == []


def test_an_error_that_isn_t_the_trial_s_own_ends_the_work_and_the_next_worker_takes_the_trial_over(
    wanted: list[str], data: Path
) -> None:
    photo = data / "photos/train-003.png"
    content = photo.read_bytes()
    photo.unlink()
    for one in worker(wanted):
        with pytest.raises(FileNotFoundError, match=r"train-003\.png"):
            list(one.work())
        assert [trial.state for trial in one.study.trials] == [TrialState.RUNNING]
    photo.write_bytes(content)
    for one in worker(wanted):
        assert list(one.work()) == [0, 1]
        assert [trial.state for trial in one.study.trials] == [TrialState.COMPLETE, TrialState.FAIL]


def test_a_trial_that_ends_while_it_is_looked_at_is_not_taken_over(wanted: list[str], tmp_path: Path) -> None:
    class EndsMeanwhile(FileTrialLocks):
        """The locks of a worker that ends its trial just before we come to its lock."""

        def take(self, number: int) -> bool:
            if number == 0 and study.trials[0].state == TrialState.RUNNING:
                study.tell(0, 0.5)
            return super().take(number)

    for one in worker(wanted):
        study = one.study
        study.ask()
        assert list(replace(one, claims=EndsMeanwhile(tmp_path / "locks")).work()) == [1]
        assert [(trial.state, trial.value) for trial in study.trials] == [
            (TrialState.COMPLETE, 0.5),
            (TrialState.FAIL, None),
        ]


@pytest.mark.parametrize(("n_trials", "sampler", "expected"), [(1, "grid", 1), (9, "grid", 2), (9, "random", 9)])
def test_a_grid_ends_with_its_last_combination(wanted: list[str], n_trials: int, sampler: str, expected: int) -> None:
    search = compose([*wanted, f"n_trials={n_trials}", f"search.sampler={sampler}"]).search
    assert wanted_trials(search, open_space(wanted, search)) == expected

"""Sweep: resumption after kills, pruning, several workers, and selection by validation photos alone."""

import json
import os
import shutil
import signal
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from petmood.configs.load import from_file
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import Split, read_index, write_index
from petmood.data.validation_parts import divide_validation
from petmood.evaluation.predictions import Predictions
from petmood.models.linear import negative_log_likelihood
from petmood.pipelines.evaluate import evaluate_run
from petmood.pipelines.export import export_run
from petmood.pipelines.run_folder import RunFolder, open_run
from petmood.tuning.trial import valid_value
from tests.support.halts import Halts
from tests.support.killing import count_rows
from tests.support.small_sets import write_small_set
from tests.support.sweeping import SWEEP, begin, finish, kill_at, running, table, trials_of, wait_ended, wait_halted

TRIALS = 9
FOLDER = Path("runs/sweeps/first")

pytestmark = [pytest.mark.proof, pytest.mark.spawns]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which a sweep ran from its beginning to its end."""
    cwd = tmp_path_factory.mktemp("whole")
    write_small_set(cwd / "data/set", train=64, valid=32, noise=60)
    finish([*SWEEP, "data=data/set", f"n_trials={TRIALS}"], cwd=cwd)
    return cwd


def test_the_best_is_the_least_validation_loss_of_the_kept_weights_and_its_run_is_whole(whole: Path) -> None:
    rows = table(whole / FOLDER)
    losses = {}
    for number, row in rows.items():
        run = RunFolder(whole / FOLDER / "trials" / f"{int(number):03d}")
        if row["state"] == "finished":
            scored = Predictions.load(run.predictions(Split.VALID))
            labels = [scored.classes[label] for label in scored.labels]
            parts = divide_validation(scored.groups, labels, share=0.5)
            assert len(parts.choosing) == len(parts.calibrating) == 16
            scored = scored.take(parts.choosing)
            losses[number] = negative_log_likelihood(scored.logits, scored.labels)
            assert float(row["value"]) == pytest.approx(losses[number], rel=1e-6)
    best = min(losses, key=losses.__getitem__)
    assert next(iter(rows)) == best
    settings = from_file(whole / FOLDER / "best.yaml")
    assert repr(settings.optimizer.lr) == rows[best]["optimizer.lr"]
    assert settings.augment == from_file(whole / FOLDER / "trials" / f"{int(best):03d}" / "config.yaml").augment


def test_no_trial_but_the_chosen_one_ever_answered_a_test_photo(whole: Path) -> None:
    answered = [path.parent.parent.name for path in (whole / FOLDER).rglob("test.npz")]
    assert answered == [f"{int(next(iter(table(whole / FOLDER)))):03d}"]


def test_hopeless_trials_end_early_and_are_worse_than_half_of_the_others_were_then(whole: Path) -> None:
    trials = trials_of(f"sqlite:///{whole / FOLDER}/study.db")
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert pruned
    for trial in pruned:
        step = max(trial.intermediate_values)
        assert step < 5
        before = [t for t in trials[: trial.number] if t.state == TrialState.COMPLETE]
        best_so_far = [min(v for s, v in t.intermediate_values.items() if s <= step) for t in before]
        at_the_step = [t.intermediate_values[step] for t in before]
        assert min(trial.intermediate_values.values()) > statistics.median(at_the_step)
        assert len(best_so_far) >= 3
        assert count_rows(whole / FOLDER / f"trials/{trial.number:03d}/metrics.csv") <= step + 1


def test_a_sweep_that_is_killed_again_and_again_ends_as_if_it_never_was(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "data", tmp_path / "data")
    url = f"sqlite:///{tmp_path / FOLDER}/study.db"
    wanted = [*SWEEP, "data=data/set", f"n_trials={TRIALS}"]
    halts = Halts(tmp_path / "halts")
    for victim, epoch in ((0, 0), (2, 4), (3, 1), (6, 0)):
        kill_at(halts, f"{victim:03d}", epoch=epoch, overrides=wanted, cwd=tmp_path)
        assert [trial.number for trial in running(url)] == [victim]
    finish(wanted, cwd=tmp_path)
    assert table(tmp_path / FOLDER) == table(whole / FOLDER)
    states = [trial.state for trial in trials_of(url)]
    assert len(states) == TRIALS
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}


def test_changed_test_labels_change_neither_the_trials_nor_the_choice(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "data", tmp_path / "data")
    rows = read_index(tmp_path / "data/set").rows
    turned = [
        replace(row, label=DEFAULT_CLASSES[(DEFAULT_CLASSES.index(row.label) + 1) % len(DEFAULT_CLASSES)])
        if row.split == "test"
        else row
        for row in rows
    ]
    write_index(tmp_path / "data/set", turned)
    assert read_index(tmp_path / "data/set").hash != read_index(whole / "data/set").hash
    finish([*SWEEP, "data=data/set", f"n_trials={TRIALS}"], cwd=tmp_path)
    assert list(table(tmp_path / FOLDER).items()) == list(table(whole / FOLDER).items())


@pytest.mark.posix
def test_two_workers_share_one_file_without_doing_a_trial_twice_and_one_takes_over_from_a_killed_one(
    whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole / "data", tmp_path / "data")
    url = f"sqlite:///{tmp_path / FOLDER}/study.db"
    wanted = [*SWEEP, "data=data/set", "n_trials=12", "search.workers=2"]
    halts = Halts(tmp_path / "halts")
    halts.add()
    with begin(wanted, cwd=tmp_path, halts=halts) as parent:
        workers = wait_halted(halts, parent, count=2, cwd=tmp_path)
        assert {trial.user_attrs["process"] for trial in running(url)} == set(workers)
        os.kill(workers[0], signal.SIGKILL)
        halts.remove()
        assert parent.wait(timeout=1800) == 0
    trials = trials_of(url)
    assert [trial.number for trial in trials] == list(range(12))
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert "a worker ended with -9" in (tmp_path / "err.txt").read_text()
    assert "12 trials: " in (tmp_path / "out.txt").read_text()


@pytest.mark.posix
def test_workers_end_with_the_one_that_started_them_and_the_same_command_goes_on(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "data", tmp_path / "data")
    url = f"sqlite:///{tmp_path / FOLDER}/study.db"
    wanted = [*SWEEP, "data=data/set", "n_trials=8", "search.workers=2"]
    halts = Halts(tmp_path / "halts")
    halts.add()
    with begin(wanted, cwd=tmp_path, halts=halts) as parent:
        workers = wait_halted(halts, parent, count=2, cwd=tmp_path)
        parent.send_signal(signal.SIGKILL)
    assert {trial.user_attrs["process"] for trial in running(url)} == set(workers)
    halts.remove()  # Lightning ends at the next batch
    wait_ended(workers)
    finish(wanted, cwd=tmp_path)
    assert sorted(map(int, table(tmp_path / FOLDER))) == list(range(8))
    assert {row["state"] for row in table(tmp_path / FOLDER).values()} <= {"finished", "pruned"}


@pytest.mark.xdist_group("sweep_of_the_demo")
def test_five_trials_on_the_demo_killed_once_lead_to_a_measured_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a person would: nothing is there before, not even the demo's photos."""
    wanted = [
        "search=first",
        "n_trials=5",
        "epochs=3",
        "model.image_size=32",
        "search.startup=3",
        "search.warmup=1",
        "tracker=none",
    ]
    kill_at(Halts(tmp_path / "halts"), "002", epoch=0, overrides=wanted, cwd=tmp_path)
    printed = finish(wanted, cwd=tmp_path)
    rows = table(tmp_path / FOLDER)
    assert len(rows) == 5
    assert {row["state"] for row in rows.values()} <= {"finished", "pruned"}
    best = open_run(tmp_path / FOLDER / "trials" / f"{int(next(iter(rows))):03d}")
    assert f"Next: petmood evaluate {best.path.relative_to(tmp_path)}" in printed
    assert valid_value(best, "val/loss") == pytest.approx(float(next(iter(rows.values()))["value"]))
    for name in ("history", "importances", "parallel", "slice"):
        assert (tmp_path / FOLDER / f"plots/{name}.png").read_bytes().startswith(b"\x89PNG")
    os.chdir(tmp_path)
    monkeypatch.chdir(tmp_path)
    evaluate_run(best)
    assert json.loads(best.evaluation.read_bytes())["splits"]["test"]["accuracy"]["n"] > 0
    assert export_run(best, to=tmp_path / "bundles/first").manifest.name == "first"

"""Tracking of a run by its own process: its state on disk, one warning on failure, and never an exception."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import LambdaCallback

from petmood.configs.schema import Config
from petmood.core.bundle import MANIFEST
from petmood.core.errors import MissingDependency
from petmood.core.files import sha256_of
from petmood.pipelines import run_tracking
from petmood.pipelines.evaluate import evaluate_run
from petmood.pipelines.export import export_run
from petmood.pipelines.mirror import run_content
from petmood.pipelines.mirror_process import MirrorJob, MirrorOutcome, MirrorProcess
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.run_tracking import end_sweep, start_sweep
from petmood.pipelines.train import resume, train
from petmood.training.tracking.state import STATE_NAME, TrackingState, read_state, state_of, write_state
from tests.support.mirrors import curves_of

Settings = Callable[..., Config]


class Unsent(MirrorProcess):
    """Sends nothing: a process for each run takes seconds, and what is on the disk is looked at here."""

    outcome = MirrorOutcome()
    woken = 0
    deadlines: list[float]

    def __init__(self, job: MirrorJob) -> None:
        self.job = job

    def epoch_ended(self) -> None:
        """Count the epochs."""
        Unsent.woken += 1

    def end(self, *, within_s: float) -> MirrorOutcome:
        """Say what the test wants."""
        Unsent.deadlines.append(within_s)
        return Unsent.outcome


@pytest.fixture(autouse=True)
def sender(monkeypatch: pytest.MonkeyPatch) -> type[Unsent]:
    """Send nothing."""
    Unsent.outcome, Unsent.woken, Unsent.deadlines = MirrorOutcome(), 0, []
    monkeypatch.setattr(run_tracking, "MirrorProcess", Unsent)

    def mirror_now(folder: Path, *, within_s: float) -> MirrorOutcome:
        return Unsent(MirrorJob(folder=folder)).end(within_s=within_s)

    monkeypatch.setattr(run_tracking, "mirror_now", mirror_now)
    return Unsent


@pytest.fixture
def tracked(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings with an MLflow in a file below ``tmp_path``."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tracker = ("tracker=mlflow", f"tracker.uri=sqlite:///{tmp_path}/t.db", f"run.folder={tmp_path}", "name=told")
    return lambda *overrides: settings(*tracker, *overrides)


def steps_of(run: RunFolder) -> list[int]:
    """Return the epochs that a tracker would get."""
    return [epoch.step for epoch in run_content(run.path).epochs]


def test_a_run_its_evaluation_and_its_bundle_are_mirrored_after_each_step(
    tracked: Settings, tmp_path: Path, sender: type[Unsent]
) -> None:
    run = train(tracked("epochs=3", "tracker.deadline_s=7"))
    state = state_of(run.path)
    assert (state.name, state.status, state.home) == ("told", "finished", str(Path.cwd()))
    assert sorted(state.epoch_ms) == [0, 1]
    assert state.started_ms <= state.epoch_ms[0] <= state.epoch_ms[1] <= (state.ended_ms or 0)
    assert (sender.woken, sender.deadlines) == (2, [7.0])
    content = run_content(run.path)
    for name, column in curves_of(run).items():
        assert [(epoch.step, epoch.values[name]) for epoch in content.epochs] == column
    assert content.files[0].name == "figures/curves.png"
    evaluate_run(run)
    bundle = export_run(run, to=tmp_path / "bundle")
    assert sender.deadlines == [7.0] * 3
    assert run_content(run.path).tags["bundle_sha256"] == sha256_of(bundle.folder / MANIFEST)
    assert state_of(run.path).run_id == state.run_id


def test_a_probe_without_epochs_has_final_metrics(tracked: Settings) -> None:
    run = train(tracked("recipe=linear_probe", "weights=none"))
    content = run_content(run.path)
    assert (content.epochs, content.status) == ((), "finished")
    assert content.finals.keys() == {"seconds", "epochs", "best_epoch", "val/kept_accuracy", "val/kept_loss"}


class Stop(Callback):
    """Ends training in its third epoch."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:  # noqa: ANN401 - Lightning's signature
        """Raise once two epochs are done."""
        if trainer.current_epoch == 2:
            raise self.error


@pytest.mark.parametrize(("error", "status"), [(ValueError, "failed"), (KeyboardInterrupt, "killed")])
def test_a_run_that_ended_early_says_how_and_goes_on_as_the_same_run(
    tracked: Settings, tmp_path: Path, error: type[BaseException], status: str, sender: type[Unsent]
) -> None:
    with pytest.raises(error):
        train(tracked("epochs=4"), callbacks=[Stop(error)])
    run = RunFolder(tmp_path / "told")
    before = state_of(run.path)
    assert (run_content(run.path).status, steps_of(run), len(sender.deadlines)) == (status, [0, 1], 1)
    resume(run.path)
    after = state_of(run.path)
    assert (after.run_id, after.status) == (before.run_id, "finished")
    assert before.epoch_ms.items() <= after.epoch_ms.items()
    assert steps_of(run) == [0, 1, 2, 3]


def test_a_tracker_that_is_away_is_one_warning_with_the_command_to_type(
    tracked: Settings, sender: type[Unsent], caplog: pytest.LogCaptureFixture
) -> None:
    sender.outcome = MirrorOutcome(
        problem="MLflow at http://x can't be reached, or rejected the request: Connection refused."
    )
    run = train(tracked("epochs=1"))
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.getMessage() == (
        f"{run.path} is not complete in mlflow yet: "
        "MLflow at http://x can't be reached, or rejected the request: Connection refused. "
        f"Send it with: petmood track sync {run.path}"
    )
    assert record.getMessage() in run.log.read_text()


def test_a_message_of_the_tracker_is_passed_on(
    tracked: Settings, sender: type[Unsent], caplog: pytest.LogCaptureFixture
) -> None:
    sender.outcome = MirrorOutcome(note="written offline")
    train(tracked("epochs=1"))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "written offline"
    ]


def test_a_disk_that_refuses_the_state_costs_one_warning_and_the_curves_come_at_the_end(
    tracked: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written: list[TrackingState] = []

    def fills_up(folder: Path, state: TrackingState) -> None:
        if written:
            raise OSError(28, "No space left on device")
        written.append(state)
        write_state(folder, state)

    monkeypatch.setattr(run_tracking, "write_state", fills_up)
    run = train(tracked("epochs=4"))
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.getMessage().endswith("No space left on device. The run continues, and is tracked when it is done.")
    assert (run_content(run.path).status, steps_of(run)) == ("finished", [0, 1, 2, 3])


def interrupt(*_: object) -> None:
    """Stop as Ctrl-C does."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", ["train", "evaluate"])
def test_a_damaged_state_costs_one_warning_and_the_tracking_alone(
    step: str, tracked: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "told" / STATE_NAME
    if step == "train":
        with pytest.raises(KeyboardInterrupt):
            train(tracked("epochs=2"), callbacks=[LambdaCallback(on_train_epoch_start=interrupt)])
        caplog.clear()
        state.write_text("rubbish")
        run = resume(state.parent)
    else:
        run = train(tracked("epochs=1"))
        state.write_text("rubbish")
        evaluate_run(run)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "tracking.json can't be read" in record.getMessage()
    assert (run.path / STATE_NAME).read_text() == "rubbish"


def test_a_tracker_that_is_not_installed_is_refused_before_anything_is_tracked(
    tracked: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingDependency, match="set tracker=none"):
        train(tracked("epochs=1"))
    assert not (tmp_path / "told" / STATE_NAME).exists()


def test_a_run_without_a_tracker_leaves_no_state_and_neither_do_its_evaluation_and_bundle(
    settings: Settings, tmp_path: Path, sender: type[Unsent]
) -> None:
    run = train(settings("tracker=none", f"run.folder={tmp_path}", "name=quiet", "epochs=4"))
    evaluate_run(run)
    bundle = export_run(run, to=tmp_path / "bundle")
    assert list(run.path.rglob("*track*")) == []
    assert not (run.path / "curves.png").exists()
    assert sender.deadlines == []
    assert "tracker" not in bundle.manifest.config


def test_a_run_that_was_copied_is_mirrored_from_its_own_place(tracked: Settings, tmp_path: Path) -> None:
    run = train(tracked("epochs=1"))
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(run.path, copy.path)
    evaluate_run(copy)
    assert run_content(copy.path).finals.keys() > run_content(run.path).finals.keys()


def test_a_sweep_has_one_state_whoever_starts_it_and_ends_with_its_report(
    tracked: Settings, settings: Settings, tmp_path: Path, sender: type[Unsent]
) -> None:
    sweep = tmp_path / "sweeps/first"
    for _ in range(2):
        start_sweep(sweep, tracked())
    before = state_of(sweep)
    start_sweep(sweep, tracked())
    end_sweep(sweep)
    assert state_of(sweep).run_id == before.run_id
    assert (before.status, state_of(sweep).status, len(sender.deadlines)) == ("running", "finished", 1)
    start_sweep(tmp_path / "other", settings("tracker=none"))
    end_sweep(tmp_path / "other")
    assert read_state(tmp_path / "other") is None


def test_a_trial_knows_its_sweep(tracked: Settings, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    start_sweep(sweep, tracked())
    run = train(tracked("epochs=1", f"run.folder={sweep}/trials"), sweep=sweep)
    parent = run_content(run.path).parent
    assert parent is not None
    assert (parent.name, parent.run_id) == ("sweep", state_of(sweep).run_id)

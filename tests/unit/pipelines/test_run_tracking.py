"""Tracking of a run: settings, origin, epochs, results, evaluation, bundle and status, each logged once."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback

from petmood.configs.schema import Config
from petmood.core.bundle import MANIFEST
from petmood.core.files import sha256_of
from petmood.pipelines.evaluate import evaluate_run
from petmood.pipelines.export import export_run
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.run_tracking import settings_of
from petmood.pipelines.train import resume, train
from petmood.training.tracking import run_logger as teller
from petmood.training.tracking.events import Artifact, Entry, Metrics, Params, Status, Tags
from petmood.training.tracking.spool import JOURNAL_NAME, read_journal
from petmood.training.tracking.uploader import Outcome, UploadJob
from petmood.training.tracking.uploader_process import Sender
from tests.support.mirrors import curves_of

Settings = Callable[..., Config]


class Unsent(Sender):
    """Leaves everything in the journal, which is all that is looked at here: a process for each run takes seconds."""

    def __init__(self, job: UploadJob) -> None:
        self.job = job

    def end(self, *, within_s: float) -> Outcome:  # noqa: ARG002 - the signature of the one that sends
        """Say that nothing waits."""
        return Outcome()


@pytest.fixture(autouse=True)
def nobody_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send nothing."""
    monkeypatch.setattr(teller, "Sender", Unsent)


@pytest.fixture
def tracked(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings that tell an MLflow in a file below ``tmp_path``."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    told = ("tracker=mlflow", f"tracker.uri=sqlite:///{tmp_path}/t.db", f"run.folder={tmp_path}", "name=told")
    return lambda *overrides: settings(*told, *overrides)


def told(run: RunFolder) -> list[Entry]:
    """Return everything that a run told."""
    return [placed.entry for placed in read_journal(run.path / JOURNAL_NAME)]


def epochs_of(run: RunFolder) -> list[Metrics]:
    """Return what a run told of its epochs."""
    return [entry for entry in told(run) if isinstance(entry, Metrics) and entry.step is not None]


def finals_of(run: RunFolder) -> dict[str, float]:
    """Return the final numbers that a run told."""
    found: dict[str, float] = {}
    for entry in told(run):
        if isinstance(entry, Metrics) and entry.step is None:
            found |= entry.values
    return found


def statuses_of(run: RunFolder) -> list[str]:
    """Return how a run said it stood."""
    return [entry.status for entry in told(run) if isinstance(entry, Status)]


def test_a_run_tells_settings_origin_epochs_results_files_numbers_and_its_bundle(
    tracked: Settings, tmp_path: Path
) -> None:
    run = train(tracked("epochs=3"))
    params = [entry for entry in told(run) if isinstance(entry, Params)]
    assert [entry.values for entry in params] == [settings_of(run.read_config())]
    curves = curves_of(run)
    assert [entry.step for entry in epochs_of(run)] == [0, 1, 2]
    for name, column in curves.items():
        assert [(entry.step, entry.values[name]) for entry in epochs_of(run)] == column
    assert {"epochs": 3.0, "best_epoch": float(run.read_metadata().best_epoch or 0)}.items() <= finals_of(run).items()
    assert 0 <= finals_of(run)["val/kept_accuracy"] <= 1
    assert statuses_of(run) == ["running", "finished"]
    found = evaluate_run(run)
    bundle = export_run(run, to=tmp_path / "bundle")
    numbers = found.to_json()["splits"]
    assert isinstance(numbers, dict)
    assert finals_of(run)["test/macro_f1"] == numbers["test"]["macro_f1"]["value"]
    assert finals_of(run)["valid/ece_high"] == numbers["valid"]["ece"]["high"]
    tags: dict[str, Any] = {}
    for entry in told(run):
        tags |= entry.values if isinstance(entry, Tags) else {}
    assert tags["data_hash"] == run.read_metadata().data_hash
    assert tags["bundle_sha256"] == sha256_of(bundle.folder / MANIFEST)
    files = [entry.path for entry in told(run) if isinstance(entry, Artifact)]
    assert files[:4] == ["curves.png", "metrics.csv", "config.yaml", "run.json"]
    assert files[4:] == ["evaluation.json", "report.html", str(tmp_path / "bundle")]
    assert statuses_of(run) == ["running", "finished"]


def test_a_probe_without_epochs_tells_its_final_numbers(tracked: Settings) -> None:
    run = train(tracked("recipe=linear_probe", "weights=none"))
    assert epochs_of(run) == []
    assert finals_of(run).keys() == {"seconds", "epochs", "best_epoch", "val/kept_accuracy", "val/kept_loss"}
    assert statuses_of(run) == ["running", "finished"]


class Stop(Callback):
    """Ends training in its third epoch."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:  # noqa: ANN401 - Lightning's signature
        """Raise once two epochs are done."""
        if trainer.current_epoch == 2:
            raise self.error


@pytest.mark.parametrize(("error", "status"), [(ValueError, "failed"), (KeyboardInterrupt, "killed")])
def test_a_run_that_ended_early_says_how_and_tells_the_rest_when_it_goes_on(
    tracked: Settings, tmp_path: Path, error: type[BaseException], status: str
) -> None:
    with pytest.raises(error):
        train(tracked("epochs=4"), callbacks=[Stop(error)])
    run = RunFolder(tmp_path / "told")
    assert statuses_of(run) == ["running", status]
    assert [entry.step for entry in epochs_of(run)] == [0, 1]
    resume(run.path)
    assert [entry.step for entry in epochs_of(run)] == [0, 1, 2, 3]
    assert statuses_of(run) == ["running", status, "running", "finished"]


def test_epochs_that_a_full_disk_kept_out_are_told_by_the_evaluation(tracked: Settings) -> None:
    run = train(tracked("epochs=3"))
    journal = run.path / JOURNAL_NAME
    first = next(placed for placed in read_journal(journal) if isinstance(placed.entry, Metrics))
    journal.write_bytes(journal.read_bytes()[: first.end + 7])
    evaluate_run(run)
    assert [entry.step for entry in epochs_of(run)] == [0, 1, 2]
    assert statuses_of(run) == ["running", "finished"]


def test_a_run_that_tells_nobody_leaves_no_journal_and_neither_do_its_evaluation_and_bundle(
    settings: Settings, tmp_path: Path
) -> None:
    run = train(settings("tracker=none", f"run.folder={tmp_path}", "name=quiet", "epochs=4"))
    evaluate_run(run)
    bundle = export_run(run, to=tmp_path / "bundle")
    assert list(run.path.rglob("*track*")) == []
    assert not (run.path / "curves.png").exists()
    assert "tracker" not in bundle.manifest.config


def test_neither_the_tracker_nor_a_search_is_a_setting_of_a_run(settings: Settings) -> None:
    names = settings_of(settings("tracker=mlflow", "tracker.experiment=other"))
    assert names == settings_of(settings())
    assert names["optimizer.lr"] == 0.003
    assert not {name for name in names if name.startswith(("tracker", "search"))}


def test_a_run_that_was_copied_is_told_of_under_its_own_place(tracked: Settings, tmp_path: Path) -> None:
    run = train(tracked("epochs=1"))
    copy = RunFolder(tmp_path / "near_duplicate")
    shutil.copytree(run.path, copy.path)
    evaluate_run(copy)
    assert finals_of(copy).keys() > finals_of(run).keys()

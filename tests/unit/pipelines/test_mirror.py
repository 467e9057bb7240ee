"""Mirror of a run folder: the content that a tracker gets, and one writer at a time."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from petmood.core.errors import TrackingError
from petmood.pipelines.evaluate import evaluate_run
from petmood.pipelines.export import export_run
from petmood.pipelines.mirror import mirror_run, run_content, settings_of
from petmood.pipelines.run_folder import RunFolder
from petmood.training.tracking.base import RunContent
from petmood.training.tracking.state import (
    BundleRecord,
    TrackerSettings,
    mirror_lock,
    new_state,
    state_of,
    write_state,
)
from tests.support.mirrors import curves_of
from tests.support.tracked_runs import tracked_copy


@dataclass
class Recorder:
    """A tracker that is away for the first ``fails`` writes, and keeps what it gets."""

    fails: int = 0
    note: str = ""
    got: list[tuple[bool, RunContent]] = field(default_factory=list)
    is_closed: bool = False

    def write(self, content: RunContent, *, live: bool = False) -> int:
        if self.fails:
            self.fails -= 1
            raise TrackingError("away")
        self.got.append((live, content))
        return len(content.epochs)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def run(small_run: RunFolder, tmp_path: Path) -> RunFolder:
    """Return a tracked run of six epochs that no tracker has yet."""
    return tracked_copy(small_run, tmp_path / "run")


def update(run: RunFolder, **changed: object) -> None:
    """Change the state of a run."""
    write_state(run.path, state_of(run.path).model_copy(update=changed))


def test_a_tracker_gets_settings_origin_epochs_results_files_and_the_dataset(run: RunFolder) -> None:
    facts = run.read_metadata()
    content = run_content(run.path)
    assert content.params == settings_of(run.read_config())
    assert content.tags["data_hash"] == facts.data_hash
    assert content.tags["package.torch"] == facts.packages["torch"]
    for name, column in curves_of(run).items():
        assert [(epoch.step, epoch.values[name]) for epoch in content.epochs] == column
    finals = {name: final.value for name, final in content.finals.items()}
    assert {"epochs": 6.0, "best_epoch": float(facts.best_epoch or 0)}.items() <= finals.items()
    assert 0 <= finals["val/kept_accuracy"] <= 1
    assert finals.keys() == {"seconds", "epochs", "best_epoch", "val/kept_accuracy", "val/kept_loss"}
    assert [file.name for file in content.files] == ["metrics.csv", "config.yaml", "run.json"]
    assert content.status == "finished"
    assert content.dataset is not None
    assert (content.dataset.digest, content.dataset.profile) == (facts.data_hash, facts.photos)
    assert (content.bundle, content.parent) == (None, None)


def test_equal_folders_give_equal_requests_however_often_they_are_read(run: RunFolder) -> None:
    assert run_content(run.path) == run_content(run.path)


def test_an_evaluation_and_a_bundle_are_mirrored_with_the_run(run: RunFolder, tmp_path: Path) -> None:
    numbers = evaluate_run(RunFolder(run.path), data=None).to_json()["splits"]
    bundle = export_run(run, to=tmp_path / "bundle")
    assert isinstance(numbers, dict)
    content = run_content(run.path)
    assert content.finals["test/macro_f1"].value == numbers["test"]["macro_f1"]["value"]
    assert content.finals["valid/ece_high"].value == numbers["valid"]["ece"]["high"]
    assert [file.name for file in content.files][-2:] == ["evaluation.json", "report.html"]
    assert content.tags["bundle_sha256"] == bundle.sha256
    assert content.bundle == bundle.folder


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no process: what a tracker would get is looked at here."""
    monkeypatch.setattr("petmood.pipelines.run_tracking._mirror", lambda *_: None)


def test_a_folder_that_holds_another_bundle_by_now_is_not_sent_as_this_run_s(run: RunFolder, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "manifest.json").write_text("{}")
    record = BundleRecord(folder=str(bundle), name="bundle", sha256="0" * 64)
    update(run, bundle=record)
    assert run_content(run.path).bundle is None
    shutil.rmtree(bundle)
    assert run_content(run.path).bundle is None
    assert run_content(run.path).tags["bundle_name"] == "bundle"


def test_a_training_under_way_has_the_epochs_that_are_never_trained_again(run: RunFolder) -> None:
    run.write_metadata(run.read_metadata(), update={"status": "training", "seconds": None})
    update(run, status="running", epoch_ms={0: 5_000, 1: 6_000})
    content = run_content(run.path)
    assert [(epoch.step, epoch.at_ms) for epoch in content.epochs] == [(0, 5_000), (1, 6_000)]
    assert (content.status, content.finals, content.files) == ("running", {}, ())
    update(run, status="killed", ended_ms=7_000)
    assert (run_content(run.path).status, run_content(run.path).ended_ms) == ("killed", 7_000)


def test_epochs_whose_end_a_full_disk_kept_out_of_the_state_come_with_the_finished_run(run: RunFolder) -> None:
    update(run, epoch_ms={0: 5_000})
    os.utime(run.metrics_csv, (9, 9))
    assert [epoch.at_ms for epoch in run_content(run.path).epochs] == [5_000, *[9_000] * 5]


def test_a_trial_has_its_sweep_as_parent_unless_it_was_moved_away(run: RunFolder, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    trial = tracked_copy(run, sweep / "trials/000")
    update(trial, sweep="../..")
    assert run_content(trial.path).parent is None
    write_state(sweep, new_state(sweep, TrackerSettings()))
    (sweep / "sweep.html").write_text("a report")
    parent = run_content(trial.path).parent
    assert parent is not None
    assert (parent.run_id, parent.name) == (state_of(sweep).run_id, "sweep")
    above = run_content(sweep)
    assert (above.is_sweep, above.run_id, [file.name for file in above.files]) == (True, parent.run_id, ["sweep.html"])
    moved = trial.path.rename(tmp_path / "moved")
    assert run_content(moved).parent is None


def test_a_run_is_written_at_each_signal_and_once_more_at_the_end(run: RunFolder) -> None:
    tracker = Recorder()
    assert mirror_run(run.path, tracker, live=["an epoch", "another"]) == 6
    assert [live for live, _ in tracker.got] == [True, True, False]
    assert tracker.is_closed


def test_a_tracker_that_is_away_meanwhile_or_busy_at_the_end_gets_everything(run: RunFolder) -> None:
    tracker = Recorder(fails=4)
    assert mirror_run(run.path, tracker, live=["an epoch", "another"]) == 6
    assert [live for live, _ in tracker.got] == [False]


def test_a_tracker_that_stays_away_is_an_error(run: RunFolder) -> None:
    with pytest.raises(TrackingError, match="away"):
        mirror_run(run.path, Recorder(fails=3))


def test_a_run_that_another_process_is_sending_is_left_to_it(run: RunFolder) -> None:
    tracker = Recorder()
    with (
        mirror_lock(run.path, wait_s=0),
        pytest.raises(TrackingError, match="Another process is sending"),
    ):
        mirror_run(run.path, tracker, lock_s=0)
    assert tracker.got == []


def test_a_run_that_is_not_tracked_is_refused(small_run: RunFolder) -> None:
    with pytest.raises(TrackingError, match="is not a tracked run"):
        run_content(small_run.path)


def test_neither_the_tracker_nor_a_search_is_a_setting_of_a_run(run: RunFolder) -> None:
    names = run_content(run.path).params
    assert names["optimizer.lr"] == 0.003
    assert not {name for name in names if name.startswith(("tracker", "search"))}

"""Run logger: each entry logged once, and no exceptions on disk or tracker failures."""

import logging
from pathlib import Path

import pytest

from petmood.core.errors import MissingDependency
from petmood.training.tracking import run_logger as teller_module
from petmood.training.tracking.events import (
    Artifact,
    Entry,
    Metrics,
    Params,
    RunStarted,
    Status,
    Tags,
    TrackerSpec,
    as_line,
)
from petmood.training.tracking.run_logger import RunLogger, run_logger
from petmood.training.tracking.spool import JOURNAL_NAME, read_journal
from petmood.training.tracking.sync import pending_entries
from petmood.training.tracking.uploader import Outcome
from petmood.training.tracking.uploader_process import Sender

AWAY = TrackerSpec(uri="http://127.0.0.1:9")


def told(folder: Path) -> list[Entry]:
    """Return what is in a run's journal."""
    return [placed.entry for placed in read_journal(folder / JOURNAL_NAME)]


def tell(teller: RunLogger, *, loss: float = 0.5) -> None:
    """Tell one of each."""
    teller.status("running")
    teller.params({"seed": 7, "rate": 0.1})
    teller.tags({"data": "abc"})
    teller.metrics({"loss": loss, "odd": float("nan")}, step=3)
    teller.metrics({"final": 1.0})


def test_what_was_told_before_is_not_told_again_by_a_later_process_either(tmp_path: Path) -> None:
    journal = tmp_path / JOURNAL_NAME
    journal.touch()
    first = RunLogger(journal, [])
    tell(first)
    tell(first)
    tell(RunLogger(journal, told(tmp_path)))
    assert [entry.kind for entry in told(tmp_path)] == ["status", "params", "tags", "metrics", "metrics"]


def test_what_changed_is_told_and_a_setting_stays_as_it_was_first(tmp_path: Path) -> None:
    teller = RunLogger(tmp_path / JOURNAL_NAME, [])
    tell(teller)
    teller.params({"seed": 8, "new": 1})
    teller.tags({"data": "def"})
    tell(teller, loss=0.4)
    teller.status("finished")
    *_, params, tags, back, metrics, status = told(tmp_path)
    assert isinstance(params, Params)
    assert params.values == {"new": 1}
    assert isinstance(tags, Tags)
    assert tags.values == {"data": "def"}
    assert isinstance(back, Tags)
    assert isinstance(metrics, Metrics)
    assert (metrics.values, metrics.step) == ({"loss": 0.4}, 3)
    assert isinstance(status, Status)


def test_a_file_is_told_of_each_time_for_its_content_may_have_changed(tmp_path: Path) -> None:
    teller = RunLogger(tmp_path / JOURNAL_NAME, [])
    teller.artifact("report.html")
    teller.artifact(Path("report.html"))
    assert [entry.path for entry in told(tmp_path) if isinstance(entry, Artifact)] == ["report.html"] * 2


@pytest.mark.spawns
def test_a_tracker_that_is_away_is_one_warning_with_the_command_to_type(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with run_logger(folder, tracker=AWAY) as teller:
        tell(teller)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"6 of the run's entries wait in {folder}/tracking.jsonl, for MLflow at http")
    assert record.getMessage().endswith(f"Send them with: petmood track sync {folder}")
    assert pending_entries(folder) == 6


@pytest.mark.spawns
def test_a_later_step_goes_on_with_the_journal_and_its_tracker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with run_logger(folder, tracker=TrackerSpec(deadline_s=600)) as teller:
        tell(teller)
    with run_logger(folder) as teller:
        teller.metrics({"test/accuracy": 0.7})
    begins = [entry for entry in told(folder) if isinstance(entry, RunStarted)]
    assert len(begins) == 1
    assert begins[0].home == str(folder.parent)
    assert pending_entries(folder) == 0
    assert (folder.parent / "mlflow.db").is_file()


def test_a_run_that_was_not_tracked_is_not_tracked_later(folder: Path) -> None:
    with run_logger(folder) as teller:
        assert not teller.enabled
        tell(teller)
        teller.artifact("report.html")
    assert [path.name for path in folder.iterdir()] == ["report.html"]


def test_a_tracker_that_is_not_installed_is_refused_before_anything_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingDependency, match="give tracker=none"), run_logger(folder, tracker=AWAY):
        pass
    assert not (folder / JOURNAL_NAME).exists()


def test_a_disk_that_refuses_the_journal_costs_one_warning_and_the_tracking_alone(
    folder: Path, caplog: pytest.LogCaptureFixture, begun: RunStarted
) -> None:
    (folder / JOURNAL_NAME).write_bytes(as_line(begun))
    teller = RunLogger(folder / JOURNAL_NAME, [begun])
    (folder / JOURNAL_NAME).rename(folder / "moved")
    (folder / JOURNAL_NAME).mkdir()
    tell(teller)
    (record,) = caplog.records
    assert "Is a directory. The run goes on, and is tracked no further." in record.getMessage()


@pytest.mark.parametrize("damage", [b"rubbish\n", as_line(Tags(values={}))], ids=["rubbish", "no beginning"])
def test_a_damaged_journal_costs_one_warning_and_the_tracking_alone(
    damage: bytes, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / JOURNAL_NAME).write_bytes(damage)
    with run_logger(folder, tracker=AWAY) as teller:
        tell(teller)
    (record,) = caplog.records
    assert "The run goes on, and is not tracked." in record.getMessage()
    assert (folder / JOURNAL_NAME).read_bytes() == damage


def test_a_folder_that_takes_no_journal_costs_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with run_logger(tmp_path / "nothing", tracker=AWAY) as teller:
        tell(teller)
    assert [record.getMessage().endswith("is not tracked.") for record in caplog.records] == [True]


def test_the_process_that_sends_is_ended_also_where_the_run_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch, begun: RunStarted
) -> None:
    (folder / JOURNAL_NAME).write_bytes(as_line(begun))
    ended: list[float] = []

    class Watched(Sender):
        def end(self, *, within_s: float) -> Outcome:
            ended.append(within_s)
            return super().end(within_s=within_s)

    monkeypatch.setattr(teller_module, "Sender", Watched)
    with pytest.raises(KeyboardInterrupt), run_logger(folder):
        raise KeyboardInterrupt
    assert ended == [30.0]

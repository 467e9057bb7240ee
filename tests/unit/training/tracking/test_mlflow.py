"""MLflow run with every entry stored once, however often it is sent."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from petmood.core.errors import TrackingError
from petmood.training.tracking.events import Entry, Metrics, Params, RunStarted, Status
from petmood.training.tracking.mlflow import RUN_ID_TAG, MlflowTracker

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """Return the address of an embedded store that isn't there yet."""
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def tracker(uri: str, folder: Path) -> MlflowTracker:
    """Return a tracker, not opened."""
    return MlflowTracker(uri, "pets", folder)


def state(uri: str, run_id: str = "") -> dict[str, object]:
    """Return everything that a store has of its one run."""
    client = MlflowClient(uri)
    experiments = client.search_experiments(filter_string="name = 'pets'")
    (run,) = client.search_runs([one.experiment_id for one in experiments])
    assert run_id in ("", run.info.run_id)
    history = {
        name: sorted((m.step, m.timestamp, repr(m.value)) for m in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
    }
    folders = ["", "reports", "bundle"]
    files = [file.path for at in folders for file in client.list_artifacts(run.info.run_id, at) if not file.is_dir]
    return {
        "history": history,
        "params": run.data.params,
        "tags": run.data.tags,
        "files": files,
        "status": (run.info.status, run.info.start_time, run.info.end_time, run.info.run_name),
    }


def test_everything_arrives_as_it_was_told(
    tracker: MlflowTracker, uri: str, begun: RunStarted, entries: list[Entry], tmp_path: Path
) -> None:
    assert tracker.open(begun)
    tracker.send(entries)
    tracker.close()
    found = state(uri)
    history = found["history"]
    assert isinstance(history, dict)
    assert history["loss"] == [(n, 2000 + n, repr([1.0, 0.5, float("nan"), 0.25, 0.2][n])) for n in range(5)]
    assert history["test/accuracy"] == [(0, 3000, "0.5")]
    assert found["params"] == {
        "seed": "7",
        "recipe.l2_strengths": "[0.1, 1.0]",
        "model.backbone": "tiny",
        "none": "null",
    }
    assert found["tags"] == {RUN_ID_TAG: begun.run_id, "mlflow.runName": "run", "data_hash": "abc"}
    assert found["files"] == ["reports/report.html", "bundle/manifest.json"]
    assert found["status"] == ("FINISHED", 1000, 3004, "run")
    assert len(list((tmp_path / "mlruns").rglob("report.html"))) == 1


def test_whatever_is_sent_twice_or_in_part_changes_nothing(
    tracker: MlflowTracker, uri: str, folder: Path, begun: RunStarted, entries: list[Entry]
) -> None:
    tracker.open(begun)
    tracker.send(entries)
    whole = state(uri)
    for some in (entries, entries[3:6], entries[:5], [entries[4], entries[4]]):
        again = MlflowTracker(uri, "pets", folder)
        assert not again.open(begun)
        again.send(some)
        again.send([Status(at_ms=3_004, status="finished")])
        assert state(uri) == whole


def test_more_than_one_call_takes_is_sent_in_several(tracker: MlflowTracker, uri: str, begun: RunStarted) -> None:
    tracker.open(begun)
    settings = Params(values={f"p{number:03d}": number for number in range(230)})
    rows = [Metrics(at_ms=1, values={"a": 1.0 * n, "b": -1.0 * n}, step=n) for n in range(1200)]
    tracker.send([settings, *rows])
    found = state(uri)
    assert isinstance(found["params"], dict)
    assert len(found["params"]) == 230
    assert isinstance(found["history"], dict)
    assert {name: len(told) for name, told in found["history"].items()} == {"a": 1200, "b": 1200}


def test_a_run_that_goes_on_is_running_again(tracker: MlflowTracker, uri: str, begun: RunStarted) -> None:
    tracker.open(begun)
    tracker.send([Status(status="killed")])
    assert MlflowClient(uri).search_runs(["1"])[0].info.status == "KILLED"
    tracker.send([Status(status="running")])
    assert MlflowClient(uri).search_runs(["1"])[0].info.status == "RUNNING"


def test_a_run_that_was_deleted_there_is_not_made_anew(tracker: MlflowTracker, uri: str, begun: RunStarted) -> None:
    tracker.open(begun)
    client = MlflowClient(uri)
    client.delete_run(client.search_runs(["1"])[0].info.run_id)
    with pytest.raises(TrackingError, match=r"The run run was deleted in MLflow at sqlite.*Restore it there"):
        tracker.open(begun)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://me:secret@127.0.0.1:9", "Connection refused"),
        ("http://me:secret@127.0.0.1:9999999", ""),
        ("sqlite:///{folder}/report.html/x.db", "File exists"),
    ],
)
def test_a_tracker_that_is_away_is_one_line_without_passwords(
    uri: str, said: str, folder: Path, begun: RunStarted
) -> None:
    uri = uri.format(folder=folder)
    with pytest.raises(TrackingError, match=rf"^MLflow at .* can't be reached, or refuses: .*{said}") as refused:
        MlflowTracker(uri, "pets", folder).open(begun)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_changed_setting_is_refused_in_one_line(tracker: MlflowTracker, begun: RunStarted) -> None:
    tracker.open(begun)
    tracker.send([Params(values={"seed": 1})])
    with pytest.raises(TrackingError, match="Changing param values is not allowed"):
        tracker.send([Params(values={"seed": 2})])

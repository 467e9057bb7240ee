"""MLflow run with everything stored once, however often it is written."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from petmood.core.errors import TrackingError
from petmood.training.tracking.base import DatasetInput, EpochMetrics, FinalMetric, ParentRun, RunContent
from petmood.training.tracking.mlflow import EXPERIMENT_TAGS, FILES_TAG, PARENT_TAG, RUN_ID_TAG, MlflowTracker
from tests.support.registries import empty_mlflow_store

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """Return the address of an embedded store without runs."""
    shutil.copyfile(empty_mlflow_store(), tmp_path / "store.db")
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def tracker(uri: str) -> MlflowTracker:
    """Return a tracker, not connected."""
    return MlflowTracker(uri, "pets")


def only_run(uri: str) -> Any:  # noqa: ANN401 - mlflow has no types
    """Return the one run of a store."""
    client = MlflowClient(uri)
    experiments = client.search_experiments(filter_string="name = 'pets'")
    (run,) = client.search_runs([one.experiment_id for one in experiments])
    return run


def history(uri: str) -> dict[str, list[tuple[int, int, str]]]:
    """Return step, time and value of every metric of the one run."""
    client, run = MlflowClient(uri), only_run(uri)
    return {
        name: sorted((m.step, m.timestamp, repr(m.value)) for m in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
    }


def state(uri: str) -> dict[str, object]:
    """Return everything that a store has of its one run."""
    client, run = MlflowClient(uri), only_run(uri)
    folders = ["", "reports", "bundle"]
    files = [file.path for at in folders for file in client.list_artifacts(run.info.run_id, at) if not file.is_dir]
    inputs = [(one.dataset.name, one.dataset.digest, one.dataset.source) for one in run.inputs.dataset_inputs]
    return {
        "history": history(uri),
        "params": run.data.params,
        "tags": {name: value for name, value in run.data.tags.items() if name != FILES_TAG},
        "files": files,
        "inputs": inputs,
        "status": (run.info.status, run.info.start_time, run.info.end_time, run.info.run_name),
    }


def test_everything_arrives_as_it_is(tracker: MlflowTracker, uri: str, content: RunContent, tmp_path: Path) -> None:
    assert tracker.write(content) == 4 + 1 + 5 + 1 + 1 + 2
    tracker.close()
    found = state(uri)
    losses = [1.0, 0.5, float("nan"), 0.25, 0.2]
    assert found["history"] == {
        "loss": [(n, 2000 + n, repr(losses[n])) for n in range(5)],
        "test/accuracy": [(0, 3000, "0.5")],
    }
    assert found["params"] == {
        "seed": "7",
        "recipe.l2_strengths": "[0.1, 1.0]",
        "model.backbone": "tiny",
        "none": "null",
    }
    assert found["tags"] == {RUN_ID_TAG: content.run_id, "mlflow.runName": "run", "data_hash": "abc"}
    assert found["files"] == ["reports/report.html", "bundle/manifest.json"]
    assert found["inputs"] == [("pets", "abc", '{"uri": "data/pets"}')]
    assert found["status"] == ("FINISHED", 1000, 3004, "run")
    assert len(list((tmp_path / "mlruns").rglob("report.html"))) == 1


def test_whatever_is_written_twice_or_in_part_changes_nothing(
    tracker: MlflowTracker, uri: str, content: RunContent
) -> None:
    tracker.write(content)
    whole = state(uri)
    assert tracker.write(content) == 0
    for some in (content, replace(content, epochs=content.epochs[1:3]), replace(content, files=(), finals={})):
        again = MlflowTracker(uri, "pets")
        assert again.write(some) == 0
        assert again.write(some, live=True) == 0
        assert state(uri) == whole


def test_curves_that_were_written_live_are_completed(tracker: MlflowTracker, uri: str, content: RunContent) -> None:
    running = replace(content, status="running", ended_ms=None, finals={}, epochs=content.epochs[:2])
    assert tracker.write(running, live=True) == 4 + 1 + 2
    assert (state(uri)["files"], state(uri)["inputs"]) == ([], [])
    assert tracker.write(replace(running, epochs=content.epochs[:4]), live=True) == 2
    assert MlflowTracker(uri, "pets").write(content) == 1 + 1 + 1 + 2
    assert [step for step, _, _ in history(uri)["loss"]] == [0, 1, 2, 3, 4]


def test_a_metric_that_another_client_wrote_at_a_step_is_not_written_again(
    tracker: MlflowTracker, uri: str, content: RunContent
) -> None:
    tracker.write(replace(content, epochs=()), live=True)
    at_another_time = [Metric("loss", 0.5, 77, 1)]
    MlflowClient(uri).log_batch(only_run(uri).info.run_id, metrics=at_another_time)
    tracker.write(content)
    assert [step for step, _, _ in history(uri)["loss"]] == [0, 1, 2, 3, 4]


def test_a_request_that_is_stored_after_its_client_gave_up_changes_nothing(
    tracker: MlflowTracker, uri: str, content: RunContent
) -> None:
    """A server that hung may store the batch when another client has sent it already; both have equal times."""
    tracker.write(content)
    whole = history(uri)
    late = [Metric("loss", 0.5, 2001, 1), Metric("test/accuracy", 0.5, 3000, 0)]
    MlflowClient(uri).log_batch(only_run(uri).info.run_id, metrics=late)
    assert history(uri) == whole


def test_an_empty_run_that_such_a_request_created_is_deleted(
    tracker: MlflowTracker, uri: str, content: RunContent
) -> None:
    tracker.write(content)
    run = only_run(uri)
    late = MlflowClient(uri).create_run(run.info.experiment_id, tags={RUN_ID_TAG: content.run_id})
    assert MlflowTracker(uri, "pets").write(content) == 0
    assert only_run(uri).info.run_id == run.info.run_id != late.info.run_id


def test_final_metrics_that_changed_are_shown_as_they_are_now(
    tracker: MlflowTracker, uri: str, content: RunContent
) -> None:
    for at_ms, value in [(3_000, 0.5), (4_000, 0.75), (5_000, 0.5), (6_000, float("inf")), (7_000, float("nan"))]:
        changed = replace(content, finals={"test/accuracy": FinalMetric(value, at_ms)})
        assert tracker.write(changed) > 0
        assert tracker.write(changed) == 0
    assert repr(only_run(uri).data.metrics["test/accuracy"]) == "nan"


def test_a_file_is_sent_again_where_its_content_changed_or_the_tracker_lost_it(
    tracker: MlflowTracker, content: RunContent, folder: Path, tmp_path: Path
) -> None:
    tracker.write(content)
    (folder / "report.html").write_text("A REPORT")  # of the same size
    assert tracker.write(content) == 1
    (stored,) = (tmp_path / "mlruns").rglob("report.html")
    assert stored.read_text() == "A REPORT"
    stored.unlink()
    assert tracker.write(content) == 1
    assert stored.read_text() == "A REPORT"


def test_more_than_one_call_takes_is_sent_in_several(tracker: MlflowTracker, uri: str, content: RunContent) -> None:
    params = {f"p{number:03d}": number for number in range(230)}
    epochs = tuple(EpochMetrics(n, 1, {"a": 1.0 * n, "b": -1.0 * n}) for n in range(1200))
    tracker.write(replace(content, params=params, epochs=epochs))
    assert len(only_run(uri).data.params) == 230
    found = history(uri)
    assert {name: len(found[name]) for name in ("a", "b")} == {"a": 1200, "b": 1200}


def test_a_run_that_goes_on_is_running_again(tracker: MlflowTracker, uri: str, content: RunContent) -> None:
    tracker.write(replace(content, status="killed"))
    assert only_run(uri).info.status == "KILLED"
    tracker.write(replace(content, status="running", ended_ms=None), live=True)
    assert only_run(uri).info.status == "RUNNING"


def test_trials_are_nested_below_one_run_of_their_sweep(uri: str, content: RunContent, tmp_path: Path) -> None:
    parent = ParentRun(tmp_path, "f" * 32, "first", 500)
    for number in range(3):
        MlflowTracker(uri, "pets").write(replace(content, run_id=f"{number:032x}", parent=parent))
    sweep = RunContent(parent.run_id, "first", 500, status="finished", ended_ms=9_000, is_sweep=True)
    MlflowTracker(uri, "pets").write(sweep)
    runs = MlflowClient(uri).search_runs(["1"])
    (above,) = [run for run in runs if run.info.run_name == "first"]
    assert (above.info.status, above.info.start_time, above.info.end_time) == ("FINISHED", 500, 9_000)
    assert [run.data.tags.get(PARENT_TAG) for run in runs if run is not above] == [above.info.run_id] * 3


@pytest.mark.parametrize("exists", [False, True])
def test_an_experiment_opens_as_a_table_of_runs(exists: bool, uri: str, content: RunContent) -> None:
    client = MlflowClient(uri)
    if exists:
        client.create_experiment("pets", tags={"mlflow.experimentKind": "regression"})
    MlflowTracker(uri, "pets").write(content)
    found = client.get_experiment_by_name("pets")
    assert found
    assert found.tags == EXPERIMENT_TAGS | ({"mlflow.experimentKind": "regression"} if exists else {})


def test_another_version_of_the_data_is_another_input(tracker: MlflowTracker, uri: str, content: RunContent) -> None:
    for digest in ("a" * 64, "b" * 64, "a" * 64):
        tracker.write(replace(content, dataset=DatasetInput("pets", digest, "data/pets", {})))
    digests = {one.dataset.digest for one in only_run(uri).inputs.dataset_inputs}
    assert digests == {"a" * 32, "b" * 32}


def test_a_setting_stays_as_it_was_first_and_a_tag_follows(
    tracker: MlflowTracker, uri: str, content: RunContent
) -> None:
    tracker.write(content)
    assert tracker.write(replace(content, params={"seed": 8, "new": 1}, tags={"data_hash": "def"})) == 2
    data = only_run(uri).data
    assert (data.params["seed"], data.params["new"], data.tags["data_hash"]) == ("7", "1", "def")


def test_a_run_that_was_deleted_there_is_not_made_anew(tracker: MlflowTracker, uri: str, content: RunContent) -> None:
    tracker.write(content)
    MlflowClient(uri).delete_run(only_run(uri).info.run_id)
    with pytest.raises(TrackingError, match=r"The run run was deleted in MLflow at sqlite.*Restore it there"):
        MlflowTracker(uri, "pets").write(content)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://me:secret@127.0.0.1:9", "Connection refused"),
        ("http://me:secret@127.0.0.1:9999999", ""),
        ("sqlite:///{folder}/report.html/x.db", "File exists"),
    ],
)
def test_a_tracker_that_is_away_is_one_line_without_passwords(
    uri: str, said: str, folder: Path, content: RunContent
) -> None:
    uri = uri.format(folder=folder)
    with pytest.raises(
        TrackingError, match=rf"^MLflow at .* can't be reached, or rejected the request: .*{said}"
    ) as refused:
        MlflowTracker(uri, "pets").write(content)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)

"""Contents of a run in MLflow, read with its own client and compared with the run folder."""

import csv
import json
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from petmood.pipelines.mirror import run_content, settings_of
from petmood.pipelines.run_folder import RunFolder
from petmood.training.tracking.state import state_of


def runs_at(uri: str) -> list[Run]:
    """Return every run that an MLflow has."""
    client = MlflowClient(uri)
    return list(client.search_runs([one.experiment_id for one in client.search_experiments()]))


def tracked_run(run: RunFolder, uri: str) -> Run:
    """Return the one run of this folder; two would be a duplicate."""
    wanted = state_of(run.path).run_id
    (found,) = [one for one in runs_at(uri) if one.data.tags["petmood.run_id"] == wanted]
    return found


def histories(found: Run, uri: str) -> dict[str, list[tuple[int, float]]]:
    """Return every number of a run in the order of steps, with its step."""
    client = MlflowClient(uri)
    rows = {name: client.get_metric_history(found.info.run_id, name) for name in found.data.metrics}
    return {name: sorted((metric.step, metric.value) for metric in history) for name, history in rows.items()}


def curves_of(run: RunFolder) -> dict[str, list[tuple[int, float]]]:
    """Return the columns of metrics.csv as ``histories`` would."""
    with run.metrics_csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name != "epoch"]
    return {name: [(int(row["epoch"]), float(row[name])) for row in rows if row[name]] for name in names}


def check_mirror(run: RunFolder, uri: str, *, figures: bool = True) -> dict[str, list[tuple[int, float]]]:
    """Check that each epoch came once with the numbers of metrics.csv, and settings and origin are the run's."""
    found = tracked_run(run, uri)
    numbers = histories(found, uri)
    curves = curves_of(run)
    assert {name: numbers[name] for name in curves} == curves
    assert {name: len(rows) for name, rows in numbers.items() if name not in curves} == dict.fromkeys(
        run_content(run.path).finals, 1
    )
    assert found.data.params == {name: written(value) for name, value in settings_of(run.read_config()).items()}
    assert found.data.tags["data_hash"] == run.read_metadata().data_hash
    assert found.data.tags["code_version"] == run.read_metadata().code_version
    assert found.data.tags["package.torch"] == run.read_metadata().packages["torch"]
    assert found.info.status == "FINISHED"
    client = MlflowClient(uri)
    kept = {file.path for file in client.list_artifacts(found.info.run_id)}
    assert kept >= {"config.yaml", "run.json", "metrics.csv"}
    drawn = [file.path for file in client.list_artifacts(found.info.run_id, "figures")]
    assert drawn == (["figures/curves.png"] if figures else [])
    assert found.inputs
    (dataset,) = (one.dataset for one in found.inputs.dataset_inputs)
    assert run.read_metadata().data_hash.startswith(dataset.digest)
    return numbers


def written(value: Any) -> str:  # noqa: ANN401 - whatever a setting holds
    """Return a setting as MLflow shows it."""
    return value if isinstance(value, str) else json.dumps(value)

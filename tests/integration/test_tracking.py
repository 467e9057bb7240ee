"""Tracking of a real training with MLflow and W&B, without importing either in the training's own process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from petmood.configs.load import compose
from petmood.pipelines.evaluate import evaluate_run
from petmood.pipelines.export import export_run
from petmood.pipelines.train import train
from petmood.tuning.sweep import sweep
from tests.support.mirrors import check_mirror, curves_of, tracked_run
from tests.support.small_sets import SMALL, write_small_set
from tests.support.wandb_files import records_of, settings_in, steps_in, summary_in

pytestmark = [
    pytest.mark.proof,
    pytest.mark.spawns,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in an empty folder, without addresses and keys of whoever runs the tests."""
    for name in ("MLFLOW_TRACKING_URI", "WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB__SERVICE_WAIT", "600")  # W&B's process may start slowly
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def wanted(tmp_path: Path) -> tuple[str, ...]:
    """Return the settings of a short training that waits for its tracker as long as that takes."""
    places = (f"data={write_small_set(tmp_path / 'data')}", "run.folder=runs", "name=x")
    return (*SMALL, *places, "epochs=6", "tracker.deadline_s=1200")


def test_without_a_word_a_run_is_in_an_embedded_store_beside_it_complete_with_its_bundle(
    wanted: tuple[str, ...], tmp_path: Path
) -> None:
    run = train(compose([*wanted, "tracker=mlflow"]))
    found = evaluate_run(run).to_json()["splits"]
    bundle = export_run(run, to=tmp_path / "bundle")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    numbers = check_mirror(run, uri)
    assert isinstance(found, dict)
    assert numbers["test/accuracy"] == [(0, found["test"]["accuracy"]["value"])]
    there = tracked_run(run, uri)
    assert there.info.artifact_uri.startswith((tmp_path / "mlruns").as_uri())
    place = Path(there.info.artifact_uri.removeprefix("file://"))
    for path in bundle.folder.iterdir():
        assert (place / "bundle" / path.name).read_bytes() == path.read_bytes()
    assert (place / "report.html").read_bytes() == run.report.read_bytes()
    assert there.data.tags["bundle_sha256"] == bundle.sha256
    experiment = MlflowClient(uri).get_experiment(there.info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_wandb_without_a_key_writes_a_file_that_reads_back_as_the_run_s_folder(
    wanted: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = train(compose([*wanted, "tracker=wandb"]))
    found = evaluate_run(run).to_json()["splits"]
    export_run(run, to=tmp_path / "bundle")
    (path,) = run.path.glob("wandb/offline-run-*/run-*.wandb")
    records = records_of(path)
    curves = curves_of(run)
    rows = steps_in(records)
    assert {name: [(row["epoch"], row[name]) for row in rows] for name in curves} == curves
    logged = settings_in(records)
    settings = run.read_config()
    assert (logged["seed"], logged["optimizer.lr"]) == (settings.seed, settings.optimizer.lr)
    assert logged["recipe.l2_strengths"] == list(settings.recipe.l2_strengths)
    assert logged["data_hash"] == run.read_metadata().data_hash
    assert isinstance(found, dict)
    assert summary_in(records)["test/macro_f1_low"] == found["test"]["macro_f1"]["low"]
    (artifact,) = [record.artifact for record in records if record.HasField("artifact")]
    kept = {entry.path for entry in artifact.manifest.contents}
    assert kept >= {"manifest.json", "model.onnx"}
    notes = [record.getMessage() for record in caplog.records if "wandb sync" in record.getMessage()]
    assert len(notes) == 3
    assert str(path.parent) in notes[-1]


LOADED = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize(
    "names",
    [
        ("petmood.serving.app", "petmood.inference.load", "petmood.client.client", "petmood.serving.metrics"),
        ("petmood.pipelines.train", "petmood.pipelines.evaluate", "petmood.pipelines.export", "petmood.cli.track"),
    ],
    ids=["serving", "training"],
)
def test_neither_half_loads_a_tracker(names: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED, *names], capture_output=True, text=True, check=True)
    assert not {"mlflow", "wandb", "sqlalchemy", "alembic"} & set(json.loads(done.stdout))


def test_a_sweep_is_one_run_with_its_trials_below_it(wanted: tuple[str, ...], tmp_path: Path) -> None:
    words = [word for word in wanted if not word.startswith("name=")]
    found = sweep([*words, "tracker=mlflow", "search=first", "search.n_trials=2", "search.folder=sweeps", "epochs=2"])
    runs = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["1"])
    (above,) = [run for run in runs if run.info.run_name == found.folder.name]
    trials = {run.info.run_name: run.data.tags["mlflow.parentRunId"] for run in runs if run is not above}
    assert trials == {"000": above.info.run_id, "001": above.info.run_id}
    assert above.info.status == "FINISHED"
    files = {file.path for file in MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").list_artifacts(above.info.run_id)}
    assert files == {"sweep.html", "best.yaml", "trials.csv"}


def test_a_run_is_tracked_without_changing_this_process(wanted: tuple[str, ...]) -> None:
    before = dict(os.environ)
    train(compose([*wanted, "tracker=mlflow"]))
    assert dict(os.environ) == before

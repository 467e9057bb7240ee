"""Tracking of a real training with MLflow and W&B, through kills and full disks, without importing either."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from petmood.configs.load import compose
from petmood.pipelines.evaluate import evaluate_run
from petmood.pipelines.export import export_run
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import train
from petmood.training.tracking.spool import JOURNAL_NAME, read_journal
from petmood.training.tracking.sync import pending_entries
from petmood.training.tracking.uploader_process import send_now
from tests.support.halts import Halts
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
    told = settings_in(records)
    settings = run.read_config()
    assert (told["seed"], told["optimizer.lr"]) == (settings.seed, settings.optimizer.lr)
    assert told["recipe.l2_strengths"] == list(settings.recipe.l2_strengths)
    assert told["data_hash"] == run.read_metadata().data_hash
    assert isinstance(found, dict)
    assert summary_in(records)["test/macro_f1_low"] == found["test"]["macro_f1"]["low"]
    (artifact,) = [record.artifact for record in records if record.HasField("artifact")]
    kept = {entry.path for entry in artifact.manifest.contents}
    assert kept >= {"manifest.json", "model.onnx"}
    notes = [record.getMessage() for record in caplog.records if "wandb sync" in record.getMessage()]
    assert len(notes) == 3
    assert str(path.parent) in notes[-1]
    assert pending_entries(run.path) == 0


def grown(path: Path, size: int) -> None:
    """Let a journal be so large that a limit between it and every other file hits it alone."""
    with path.open("ab") as file:
        line = b'{"at_ms": 1, "kind": "tags", "values": {"fill": "' + b"x" * 4000 + b'"}}\n'
        file.write(line * (size // len(line) + 1))


def test_a_disk_that_is_full_for_the_journal_lets_training_end_and_tells_the_rest_later(
    wanted: tuple[str, ...], tmp_path: Path
) -> None:
    """A limit on the size of files stands for the full disk; the kernel refuses the journal's next entry."""
    command = [sys.executable, "-m", "petmood", "train"]
    away = ("tracker=mlflow", f"tracker.uri=sqlite:///{tmp_path}/m.db", "epochs=40")
    halts = Halts(tmp_path / "halts")
    halts.add("x", epoch=2)
    with subprocess.Popen(halts.command("train", *wanted, *away)) as training:
        halts.wait("x", epoch=2)
        training.send_signal(signal.SIGKILL)
    assert training.returncode == -signal.SIGKILL
    run = RunFolder(Path("runs/x"))
    while (outcome := send_now(run.path)).problem:
        assert "another process" in outcome.problem
    size = 30_000_000
    grown(run.path / JOURNAL_NAME, size)

    def fill_the_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = subprocess.run(
        [*command, "--resume", "runs/x"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=fill_the_disk,
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "WARNING" in line]
    assert len([line for line in said if "File too large. The run goes on, and is tracked no further." in line]) == 1
    assert "Traceback" not in done.stderr
    assert run.read_metadata().epochs == 40
    evaluate_run(run)
    steps = [getattr(placed.entry, "step", None) for placed in read_journal(run.path / JOURNAL_NAME)]
    assert [step for step in steps if step is not None] == list(range(40))
    uri = f"sqlite:///{tmp_path}/m.db"
    there = tracked_run(run, uri)
    assert there.info.status == "FINISHED"
    assert there.data.metrics["val/loss"] == curves_of(run)["val/loss"][-1][1]


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


def test_a_run_tells_its_tracker_without_changing_this_process(wanted: tuple[str, ...]) -> None:
    before = dict(os.environ)
    train(compose([*wanted, "tracker=mlflow"]))
    assert dict(os.environ) == before

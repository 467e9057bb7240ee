"""Fixtures for tests of tracking: the first entry of a run, and some that follow."""

from pathlib import Path

import pytest

from petmood.training.tracking.events import Artifact, Entry, Metrics, Params, RunStarted, Status, Tags, TrackerSpec

RUN_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a run, with one file in it and a bundle beside it."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "report.html").write_text("a report")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/manifest.json").write_text("{}")
    return run


@pytest.fixture
def begun(tmp_path: Path) -> RunStarted:
    """Return the first entry of a run that tells MLflow in a file below ``tmp_path``."""
    return RunStarted(at_ms=1_000, run_id=RUN_ID, name="run", home=str(tmp_path), tracker=TrackerSpec())


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    """Return entries of every kind; one number is no number."""
    curves: list[Entry] = [
        Metrics(at_ms=2_000 + epoch, values={"loss": float("nan") if epoch == 2 else 1 / (epoch + 1)}, step=epoch)
        for epoch in range(5)
    ]
    return [
        Status(at_ms=1_001, status="running"),
        Params(
            at_ms=1_002, values={"seed": 7, "recipe.l2_strengths": [0.1, 1.0], "model.backbone": "tiny", "none": None}
        ),
        Tags(at_ms=1_003, values={"data_hash": "abc"}),
        *curves,
        Metrics(at_ms=3_000, values={"test/accuracy": 0.5}),
        Artifact(at_ms=3_001, path="report.html", to="reports"),
        Artifact(at_ms=3_002, path=str(tmp_path / "bundle"), to="bundle"),
        Artifact(at_ms=3_003, path="gone.html"),
        Status(at_ms=3_004, status="finished"),
    ]

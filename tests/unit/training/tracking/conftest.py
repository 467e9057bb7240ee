"""Fixtures for tests of tracking: a run folder, and the content of its run."""

from pathlib import Path

import pytest

from petmood.training.tracking.base import DatasetInput, EpochMetrics, FinalMetric, RunContent, RunFile
from petmood.training.tracking.state import TrackerSettings, TrackingState

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
def state(tmp_path: Path) -> TrackingState:
    """Return the state of a run that is tracked by MLflow in a file below ``tmp_path``."""
    return TrackingState(run_id=RUN_ID, name="run", home=str(tmp_path), tracker=TrackerSettings(), started_ms=1_000)


@pytest.fixture
def content(folder: Path, tmp_path: Path) -> RunContent:
    """Return the content of a finished run; one metric is not a number."""
    losses = [1.0, 0.5, float("nan"), 0.25, 0.2]
    return RunContent(
        RUN_ID,
        "run",
        1_000,
        status="finished",
        ended_ms=3_004,
        params={"seed": 7, "recipe.l2_strengths": [0.1, 1.0], "model.backbone": "tiny", "none": None},
        tags={"data_hash": "abc"},
        epochs=tuple(EpochMetrics(epoch, 2_000 + epoch, {"loss": loss}) for epoch, loss in enumerate(losses)),
        finals={"test/accuracy": FinalMetric(0.5, 3_000)},
        files=(RunFile(folder / "report.html", "reports/report.html"),),
        bundle=tmp_path / "bundle",
        dataset=DatasetInput("pets", "abc", "data/pets", {"train": 3}),
    )

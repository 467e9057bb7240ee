"""Profiler output: a trace and a table from profiling, and neither from training."""

import json
from collections.abc import Callable
from pathlib import Path

from petmood.configs.schema import Config
from petmood.pipelines.profile import STEPS, profile_training
from petmood.pipelines.run_folder import RunFolder


def test_a_profile_is_a_trace_that_can_be_opened_and_a_table(settings: Callable[..., Config], tmp_path: Path) -> None:
    """The small set has one batch an epoch, so the steps go over several epochs."""
    found = profile_training(settings("augment=light"), to=tmp_path / "profile", top=5)
    events = json.loads(found.trace.read_text())["traceEvents"]
    named = [event for event in events if event.get("name") == "petmood: backward" and event.get("ph") == "X"]
    assert len(named) >= STEPS
    assert found.table.read_text() == found.text
    rows = [line for line in found.text.splitlines() if line and not line.startswith(("-", "Self"))]
    assert "Self CPU" in rows[0]
    assert len(rows) == 6
    assert {path.name for path in found.trace.parent.iterdir()} == {"trace.json", "table.txt"}


def test_nothing_is_profiled_unless_asked_for(small_run: RunFolder) -> None:
    assert list(small_run.path.rglob("*trace*")) == []

"""The example for Evidently, in an environment of its own as it says, on a log whose newest photos are darker."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from petmood.monitoring.prediction_log.reader import export_parquet
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import row, sqlite

pytestmark = pytest.mark.proof

ROWS, NEWEST = 400, 100


def test_the_report_compares_the_newest_predictions_with_those_before(root: Path, tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    store = LogStore(engine)
    store.prepare()
    rng = np.random.default_rng(0)
    brightness = rng.normal(np.where(np.arange(ROWS) < ROWS - NEWEST, 0.6, 0.2), 0.05)
    store.insert([row(number, statistics=(float(value), 0.2, 0.3, 0.4)) for number, value in enumerate(brightness)])
    export_parquet(engine, tmp_path / "predictions.parquet")
    engine.dispose()
    text = (root / "examples/evidently_report.py").read_text("utf-8")
    (asked,) = re.findall(r"uv pip install --python evidently (.*)", text)
    uv, place = (sys.executable, "-m", "uv"), tmp_path / "evidently"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    packages = [word.strip("'") for word in asked.split()]
    report = (place / "bin/python", root / "examples/evidently_report.py", "predictions.parquet", "drift.html")
    for command in (
        (*uv, "venv", "--quiet", "--python", sys.executable, place),
        (*uv, "pip", "install", "--quiet", "--python", place / "bin/python", *packages),
        (*report, "--newest", NEWEST),
    ):
        words = [str(word) for word in command]
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    page = (tmp_path / "drift.html").read_text("utf-8")
    assert "brightness" in page
    assert not re.search(r'<script[^>]* src="http|<link[^>]* href="http', page)

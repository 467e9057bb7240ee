"""Fixtures of the pipelines' tests."""

import shutil

import pytest

from petmood.pipelines.evaluate import evaluate_run
from petmood.pipelines.optimize import optimize_run
from petmood.pipelines.run_folder import RunFolder


@pytest.fixture(scope="module")
def evaluated(small_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a copy of the shared run with its numbers."""
    copy = RunFolder(tmp_path_factory.mktemp("evaluated") / "run")
    shutil.copytree(small_run.path, copy.path)
    evaluate_run(copy)
    return copy


@pytest.fixture(scope="session")
def optimized_run(small_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a copy of the shared run with a quantized variant, for reading only."""
    copy = RunFolder(tmp_path_factory.mktemp("optimized") / "run")
    shutil.copytree(small_run.path, copy.path)
    optimize_run(copy, calibration_photos=24, rounds=4)
    return copy

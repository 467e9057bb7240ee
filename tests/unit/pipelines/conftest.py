"""Fixtures of the pipelines' tests."""

import shutil

import pytest

from petmood.pipelines.evaluate import evaluate_run
from petmood.pipelines.run_folder import RunFolder


@pytest.fixture(scope="module")
def evaluated(small_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return a copy of the shared run with its numbers."""
    copy = RunFolder(tmp_path_factory.mktemp("evaluated") / "run")
    shutil.copytree(small_run.path, copy.path)
    evaluate_run(copy)
    return copy

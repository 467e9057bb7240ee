"""Is MLflow's store found where its own clients look, and its files beside it?"""

import os
from pathlib import Path

import pytest

from petmood.core.mlflow_store import artifacts_beside, be_brief_and_private, mlflow_uri


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert mlflow_uri() == "sqlite:///mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert mlflow_uri() == "http://127.0.0.1:5000"


def test_files_lie_beside_the_database_and_a_server_decides_for_itself(tmp_path: Path) -> None:
    assert artifacts_beside(f"sqlite:///{tmp_path}/mlflow.db") == (tmp_path / "mlruns").as_uri()
    assert artifacts_beside("http://127.0.0.1:5000") is None


def test_what_is_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "99")
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    be_brief_and_private()
    assert (os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"], os.environ["MLFLOW_DISABLE_TELEMETRY"]) == ("99", "true")

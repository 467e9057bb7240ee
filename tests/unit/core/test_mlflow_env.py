"""Tests of MLflow's URI, artifact location and environment variables."""

import os
from pathlib import Path

import pytest

from petmood.core.mlflow_env import configure_mlflow_env, default_artifact_location, mlflow_uri, uri_problem


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert mlflow_uri() == "sqlite:///mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert mlflow_uri() == "http://127.0.0.1:5000"


def test_files_lie_beside_the_database_and_a_server_decides_for_itself(tmp_path: Path) -> None:
    assert default_artifact_location(f"sqlite:///{tmp_path}/mlflow.db") == (tmp_path / "mlruns").as_uri()
    assert default_artifact_location("http://127.0.0.1:5000") is None


def test_what_is_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "99")
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    configure_mlflow_env()
    assert (os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"], os.environ["MLFLOW_DISABLE_TELEMETRY"]) == ("99", "true")


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+pysqlite:///?x=1", "sqlite:"])
def test_a_database_in_memory_keeps_nothing_and_is_refused(uri: str) -> None:
    expected = (
        f"Expected a database that keeps its content, such as sqlite:///mlflow.db, got '{uri}', which is in memory."
    )
    assert uri_problem(uri) == uri_problem(uri, stored=False) == expected


@pytest.mark.parametrize(
    "uri", ["sqlite:///a.db", "sqlite:////x/memory.db", "http://host:5000", "postgresql://host/pets"]
)
def test_other_addresses_are_no_problem(uri: str) -> None:
    assert uri_problem(uri) is None


def test_a_password_is_a_problem_only_where_it_would_be_stored_and_is_not_repeated() -> None:
    assert uri_problem("http://me:secret@host") == (
        "Expected a tracker URI without user name and password, as it is stored. "
        "Set them in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or the complete URI in MLFLOW_TRACKING_URI."
    )
    assert uri_problem("http://me:secret@host", stored=False) is None

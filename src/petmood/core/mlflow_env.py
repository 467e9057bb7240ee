"""Where does MLflow keep things, and how is it asked? The facts that tracking and the registry share."""

import os
from pathlib import Path
from typing import Final

__all__ = ["LOCAL_URI", "configure_mlflow_env", "default_artifact_location", "mlflow_uri"]

LOCAL_URI: Final = "sqlite:///mlflow.db"
"""What is used when nothing else is said: a file in the working folder, no server, no account."""

ENVIRONMENT: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
}


def mlflow_uri() -> str:
    """Return ``$MLFLOW_TRACKING_URI``, as for every MLflow client, else the local file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_URI


def default_artifact_location(uri: str) -> str | None:
    """Return where a new experiment keeps its files: ``mlruns`` beside an SQLite file; a server decides for itself."""
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).absolute().parent / "mlruns").as_uri()


def configure_mlflow_env() -> None:
    """Let MLflow send nothing home, chat not, and notice soon that a server is away; what is set stays."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)

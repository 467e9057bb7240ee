"""MLflow URIs and environment variables shared by tracking and the registry."""

import os
from pathlib import Path
from typing import Final

from petmood.core.loopback import bypass_proxies

__all__ = ["LOCAL_URI", "configure_mlflow_env", "default_artifact_location", "mlflow_uri"]

LOCAL_URI: Final = "sqlite:///mlflow.db"
"""Default tracking URI: an SQLite file in the working folder, without a server or an account."""

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
    """Return ``$MLFLOW_TRACKING_URI``, as for every MLflow client, or the local file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_URI


def default_artifact_location(uri: str) -> str | None:
    """Return the artifact location of a new experiment: ``mlruns`` beside an SQLite file; None for a server."""
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).absolute().parent / "mlruns").as_uri()


def configure_mlflow_env() -> None:
    """Disable MLflow telemetry and progress output and shorten its HTTP timeouts.

    Environment variables that are already set take precedence. A tracker on this machine is reached without a proxy.
    """
    bypass_proxies()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)

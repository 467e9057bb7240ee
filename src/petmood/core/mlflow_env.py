"""MLflow URIs and environment variables shared by tracking and the registry."""

import os
import re
from pathlib import Path
from typing import Final

from petmood.core.loopback import bypass_proxies
from petmood.core.redact import without_credentials

__all__ = ["LOCAL_URI", "configure_mlflow_env", "default_artifact_location", "mlflow_uri", "uri_problem"]

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
    "PGCONNECT_TIMEOUT": "5",
}

IN_MEMORY: Final = re.compile(r"sqlite(\+\w+)?:(/{0,3}|/{2,3}(:memory:|file::memory:.*|.*[?&]mode=memory.*))(\?.*)?")
CREDENTIALS_ELSEWHERE: Final = (
    "Set them in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or the complete URI in MLFLOW_TRACKING_URI."
)


def uri_problem(uri: str, *, stored: bool = True) -> str | None:
    """Return why an MLflow URI can't be used, without repeating a password; None if it can.

    ``stored`` is whether it is kept in settings, where a user name or password doesn't belong.
    """
    if IN_MEMORY.fullmatch(uri):
        return f"Expected a database that keeps its content, such as {LOCAL_URI}, got {uri!r}, which is in memory."
    if stored and without_credentials(uri) != uri:
        return f"Expected a tracker URI without user name and password, as it is stored. {CREDENTIALS_ELSEWHERE}"
    return None


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

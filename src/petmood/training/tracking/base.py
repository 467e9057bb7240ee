"""Interface of an experiment tracker: open a run, and accept entries idempotently."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError, MissingDependency
from petmood.core.mlflow_env import mlflow_uri
from petmood.core.redact import without_credentials
from petmood.training.tracking.events import Entry, RunStarted

__all__ = [
    "Tracker",
    "address_of",
    "open_tracker",
    "refuse_credentials",
    "refuse_missing",
    "uri_of",
]


class Tracker(Protocol):
    """Experiment tracker that mirrors runs.

    Sending an entry twice has no effect, so that a sender may be killed at any time.
    ``confirms``: entries are stored when ``send`` returns; otherwise only when ``close`` has returned.
    ``note``: a message for the user at the end, or empty.
    """

    confirms: bool
    note: str

    def open(self, begin: RunStarted) -> bool:
        """Find or create the run; return True if it is new, so that all entries must be sent.

        Raises:
            TrackingError: the tracker is unreachable or rejects the run.
        """
        ...

    def send(self, entries: Sequence[Entry]) -> None:
        """Store entries; entries that are already stored have no effect.

        Raises:
            TrackingError: the tracker is unreachable or rejects them.
        """
        ...

    def close(self) -> None:
        """Finish pending writes.

        Raises:
            TrackingError: some entries were not stored.
        """
        ...


def open_tracker(begin: RunStarted, folder: Path, *, uri: str | None = None) -> Tracker:
    """Return the tracker of a run, not yet connected; its package is imported only here.

    Raises:
        MissingDependency: the tracker's package is not installed.
    """
    if begin.tracker.kind == "wandb":
        from petmood.training.tracking.wandb import WandbTracker  # noqa: PLC0415 - import takes 0.5 s, and is an extra

        return WandbTracker(begin.tracker, folder)
    from petmood.training.tracking.mlflow import MlflowTracker  # noqa: PLC0415 - import takes 1 s, and is an extra

    return MlflowTracker(uri_of(begin, uri=uri), begin.tracker.experiment, folder)


def uri_of(begin: RunStarted, *, uri: str | None = None) -> str:
    """Return the MLflow URI: the argument, the setting, ``MLFLOW_TRACKING_URI``, or a file where training started."""
    found = uri or begin.tracker.uri or mlflow_uri()
    if found.startswith("sqlite:///") and not found.startswith("sqlite:////"):
        return f"sqlite:///{Path(begin.home) / found.removeprefix('sqlite:///')}"
    return found


def address_of(begin: RunStarted, *, uri: str | None = None) -> str:
    """Return the key under which the sync position of a tracker is stored; it contains no password."""
    if begin.tracker.kind == "wandb":
        return f"wandb:{begin.tracker.project}"
    return without_credentials(uri_of(begin, uri=uri))


def refuse_credentials(uri: str | None) -> None:
    """Reject a URI with a user name or password, which would be stored in settings and shown in lists.

    Raises:
        ConfigError: the URI contains one; the message doesn't repeat it.
    """
    if uri is not None and without_credentials(uri) != uri:
        raise ConfigError(
            "A tracker's address can't hold a name or password, for it is written down. Give them as "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or the whole address as MLFLOW_TRACKING_URI."
        )


def refuse_missing(package: str) -> None:
    """Reject a tracker that isn't installed, without importing it.

    Raises:
        MissingDependency: the message contains the command that installs it.
    """
    if importlib.util.find_spec(package) is None:
        command = shell_command("install", f"petmood[{package}]", program="pip")
        raise MissingDependency(f"'{package}' is not installed. Install it with: {command}, or give tracker=none.")

"""What does petmood ask of an experiment tracker? To open a run, and to take entries, twice if need be."""

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
    """A mirror of runs. Whatever is sent again changes nothing, so that a sender may be killed at any moment.

    ``confirms``: what was sent is safe as soon as ``send`` returns; else only when ``close`` has returned.
    ``note``: what a person should know at the end, or nothing.
    """

    confirms: bool
    note: str

    def open(self, begin: RunStarted) -> bool:
        """Find or make the run; return True where it is new, so that all has to be sent.

        Raises:
            TrackingError: the tracker is away, or refuses.
        """
        ...

    def send(self, entries: Sequence[Entry]) -> None:
        """Take entries; those known already change nothing.

        Raises:
            TrackingError: the tracker is away, or refuses.
        """
        ...

    def close(self) -> None:
        """Finish what ``send`` left open.

        Raises:
            TrackingError: not all of it arrived.
        """
        ...


def open_tracker(begin: RunStarted, folder: Path, *, uri: str | None = None) -> Tracker:
    """Return the tracker of a run, not yet connected; here alone its package is imported.

    Raises:
        MissingDependency: the tracker's package is not installed.
    """
    if begin.tracker.kind == "wandb":
        from petmood.training.tracking.wandb import WandbTracker  # noqa: PLC0415 - half a second, and an extra

        return WandbTracker(begin.tracker, folder)
    from petmood.training.tracking.mlflow import MlflowTracker  # noqa: PLC0415 - a second, and an extra

    return MlflowTracker(uri_of(begin, uri=uri), begin.tracker.experiment, folder)


def uri_of(begin: RunStarted, *, uri: str | None = None) -> str:
    """Return where MLflow is: as given, as set, as ``MLFLOW_TRACKING_URI`` says, or a file where training began."""
    found = uri or begin.tracker.uri or mlflow_uri()
    if found.startswith("sqlite:///") and not found.startswith("sqlite:////"):
        return f"sqlite:///{Path(begin.home) / found.removeprefix('sqlite:///')}"
    return found


def address_of(begin: RunStarted, *, uri: str | None = None) -> str:
    """Return the name under which is remembered what a tracker has; it holds no password."""
    if begin.tracker.kind == "wandb":
        return f"wandb:{begin.tracker.project}"
    return without_credentials(uri_of(begin, uri=uri))


def refuse_credentials(uri: str | None) -> None:
    """Refuse an address with a name or password in it, which would be kept in settings and shown in lists.

    Raises:
        ConfigError: it holds one; the message doesn't repeat it.
    """
    if uri is not None and without_credentials(uri) != uri:
        raise ConfigError(
            "A tracker's address can't hold a name or password, for it is written down. Give them as "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or the whole address as MLFLOW_TRACKING_URI."
        )


def refuse_missing(package: str) -> None:
    """Refuse a tracker that isn't installed, without importing it.

    Raises:
        MissingDependency: the message is the command that installs it.
    """
    if importlib.util.find_spec(package) is None:
        command = shell_command("install", f"petmood[{package}]", program="pip")
        raise MissingDependency(f"'{package}' is not installed. Install it with: {command}, or give tracker=none.")

"""Interface of experiment trackers: the content of a run, and the protocol that writes it to a tracker."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError, MissingDependency
from petmood.core.mlflow_env import mlflow_uri, uri_problem
from petmood.training.tracking.state import Status, TrackingState

__all__ = [
    "DatasetInput",
    "EpochMetrics",
    "FinalMetric",
    "ParentRun",
    "RunContent",
    "RunFile",
    "Tracker",
    "open_tracker",
    "refuse_credentials",
    "refuse_missing",
    "uri_of",
]


@dataclass(frozen=True, slots=True)
class EpochMetrics:
    """Metrics of one epoch; ``at_ms``, milliseconds since 1970, never changes, so that a repeated request is equal."""

    step: int
    at_ms: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FinalMetric:
    """A metric of the complete run, and the time of its measurement."""

    value: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file and its path in the tracker, which ends with the file's own name."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """The dataset that a run was trained on; ``digest`` identifies its version."""

    name: str
    digest: str
    source: str
    profile: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ParentRun:
    """The sweep that a run is a trial of; ``folder`` is where its state is stored."""

    folder: Path
    run_id: str
    name: str
    started_ms: int


@dataclass(frozen=True, slots=True)
class RunContent:
    """Everything that a tracker stores about a run.

    ``params`` don't change; ``tags`` may. ``files`` lie in the run folder, and ``bundle`` is the exported folder.
    ``is_sweep``: the run is the parent of a sweep's trials.
    """

    run_id: str
    name: str
    started_ms: int
    status: Status
    ended_ms: int | None = None
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    epochs: tuple[EpochMetrics, ...] = ()
    finals: Mapping[str, FinalMetric] = field(default_factory=dict)
    files: tuple[RunFile, ...] = ()
    bundle: Path | None = None
    dataset: DatasetInput | None = None
    parent: ParentRun | None = None
    is_sweep: bool = False


class Tracker(Protocol):
    """Experiment tracker that mirrors one run.

    ``note``: a message for the user at the end, or empty.
    """

    note: str

    def write(self, content: RunContent, *, live: bool = False) -> int:
        """Write what is missing in the tracker, and return the number of written values and files.

        ``live``: training is under way, so that files and the dataset wait for the end.

        Raises:
            TrackingError: the tracker is unreachable or rejects the run.
        """
        ...

    def close(self) -> None:
        """Finish pending writes.

        Raises:
            TrackingError: something was not stored.
        """
        ...


def open_tracker(state: TrackingState, folder: Path, *, uri: str | None = None) -> Tracker:
    """Return the tracker of a run, not yet connected; its package is imported only here.

    Raises:
        MissingDependency: the tracker's package is not installed.
    """
    if state.tracker.kind == "wandb":
        from petmood.training.tracking.wandb import WandbTracker  # noqa: PLC0415 - import takes 0.5 s, and is an extra

        return WandbTracker(state.tracker, folder)
    from petmood.training.tracking.mlflow import MlflowTracker  # noqa: PLC0415 - import takes 1 s, and is an extra

    return MlflowTracker(uri_of(state, uri=uri), state.tracker.experiment)


def uri_of(state: TrackingState, *, uri: str | None = None) -> str:
    """Return the MLflow URI: the argument, the setting, ``MLFLOW_TRACKING_URI``, or a file where training started."""
    found = uri or state.tracker.uri or mlflow_uri()
    if found.startswith("sqlite:///") and not found.startswith("sqlite:////"):
        return f"sqlite:///{Path(state.home) / found.removeprefix('sqlite:///')}"
    return found


def refuse_credentials(uri: str | None) -> None:
    """Reject a URI with a user name or password, which would be stored in settings and shown, or one in memory.

    Raises:
        ConfigError: the URI is such a one; the message doesn't repeat it.
    """
    if uri is not None and (problem := uri_problem(uri)):
        raise ConfigError(problem)


def refuse_missing(package: str) -> None:
    """Reject a tracker that isn't installed, without importing it.

    Raises:
        MissingDependency: the message contains the command that installs it.
    """
    if importlib.util.find_spec(package) is None:
        command = shell_command("install", f"petmood[{package}]", program="pip")
        raise MissingDependency(f"'{package}' is not installed. Install it with: {command}, or set tracker=none.")

"""MLflow tracker, through ``MlflowClient``; the same for a server and an embedded SQLite file."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from petmood.core.errors import PetmoodError, TrackingError
from petmood.core.extras import require
from petmood.core.mlflow_env import configure_mlflow_env, default_artifact_location
from petmood.core.redact import one_line, without_credentials
from petmood.training.tracking.events import Artifact, Entry, Metrics, Params, RunStarted, Status, Tags

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RUN_ID_TAG", "MlflowTracker"]

RUN_ID_TAG: Final = "petmood.run_id"
"""The tag by which a run is found."""

MOST_METRICS: Final = 1000
MOST_WORDS: Final = 100
"""MLflow's limits per call: metrics, and parameters or tags."""

STATUS: Final = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


class MlflowTracker:
    """Mirror one run in MLflow.

    The run is identified by its tag, and a metric by key, step, time and value, so that nothing is stored twice.
    """

    confirms = True
    note = ""

    def __init__(self, uri: str, experiment: str, folder: Path) -> None:
        configure_mlflow_env()
        self._mlflow = require("mlflow", extra="mlflow")
        self._uri, self._experiment, self._folder = uri, experiment, folder
        self._client: Any = None
        self._run_id = ""

    def open(self, begin: RunStarted) -> bool:
        """Find the run by its tag, or create it in its experiment; return True if it is new."""
        with self._told():
            self._client = self._mlflow.MlflowClient(tracking_uri=self._uri)
            experiment = self._experiment_id()
            found = self._client.search_runs(
                [experiment], f"tags.`{RUN_ID_TAG}` = '{begin.run_id}'", run_view_type=self._all_runs(), max_results=1
            )
            if found and found[0].info.lifecycle_stage != "active":
                raise TrackingError(f"The run {begin.name} was deleted in {self}. Restore it there, then send again.")
            if found:
                self._run_id = found[0].info.run_id
                return False
            made = self._client.create_run(
                experiment, start_time=begin.at_ms, tags={RUN_ID_TAG: begin.run_id}, run_name=begin.name
            )
            self._run_id = made.info.run_id
            return True

    def send(self, entries: Sequence[Entry]) -> None:
        """Send entries, with the metrics of many epochs in one call."""
        with self._told():
            entities = self._mlflow.entities
            self._batches(Metrics, entries, entities.Metric, most=MOST_METRICS)
            self._batches(Params, entries, entities.Param, most=MOST_WORDS)
            self._batches(Tags, entries, entities.RunTag, most=MOST_WORDS)
            for entry in entries:
                if isinstance(entry, Artifact):
                    self._send_artifact(entry)
                elif isinstance(entry, Status):
                    self._send_status(entry)

    def close(self) -> None:
        """Do nothing: each ``send`` is complete when it returns."""

    def __str__(self) -> str:
        """Return the tracker's URI without passwords."""
        return f"MLflow at {without_credentials(self._uri)}"

    def _batches(
        self, kind: type[Metrics | Params | Tags], entries: Iterable[Entry], entity: Callable[..., Any], *, most: int
    ) -> None:
        word = {Metrics: "metrics", Params: "params", Tags: "tags"}[kind]
        told = (entry for entry in entries if isinstance(entry, kind))
        one_by_one = (entity(*value) for entry in told for value in _values(entry))
        while batch := list(islice(one_by_one, most)):
            self._client.log_batch(self._run_id, **{word: batch})

    def _send_artifact(self, entry: Artifact) -> None:
        path = self._folder / entry.path
        if path.is_dir():
            self._client.log_artifacts(self._run_id, str(path), entry.to or None)
        elif path.is_file():
            self._client.log_artifact(self._run_id, str(path), entry.to or None)

    def _send_status(self, entry: Status) -> None:
        if entry.status == "running":
            self._client.update_run(self._run_id, status=STATUS[entry.status])
        else:
            self._client.set_terminated(self._run_id, STATUS[entry.status], end_time=entry.at_ms)

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            try:
                place = default_artifact_location(self._uri)
                made: str = self._client.create_experiment(self._experiment, artifact_location=place)
            except self._mlflow.MlflowException:  # another process may have created it meanwhile
                found = self._client.get_experiment_by_name(self._experiment)
                if found is None:
                    raise
            else:
                return made
        return str(found.experiment_id)

    def _all_runs(self) -> int:
        return int(self._mlflow.entities.ViewType.ALL)

    def _told(self) -> AbstractContextManager[None]:
        return _as_tracking_error(str(self))


def _values(entry: Metrics | Params | Tags) -> Iterable[tuple[Any, ...]]:
    if isinstance(entry, Metrics):
        return ((key, value, entry.at_ms, entry.step or 0) for key, value in entry.values.items())
    return ((key, value if isinstance(value, str) else json.dumps(value)) for key, value in entry.values.items())


@contextmanager
def _as_tracking_error(where: str) -> "Iterator[None]":
    """Convert any exception of the client to a one-line ``TrackingError`` that names the URI."""
    try:
        yield
    except PetmoodError:
        raise
    except Exception as error:  # requests, SQLAlchemy, MLflow and storage clients have no common exception class
        raise TrackingError(f"{where} can't be reached, or refuses: {one_line(_root_of(error))}") from error


def _root_of(error: BaseException) -> BaseException:
    """Return the OS error that caused a client's exception, such as "Connection refused"; else the exception itself."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found
        found = found.__cause__ or found.__context__
    return error

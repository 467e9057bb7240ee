"""MLflow tracker, through ``MlflowClient``; the same for a server and an embedded SQLite file.

Only what is missing in MLflow is written. A metric of an epoch is identified by key and step, a final metric by key and
latest value. Parameters and tags are identified by key, files by path, size and SHA-256.
"""

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

from petmood.core.errors import PetmoodError, TrackingError
from petmood.core.extras import require
from petmood.core.files import sha256_of
from petmood.core.mlflow_env import configure_mlflow_env, default_artifact_location
from petmood.core.redact import one_line, without_credentials
from petmood.training.tracking.base import DatasetInput, ParentRun, RunContent, RunFile
from petmood.training.tracking.state import mirror_lock

__all__ = ["EXPERIMENT_TAGS", "FILES_TAG", "PARENT_TAG", "RUN_ID_TAG", "MlflowTracker"]

RUN_ID_TAG: Final = "petmood.run_id"
"""The tag that identifies a run."""
FILES_TAG: Final = "petmood.files"
"""The tag with the digest of each stored file, as JSON."""
PARENT_TAG: Final = "mlflow.parentRunId"
EXPERIMENT_TAGS: Final = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.experiment.primaryMetric.name": "val/accuracy",
    "mlflow.experiment.primaryMetric.greaterIsBetter": "True",
}
"""Tags that make MLflow's web UI show an experiment as a table of runs, not as traces of language models."""

MOST_METRICS: Final = 1000
MOST_WORDS: Final = 100
"""MLflow's limits per call: metrics, and parameters or tags."""
DIGEST_LENGTH: Final = 32
"""Length of a dataset's digest; MLflow allows 36."""
PARENT_LOCK_S: Final = 60.0

STATUS: Final = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


class MlflowTracker:
    """Mirror one run in MLflow; its tag identifies it, even if the process was killed right after creating it."""

    note = ""

    def __init__(self, uri: str, experiment: str) -> None:
        configure_mlflow_env()
        self._mlflow = require("mlflow", extra="mlflow")
        self._uri, self._experiment = uri, experiment
        self._client: Any = None
        self._run_id = ""
        self._parent_id = ""
        self._steps: dict[str, set[int]] = {}

    def write(self, content: RunContent, *, live: bool = False) -> int:
        """Write what is missing in MLflow, with the metrics of many epochs in one call."""
        try:
            with _as_tracking_error(str(self)):
                if not self._run_id:
                    self._connect(content)
                run = self._client.get_run(self._run_id)
                sent = self._send_values(run, content)
                if not live:
                    sent += self._send_dataset(run, content.dataset) + self._send_files(run, content)
                self._send_status(run, content)
                return sent
        except BaseException:
            self._run_id = ""  # a failed request may have been stored: look the run up again
            self._steps.clear()
            raise

    def close(self) -> None:
        """Do nothing: each ``write`` is complete when it returns."""

    def __str__(self) -> str:
        """Return the tracker's URI without passwords."""
        return f"MLflow at {without_credentials(self._uri)}"

    def _connect(self, content: RunContent) -> None:
        self._client = self._mlflow.MlflowClient(tracking_uri=self._uri)
        experiment = self._experiment_id()
        if content.parent is not None:
            parent = content.parent
            with mirror_lock(parent.folder, wait_s=PARENT_LOCK_S):  # the trials of a sweep have one parent
                self._parent_id = self._find_or_create(experiment, parent)
        self._run_id = self._find_or_create(experiment, content)

    def _find_or_create(self, experiment: str, content: RunContent | ParentRun) -> str:
        """Return MLflow's id of a run; an empty duplicate, left by a delayed request, is deleted."""
        every = int(self._mlflow.entities.ViewType.ALL)
        query = f"tags.`{RUN_ID_TAG}` = '{content.run_id}'"
        found = self._client.search_runs([experiment], query, run_view_type=every)
        found = sorted(found, key=lambda r: (r.info.lifecycle_stage != "active", not r.data.metrics, r.info.run_id))
        if not found:
            tags = {RUN_ID_TAG: content.run_id}
            made = self._client.create_run(experiment, start_time=content.started_ms, tags=tags, run_name=content.name)
            return str(made.info.run_id)
        if found[0].info.lifecycle_stage != "active":
            raise TrackingError(
                f"The run {content.name} was deleted in {self}. Restore it there, then send the run again."
            )
        for other in found[1:]:
            if other.info.lifecycle_stage == "active" and not other.data.metrics:
                self._client.delete_run(other.info.run_id)
        return str(found[0].info.run_id)

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            try:
                location = default_artifact_location(self._uri)
                made: str = self._client.create_experiment(
                    self._experiment, artifact_location=location, tags=EXPERIMENT_TAGS
                )
            except self._mlflow.MlflowException:  # another process may have created it meanwhile
                found = self._client.get_experiment_by_name(self._experiment)
                if found is None:
                    raise
            else:
                return made
        for name, value in EXPERIMENT_TAGS.items():
            if name not in found.tags:
                self._client.set_experiment_tag(found.experiment_id, name, value)
        return str(found.experiment_id)

    def _send_values(self, run: Any, content: RunContent) -> int:  # noqa: ANN401 - mlflow is an extra
        entities = self._mlflow.entities
        known = run.data
        params = ((k, _text(v)) for k, v in content.params.items() if k not in known.params)
        wanted = {**content.tags, **({PARENT_TAG: self._parent_id} if self._parent_id else {})}
        tags = ((k, v) for k, v in wanted.items() if known.tags.get(k) != v)
        sent = self._log("params", map(_entity(entities.Param), params), most=MOST_WORDS)
        sent += self._log("tags", map(_entity(entities.RunTag), tags), most=MOST_WORDS)
        metrics = list(self._missing_metrics(known.metrics, content))
        sent += self._log("metrics", map(_entity(entities.Metric), metrics), most=MOST_METRICS)
        for name, _, _, step in metrics:
            self._steps.get(name, set()).add(step)
        return sent

    def _log(self, word: str, values: Iterable[Any], *, most: int) -> int:
        sent, values = 0, iter(values)
        while batch := list(islice(values, most)):
            self._client.log_batch(self._run_id, **{word: batch})
            sent += len(batch)
        return sent

    def _missing_metrics(
        self, latest: Mapping[str, float], content: RunContent
    ) -> Iterator[tuple[str, float, int, int]]:
        for epoch in content.epochs:
            for name, value in epoch.values.items():
                if name not in self._steps:
                    history = self._client.get_metric_history(self._run_id, name) if name in latest else ()
                    self._steps[name] = {metric.step for metric in history}
                if epoch.step not in self._steps[name]:
                    yield name, value, epoch.at_ms, epoch.step
        for name, final in content.finals.items():
            if name not in latest or not _same(latest[name], final.value):
                yield name, final.value, final.at_ms, 0

    def _send_dataset(self, run: Any, dataset: DatasetInput | None) -> int:  # noqa: ANN401 - mlflow is an extra
        if dataset is None:
            return 0
        digest = dataset.digest[:DIGEST_LENGTH]
        if any((one.dataset.name, one.dataset.digest) == (dataset.name, digest) for one in run.inputs.dataset_inputs):
            return 0
        entities = self._mlflow.entities
        source, profile = json.dumps({"uri": dataset.source}), json.dumps(dict(dataset.profile))
        made = entities.Dataset(dataset.name, digest, "local", source, schema=None, profile=profile)
        tag = entities.InputTag("mlflow.data.context", "training")
        self._client.log_inputs(self._run_id, datasets=[entities.DatasetInput(made, tags=[tag])])
        return 1

    def _send_files(self, run: Any, content: RunContent) -> int:  # noqa: ANN401 - mlflow is an extra
        files = [*content.files, *_files_of(content.bundle)]
        folders = {str(Path(file.name).parent).removeprefix(".") for file in files}
        stored = {
            one.path: one.file_size
            for folder in folders
            for one in self._client.list_artifacts(self._run_id, folder or None)
        }
        before = json.loads(run.data.tags.get(FILES_TAG, "{}"))
        digests = {file.name: sha256_of(file.path)[:DIGEST_LENGTH] for file in files}
        sent = 0
        for file in files:
            is_same = before.get(file.name) == digests[file.name]
            if not (is_same and stored.get(file.name) == file.path.stat().st_size):
                folder = str(Path(file.name).parent).removeprefix(".")
                self._client.log_artifact(self._run_id, str(file.path), folder or None)
                sent += 1
        if before != before | digests:
            self._client.set_tag(self._run_id, FILES_TAG, json.dumps(before | digests))
        return sent

    def _send_status(self, run: Any, content: RunContent) -> None:  # noqa: ANN401 - mlflow is an extra
        wanted = STATUS[content.status]
        if content.status == "running":
            if run.info.status != wanted:
                self._client.update_run(self._run_id, status=wanted)
        elif (run.info.status, run.info.end_time) != (wanted, content.ended_ms):
            self._client.set_terminated(self._run_id, wanted, end_time=content.ended_ms)


def _files_of(bundle: Path | None) -> list[RunFile]:
    if bundle is None:
        return []
    paths = sorted(path for path in bundle.rglob("*") if path.is_file())
    return [RunFile(path, f"bundle/{path.relative_to(bundle).as_posix()}") for path in paths]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _entity(kind: Callable[..., Any]) -> Callable[[tuple[Any, ...]], Any]:
    return lambda values: kind(*values)


def _same(stored: float, value: float) -> bool:
    """Return whether a stored metric is this value; MLflow stores infinity as the largest number."""
    if math.isnan(value):
        return math.isnan(stored)
    return stored == max(-sys.float_info.max, min(sys.float_info.max, value))


@contextmanager
def _as_tracking_error(where: str) -> Iterator[None]:
    """Convert any exception of the client to a one-line ``TrackingError`` that names the URI."""
    try:
        yield
    except PetmoodError:
        raise
    except Exception as error:  # requests, SQLAlchemy, MLflow and storage clients have no common exception class
        raise TrackingError(
            f"{where} can't be reached, or rejected the request: {one_line(_root_of(error))}"
        ) from error


def _root_of(error: BaseException) -> BaseException:
    """Return the OS error that caused a client's exception, such as "Connection refused"; else the exception itself."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found
        found = found.__cause__ or found.__context__
    return error

"""Mirror of a run folder in a tracker: read the folder, ask what the tracker has, and write only the rest."""

import csv
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from petmood.configs.schema import Config, flatten_settings
from petmood.core.bundle import MANIFEST
from petmood.core.errors import TrackingError
from petmood.core.files import sha256_of
from petmood.data.index import Split
from petmood.evaluation.metrics import metrics
from petmood.pipelines.chosen_model import choosing_predictions
from petmood.pipelines.run_folder import RunFolder, RunMetadata
from petmood.presentation.display_names import HEADLINE_METRICS
from petmood.training.tracking.base import (
    DatasetInput,
    EpochMetrics,
    FinalMetric,
    ParentRun,
    RunContent,
    RunFile,
    Tracker,
)
from petmood.training.tracking.state import TrackingState, mirror_lock, read_state, state_of

__all__ = ["CURVES_NAME", "mirror_run", "read_curves", "run_content", "settings_of"]

KEPT: Final = {"accuracy": "val/kept_accuracy", "nll": "val/kept_loss"}
CURVES_NAME: Final = "curves.png"
SWEEP_FILES: Final = ("sweep.html", "best.yaml", "trials.csv")
LOCK_S: Final = 600.0
TRIES: Final = 3
PAUSE_S: Final = 0.25


def mirror_run(folder: Path, tracker: Tracker, *, live: Iterable[object] = (), lock_s: float = LOCK_S) -> int:
    """Write to a tracker what it lacks of a run, and return the number of values and files written at the end.

    ``live`` yields whenever an epoch has ended, and ends with the training; its failures are ignored, since everything
    is compared again at the end. A busy tracker is tried three times.

    Raises:
        TrackingError: the tracker is unreachable or rejects the run, or another process is writing it.
    """
    with mirror_lock(folder, wait_s=lock_s):
        for _ in live:
            with suppress(TrackingError):
                tracker.write(run_content(folder), live=True)
        for tries_left in reversed(range(TRIES)):
            try:
                sent = tracker.write(run_content(folder))
                break
            except TrackingError:
                if not tries_left:
                    raise
                time.sleep(PAUSE_S)
        tracker.close()
    return sent


def run_content(folder: Path) -> RunContent:
    """Read what a tracker should have of a run, or of a sweep.

    Raises:
        TrackingError: the run is not tracked.
    """
    state, run = state_of(folder), RunFolder(folder)
    if not run.metadata.is_file():
        return RunContent(
            state.run_id,
            state.name,
            state.started_ms,
            status=state.status,
            ended_ms=state.ended_ms,
            files=_files(folder, SWEEP_FILES),
            is_sweep=True,
        )
    facts = run.read_metadata()
    is_done = facts.status == "done"
    return RunContent(
        state.run_id,
        state.name,
        state.started_ms,
        status="finished" if is_done else state.status,
        ended_ms=_written_ms(run.metadata) if is_done and state.status != "finished" else state.ended_ms,
        params=settings_of(run.read_config()),
        tags=_origin(facts) | _bundle_tags(state),
        epochs=tuple(_epochs(run, state, is_done=is_done)),
        finals=_finals(run, facts) if is_done else {},
        files=_run_files(run) if is_done else (),
        bundle=_bundle(state),
        dataset=DatasetInput(Path(facts.data_path).name, facts.data_hash, facts.data_path, profile=facts.photos),
        parent=_parent(folder, state),
    )


def settings_of(config: Config) -> dict[str, JsonValue]:
    """Return settings under dotted names such as ``optimizer.lr``, without those that don't affect a run."""
    return flatten_settings(config.model_dump(mode="json", exclude={"tracker", "search"}))


def read_curves(path: Path) -> list[dict[str, str]]:
    """Read the rows of a metrics file; none if it isn't written yet."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _epochs(run: RunFolder, state: TrackingState, *, is_done: bool) -> Iterator[EpochMetrics]:
    """Yield the epochs that are never trained again; of a finished run, also those whose end was not recorded."""
    for row in read_curves(run.metrics_csv):
        step = int(row.pop("epoch"))
        if is_done or step in state.epoch_ms:
            at_ms = state.epoch_ms.get(step) or _written_ms(run.metrics_csv)
            yield EpochMetrics(step, at_ms, {name: float(text) for name, text in row.items() if text})


def _finals(run: RunFolder, facts: RunMetadata) -> dict[str, FinalMetric]:
    """Return the results of training, the validation metrics of the kept weights, and those of an evaluation."""
    results = {"seconds": facts.seconds, "epochs": facts.epochs, "best_epoch": facts.best_epoch}
    found = {name: float(value) for name, value in results.items() if value is not None}
    if run.predictions(Split.VALID).is_file() and len(valid := choosing_predictions(run)):
        measured = metrics(valid.probabilities(), valid.labels)
        found |= {name: float(measured[metric][0]) for metric, name in KEPT.items()}
    finals = {name: FinalMetric(value, _written_ms(run.metadata)) for name, value in found.items()}
    if run.evaluation.is_file():
        numbers = json.loads(run.evaluation.read_bytes())["splits"]
        for split, values in numbers.items():
            for name in HEADLINE_METRICS:
                measured_at = _written_ms(run.evaluation)
                estimate = _with_interval(f"{split}/{name}", values.get(name))
                finals |= {key: FinalMetric(value, measured_at) for key, value in estimate.items()}
    return finals


def _with_interval(name: str, estimate: Mapping[str, Any] | None) -> dict[str, float]:
    if estimate is None:
        return {}
    found = {name: estimate["value"], f"{name}_low": estimate["low"], f"{name}_high": estimate["high"]}
    return {key: float(value) for key, value in found.items() if value is not None}


def _run_files(run: RunFolder) -> tuple[RunFile, ...]:
    curves = run.path / CURVES_NAME
    figures = (RunFile(curves, f"figures/{CURVES_NAME}"),) if curves.is_file() else ()
    paths = (run.metrics_csv, run.config, run.metadata, run.evaluation, run.report)
    return figures + _files(run.path, [path.name for path in paths])


def _files(folder: Path, names: Iterable[str]) -> tuple[RunFile, ...]:
    return tuple(RunFile(folder / name, name) for name in names if (folder / name).is_file())


def _origin(facts: RunMetadata) -> dict[str, str]:
    packages = {f"package.{name}": version for name, version in facts.packages.items()}
    origin = {"data_hash": facts.data_hash, "data_path": facts.data_path, "code_version": facts.code_version}
    return {**origin, "backbone": facts.backbone, "photos": json.dumps(facts.photos), **packages}


def _bundle_tags(state: TrackingState) -> dict[str, str]:
    return {"bundle_name": state.bundle.name, "bundle_sha256": state.bundle.sha256} if state.bundle else {}


def _bundle(state: TrackingState) -> Path | None:
    """Return the folder of the exported bundle, unless it is gone or holds another bundle by now."""
    if state.bundle is None:
        return None
    manifest = Path(state.bundle.folder) / MANIFEST
    return manifest.parent if manifest.is_file() and sha256_of(manifest) == state.bundle.sha256 else None


def _parent(folder: Path, state: TrackingState) -> ParentRun | None:
    """Return the sweep of a trial; None if there is none or its folder was moved away."""
    if state.sweep is None:
        return None
    path = (folder / state.sweep).resolve()
    sweep = read_state(path)
    return ParentRun(path, sweep.run_id, sweep.name, sweep.started_ms) if sweep else None


def _written_ms(path: Path) -> int:
    return path.stat().st_mtime_ns // 1_000_000

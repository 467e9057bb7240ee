"""Tracking of a run: settings, origin, per-epoch metrics, results, files and bundle."""

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lightning.pytorch import Callback, LightningModule, Trainer
from pydantic import JsonValue

from petmood.configs.schema import Config
from petmood.core.bundle import Bundle
from petmood.core.files import atomic_write_bytes
from petmood.evaluation.predictions import Predictions
from petmood.models.linear import negative_log_likelihood
from petmood.pipelines.run_folder import RunFolder, RunMetadata
from petmood.training.tracking.events import TrackerSpec
from petmood.training.tracking.learning_curve import curves_png
from petmood.training.tracking.run_logger import RunLogger, run_logger

__all__ = ["EpochLoggingCallback", "log_bundle", "log_evaluation", "log_results", "settings_of", "tracked"]

HEADLINES: Final = ("accuracy", "balanced_accuracy", "macro_f1", "nll", "ece")
CURVES_NAME: Final = "curves.png"


@contextmanager
def tracked(run: RunFolder, config: Config, facts: RunMetadata) -> Iterator[RunLogger]:
    """Yield the logger of a training; logs settings and origin at the start, and the status at the end."""
    wanted = config.tracker.model_dump()
    spec = None if config.tracker.kind == "none" else TrackerSpec.model_validate(wanted)
    with run_logger(run.path, tracker=spec) as teller:
        teller.status("running")
        teller.params(settings_of(config))
        teller.tags(_origin_of(facts))
        try:
            yield teller
        except KeyboardInterrupt:
            teller.status("killed")
            raise
        except BaseException:
            teller.status("failed")
            raise
        teller.status("finished")


class EpochLoggingCallback(Callback):
    """Log each epoch once, when the next one begins: its checkpoint is then written, so it is never trained again."""

    def __init__(self, teller: RunLogger, curves: Path) -> None:
        self.teller, self.curves = teller, curves

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 - Lightning's signature
        """Log the epochs before this one."""
        log_epochs(self.teller, self.curves, before=trainer.current_epoch)


def log_epochs(teller: RunLogger, curves: Path, *, before: int | None = None) -> None:
    """Log the rows of a metrics file that were not logged yet."""
    for row in _rows(curves):
        epoch = int(row.pop("epoch"))
        if before is None or epoch < before:
            teller.metrics({name: float(text) for name, text in row.items() if text}, step=epoch)


def log_results(teller: RunLogger, run: RunFolder, facts: RunMetadata) -> None:
    """Log the results of a training: every epoch, the validation metrics of the kept weights, and its files."""
    if not teller.enabled:
        return
    log_epochs(teller, run.metrics_csv)
    numbers = {"seconds": facts.seconds, "epochs": facts.epochs, "best_epoch": facts.best_epoch}
    teller.metrics({name: float(value) for name, value in numbers.items() if value is not None})
    if run.predictions("valid").is_file() and len(valid := Predictions.load(run.predictions("valid"))):
        accuracy = float((valid.predicted() == valid.labels).mean())
        loss = negative_log_likelihood(valid.logits, valid.labels)
        teller.metrics({"val/kept_accuracy": accuracy, "val/kept_loss": loss})
    if rows := _rows(run.metrics_csv):
        atomic_write_bytes(run.path / CURVES_NAME, curves_png(rows, title=facts.name))
        teller.artifact(CURVES_NAME, to="figures")
        teller.artifact(run.metrics_csv.name)
    for path in (run.config, run.metadata):
        teller.artifact(path.name)


def log_evaluation(run: RunFolder, numbers: Mapping[str, Any]) -> None:
    """Log the headline metrics of a tracked run with their intervals, and its report.

    Epochs that are missing from the journal because the disk was full are logged now.
    """
    with run_logger(run.path) as teller:
        log_epochs(teller, run.metrics_csv)
        teller.status("finished")
        for split, values in numbers["splits"].items():
            for name in HEADLINES:
                teller.metrics(_with_interval(f"{split}/{name}", values.get(name)))
        teller.artifact(run.evaluation.name)
        teller.artifact(run.report.name)


def log_bundle(run: RunFolder, bundle: Bundle) -> None:
    """Log the bundle of a tracked run: the SHA-256 of its manifest, which contains the file hashes, and its folder."""
    with run_logger(run.path) as teller:
        teller.tags({"bundle_name": bundle.manifest.name, "bundle_sha256": bundle.sha256})
        teller.artifact(bundle.folder.absolute(), to="bundle")


def settings_of(config: Config) -> dict[str, JsonValue]:
    """Return settings under dotted names such as ``optimizer.lr``, without those that don't affect a run."""
    return dict(_flat(config.model_dump(mode="json", exclude={"tracker", "search"}), ""))


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, JsonValue]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _origin_of(facts: RunMetadata) -> dict[str, str]:
    packages = {f"package.{name}": version for name, version in facts.packages.items()}
    told = {"data_hash": facts.data_hash, "data_path": facts.data_path, "code_version": facts.code_version}
    return {**told, "backbone": facts.backbone, "photos": json.dumps(facts.photos), **packages}


def _with_interval(name: str, estimate: Mapping[str, Any] | None) -> dict[str, float]:
    if estimate is None:
        return {}
    found = {name: estimate["value"], f"{name}_low": estimate["low"], f"{name}_high": estimate["high"]}
    return {key: float(value) for key, value in found.items() if value is not None}


def _rows(curves: Path) -> list[dict[str, str]]:
    if not curves.is_file():
        return []
    with curves.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))

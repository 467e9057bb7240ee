"""End-to-end pipeline from dataset import to predictions of an exported bundle; up-to-date steps are skipped."""

import hashlib
import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.configs.load import dump
from petmood.configs.schema import Config, TrackerConfig
from petmood.core.bundle import read
from petmood.core.bundle_files import MANIFEST
from petmood.core.bundle_target import check_target, is_bundle
from petmood.core.commands import shell_command
from petmood.core.errors import BundleError, DataError
from petmood.core.files import atomic_write_text, sha256_of
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.generated import CACHE_NAME, CHECK_NAME, find_generated, generated_path
from petmood.data.importer import import_photos
from petmood.data.index import INDEX_NAME, DataIndex, Split, read_index
from petmood.data.sources import open_source
from petmood.data.validation.issues import ValidationReport, validate_dataset
from petmood.inference.base import Answer
from petmood.inference.load import load_bundle
from petmood.pipelines.evaluate import evaluate_run, needs_evaluation, read_evaluation
from petmood.pipelines.export import export_run, kept_robustness
from petmood.pipelines.out_of_fold import check_out_of_fold
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.train import resume, train
from petmood.reports.dataset_check import write_check_report
from petmood.training.dataset import evaluation_rows, open_index

__all__ = ["DEMO_FOLDER", "PhotoResult", "PipelineResult", "run_pipeline"]

logger = logging.getLogger(__name__)

DEMO_FOLDER = Path("data/demo")
CHECKED = f"{CACHE_NAME}/checked"
"""File of a dataset that stores the hash of its last version that passed validation."""
SHOWN = 3
AFTER_TRAINING: Final = {"evaluation": {"calibrate_on", "crossval", "robustness"}}
"""Settings that may change after a run's training: they are of its evaluation alone, so none is trained for them."""
OWN_RUN: Final = re.compile(r".+-[0-9a-f]{8}")
"""The names of runs that ``_trained`` gives."""


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """A photo's path with its prediction or error."""

    photo: Path
    answer: Answer


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """Outputs of the pipeline, the steps that were executed, and some predictions of the new bundle.

    The predictions are of test photos if the data ``has_test`` ones, else of validation photos. ``advises_crossval``:
    there are none, and the recipe trains too long to be cross-validated unasked.
    """

    data: Path
    run: RunFolder
    bundle: Path
    done: tuple[str, ...]
    predictions: tuple[PhotoResult, ...]
    has_test: bool = True
    advises_crossval: bool = False


def run_pipeline(
    config: Config, *, bundles: Path = Path("bundles"), progress: ProgressBar = no_progress
) -> PipelineResult:
    """Import (the demo, if no other data is given), validate, train, evaluate, export and predict.

    Raises:
        BundleError: the bundle folder contains files that aren't part of a bundle, or a bundle that ``petmood export``
            made of another run; nothing was done.
        DataError: the data is missing, or validation found a blocking issue.
        OutputLocked: another process is writing the dataset, the run or the bundle.
    """
    done: list[str] = []
    data = Path(config.data.path)
    target = bundles / data.name
    check_target(target, replace=True)
    _refuse_other_bundle(target)
    if _needs_import(data):
        import_photos(open_source("demo"), to=data, progress=progress)
        done.append("import")
    if _needs_check(data, read_index(data).hash):
        report = validate_dataset(data, progress=progress)
        write_check_report(report, data, to=generated_path(data, CHECK_NAME))
        _check_no_blocking_issues(report)
        atomic_write_text(generated_path(data, CHECKED), report.index.hash)
        done.append("check")
    index = open_index(data, expected_hash=config.data.hash)
    run, trained = _trained(config, index.hash, progress=progress)
    if trained:
        done.append("train")
    changed = not trained and _take_settings(run, config, index)
    if trained or changed or needs_evaluation(run):
        evaluate_run(run, progress=progress)
        done.append("evaluate")
    if not _is_bundle_of(target, run):
        export_run(run, to=target, replace=True, progress=progress)
        done.append("export")
    test = evaluation_rows(index.rows, Split.TEST)
    shown = [row.path for row in test or evaluation_rows(index.rows, Split.VALID)]
    return PipelineResult(
        data,
        run,
        target,
        tuple(done),
        _sample_predictions(target, data, shown),
        has_test=bool(test),
        advises_crossval=not test and read_evaluation(run)["main"] == Split.VALID,
    )


def _refuse_other_bundle(folder: Path) -> None:
    """Refuse to replace a bundle, valid or damaged, whose run was not trained by this pipeline."""
    if not folder.exists() or not is_bundle(folder):
        return
    metrics = json.loads((folder / MANIFEST).read_bytes()).get("metrics")
    run = metrics.get("run") if isinstance(metrics, dict) else None
    if not OWN_RUN.fullmatch(str(run)):
        raise BundleError(
            f"{folder} is a bundle of the run {run!r}, which `petmood run` did not train, and would be replaced. "
            "Nothing was changed. Choose another folder with --bundles, or move that bundle."
        )


def _needs_import(data: Path) -> bool:
    if (data / INDEX_NAME).is_file():
        return False
    if data != DEMO_FOLDER:
        command = shell_command("data", "import", "folder", "PHOTOS", "--output", data)
        raise DataError(f"No dataset at {data}. Import it with: {command}")
    return True


def _needs_check(data: Path, data_hash: str) -> bool:
    """Return whether this data version was not yet validated, or failed validation."""
    page, passed = find_generated(data, CHECK_NAME), find_generated(data, CHECKED)
    return page is None or passed is None or passed.read_text("utf-8") != data_hash


def _check_no_blocking_issues(report: ValidationReport) -> None:
    if report.has_blocking_issues:
        raise DataError(f"The dataset has blocking issues.\n{report.summary()}")


def _trained(config: Config, data_hash: str, *, progress: ProgressBar) -> tuple[RunFolder, bool]:
    """Return the run of these settings on this data and whether it was trained now."""
    plain = {"run": config.run.model_copy(update={"name": None}), "tracker": TrackerConfig()}
    content = config.model_copy(update=plain)
    key = hashlib.sha256(f"{dump(content, without=AFTER_TRAINING)}{data_hash}".encode()).hexdigest()[:8]
    name = f"{config.run.name or Path(config.data.path).name}-{key}"
    run = RunFolder(Path(config.run.folder) / name)
    if not run.metadata.is_file():
        named = config.model_copy(update={"run": config.run.model_copy(update={"name": name})})
        return train(named, progress=progress), True
    if run.read_metadata().status == "done":
        return run, False
    return resume(run.path, progress=progress), True


def _take_settings(run: RunFolder, config: Config, index: DataIndex) -> bool:
    """Write the settings of a finished run that may change after its training, and return whether they did."""
    stored = run.read_config()
    wanted = {key: getattr(config.evaluation, key) for key in AFTER_TRAINING["evaluation"]}
    changed = stored.model_copy(update={"evaluation": stored.evaluation.model_copy(update=wanted)})
    if changed != stored:
        check_out_of_fold(changed, index, run=run)
        with run.lock():
            atomic_write_text(run.config, dump(changed))
    return changed != stored


def _is_bundle_of(folder: Path, run: RunFolder) -> bool:
    try:
        metrics = read(folder).metrics
    except BundleError:
        return False
    found = read_evaluation(run)
    is_calibrated_so = metrics.get("out_of_fold") == found.get("out_of_fold")
    is_measured_so = metrics.get("robustness") == kept_robustness(found)
    is_of_run = metrics.get("weights") == sha256_of(run.weights) and metrics.get("run") == run.read_metadata().name
    return is_of_run and is_calibrated_so and is_measured_so


def _sample_predictions(bundle: Path, data: Path, paths: list[str]) -> tuple[PhotoResult, ...]:
    step = max(1, len(paths) // SHOWN)
    photos = [data / path for path in paths[::step][:SHOWN]]
    return tuple(map(PhotoResult, photos, load_bundle(bundle).predict_many(photos)))

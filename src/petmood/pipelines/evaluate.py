"""Evaluation of a run: metrics with confidence intervals beside baselines, and an HTML report."""

import csv
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from petmood.core.commands import shell_command
from petmood.core.errors import RunError
from petmood.core.files import atomic_write_bytes, atomic_write_json, atomic_write_text
from petmood.core.photo import decode
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.classes import check_known_labels
from petmood.data.index import EVALUATION_SPLITS, Split, read_index
from petmood.evaluation.baselines import ENOUGH_PX
from petmood.evaluation.evaluate import CROSSVAL, Evaluation, evaluate
from petmood.evaluation.paired import PairedTest, paired_test
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.baselines import run_baselines
from petmood.pipelines.chosen_model import model_choice
from petmood.pipelines.domain import has_domain, measure_domain
from petmood.pipelines.error_maps import heat_maps_of
from petmood.pipelines.fit_settings import configured_photos
from petmood.pipelines.networks import load_network
from petmood.pipelines.out_of_fold import is_as_planned, out_of_fold
from petmood.pipelines.predict_logits import predict_logits
from petmood.pipelines.robustness import measure_robustness
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.run_tracking import track_evaluation
from petmood.presentation.display_names import photos_of_split
from petmood.reports.run import render_report
from petmood.training.dataset import evaluation_rows
from petmood.training.memory import keep_freed_memory

__all__ = ["compare_runs", "evaluate_run", "needs_evaluation", "read_evaluation", "scores_of"]

logger = logging.getLogger(__name__)

PARTS: Final = frozenset(
    {
        "main",
        "verdict",
        "splits",
        "baselines",
        "comparison",
        "calibration",
        "abstention",
        "conformal",
        "selection",
        "domain",
    }
)
"""What an evaluation.json has at least."""


def scores_of(
    run: RunFolder, *, data: Path | None = None, progress: ProgressBar = no_progress
) -> dict[str, Predictions]:
    """Return the logits of a run on validation and test photos, its own or those of another dataset.

    Raises:
        RunError: the logits of its own photos are missing.
        DataError: the other dataset can't be read.
    """
    if data is not None:
        return _score_anew(run, data, progress=progress)
    missing = [split for split in EVALUATION_SPLITS if not run.predictions(split).is_file()]
    if missing:
        raise RunError(f"{run.predictions(missing[0])} is missing. Train the run again.")
    return {split: Predictions.load(run.predictions(split)) for split in EVALUATION_SPLITS}


def evaluate_run(
    run: RunFolder,
    *,
    data: Path | None = None,
    paired: PairedTest | None = None,
    on_result: Callable[[Evaluation], object] = lambda _: None,
    progress: ProgressBar = no_progress,
) -> Evaluation:
    """Evaluate a run, write ``evaluation.json`` and ``report.html`` into its folder, and return the metrics.

    With ``data``, another dataset is used and only the report is written, as ``report-NAME.html``. The confidence
    threshold and the temperature always come from the run's own photos: validation photos that did not choose its
    model, or out-of-fold predictions. Without a test split, those of a closed-form recipe are the main metrics.
    ``on_result`` gets the metrics before anything is written, so that they are not lost on a full disk.

    Raises:
        DataError: the photos can't be found or read.
        OutputLocked: another process is training or evaluating this run.
        RunError: the logits of its own photos are missing.
    """
    with run.lock(), keep_freed_memory():
        return _evaluate(run, data=data, paired=paired, on_result=on_result, progress=progress)


def _evaluate(
    run: RunFolder,
    *,
    data: Path | None,
    paired: PairedTest | None,
    on_result: Callable[[Evaluation], object],
    progress: ProgressBar,
) -> Evaluation:
    config = run.read_config()
    folder = data or run.dataset()
    scored = scores_of(run, progress=progress)
    predictions = scored if data is None else _score_anew(run, data, progress=progress)
    split = Split.TEST if len(predictions[Split.TEST]) else Split.VALID
    main: str | None = None
    if data is not None:
        main = Split.TEST if split == Split.TEST else f"{photos_of_split(split)} of {data.name}"
        scored = {Split.VALID: scored[Split.VALID], main: predictions[split]}
    predicted = out_of_fold(run, progress=progress)
    folds = predicted.folds if predicted is not None and predicted.is_headline and data is None else None
    baselines = run_baselines(run, config, data=data, split=split, folds=folds, progress=progress)
    domain = measure_domain(run, progress=progress) if data is None else None
    robustness = measure_robustness(run, scored, progress=progress) if data is None else None
    found = evaluate(
        scored,
        choice=model_choice(run, scored[Split.VALID], predicted=predicted),
        baselines=baselines,
        target_error=config.evaluation.target_error,
        fallback_errors=config.evaluation.fallbacks,
        coverage=config.evaluation.coverage,
        domain=domain.result if domain else None,
        main=main,
        out_of_fold=predicted,
        seed=config.seed,
    )
    found = replace(found, robustness=robustness)
    on_result(found)
    if domain is not None:
        atomic_write_bytes(run.domain, domain.file)
    if data is None:
        atomic_write_json(run.evaluation, found.to_json())
    parts = {**scored, CROSSVAL: predicted.first} if predicted is not None else scored
    page = run.report if data is None else run.path / f"report-{data.name}.html"
    _write_report(run, found, parts, folder=folder, paired=paired, to=page)
    if data is None:
        track_evaluation(run)
    return found


def _write_report(
    run: RunFolder,
    found: Evaluation,
    scored: Mapping[str, Predictions],
    *,
    folder: Path,
    paired: PairedTest | None,
    to: Path,
) -> None:
    facts = run.read_metadata()
    page = render_report(
        found,
        scored,
        photo_of=lambda path: decode(folder / path, at_least_px=ENOUGH_PX).pixels,
        title=f"{facts.name}: {facts.backbone} on {folder.name}",
        facts=_facts_to_show(run),
        curves=_curves(run),
        paired=paired,
        map_of=None if found.main == CROSSVAL else heat_maps_of(run, folder, at_least_px=ENOUGH_PX),
    )
    atomic_write_text(to, page)


def compare_runs(run: RunFolder, other: RunFolder) -> PairedTest:
    """Return the paired test of two runs on the same test photos (or validation photos if there are no test photos).

    Raises:
        DataError: the two runs were not evaluated on the same photos.
    """
    first, second = scores_of(run), scores_of(other)
    split = Split.TEST if len(first[Split.TEST]) else Split.VALID
    return paired_test(first[split], second[split])


def _score_anew(run: RunFolder, data: Path, *, progress: ProgressBar) -> dict[str, Predictions]:
    config, facts, index = run.read_config(), run.read_metadata(), read_index(data)
    check_known_labels(index.classes, classes=facts.classes, owner=f"the run {run.path}")
    network = load_network(run)
    found: dict[str, Predictions] = {}
    for split in EVALUATION_SPLITS:
        rows = evaluation_rows(index.rows, split)
        photo_set = configured_photos(config, data, rows, classes=facts.classes, progress=progress)
        found[split] = predict_logits(network, photo_set, source=str(data))
    return found


def _facts_to_show(run: RunFolder) -> dict[str, object]:
    facts = run.read_metadata()
    return {
        "data version": facts.data_hash,
        "code version": facts.code_version,
        "backbone": facts.backbone,
        "photos": facts.photos,
        "epochs": facts.epochs,
        "best epoch": facts.best_epoch,
        "seconds": facts.seconds,
        "settings": run.read_config().model_dump(mode="json"),
    }


def _curves(run: RunFolder) -> list[dict[str, float | None]]:
    if not run.metrics_csv.is_file():
        return []
    with run.metrics_csv.open(encoding="utf-8", newline="") as file:
        return [{name: float(text) if text else None for name, text in row.items()} for row in csv.DictReader(file)]


def read_evaluation(run: RunFolder) -> dict[str, Any]:
    """Return the metrics written by ``evaluate_run``.

    Raises:
        RunError: the run was not evaluated yet, or by a version of petmood with other names in the file.
    """
    again = shell_command("evaluate", run.path)
    try:
        found: dict[str, Any] = json.loads(run.evaluation.read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"The run {run.path} isn't evaluated yet. Evaluate it with: {again}") from error
    if missing := PARTS - found.keys():
        raise RunError(
            f"{run.evaluation} has no {', '.join(sorted(missing))}: an earlier version of petmood wrote it. "
            f"Evaluate the run again with: {again}"
        )
    return found


def needs_evaluation(run: RunFolder) -> bool:
    """Return whether a run lacks a file of its evaluation, or has metrics that are unreadable or not as planned."""
    try:
        found = read_evaluation(run)
    except RunError:
        return True
    return not run.report.is_file() or not has_domain(run, found["domain"]) or not is_as_planned(run, found)

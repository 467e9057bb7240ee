"""Cross-validation of any fit-and-predict function over grouped or random folds.

The method is a callback, so a network, an SVM and a baseline are evaluated by the same code. Only original photos are
tested; near-duplicates are used for training, in the folds where their group is in training.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.classes import labels_of
from petmood.data.index import IndexRow, Role
from petmood.evaluation.bootstrap import REPLICATES, Estimate, cluster_bootstrap_weights, metric_estimate
from petmood.evaluation.fold_files import FoldFiles
from petmood.evaluation.folds import Fold, random_folds, stratified_group_folds
from petmood.evaluation.metrics import METRICS, metrics
from petmood.evaluation.predictions import Predictions, from_rows

__all__ = [
    "CrossValidation",
    "Fit",
    "FoldScore",
    "cross_validate",
    "out_of_fold",
    "pooled_metrics",
    "random_folds",
    "stratified_group_folds",
]

Ints = NDArray[np.int64]
Fit = Callable[[Ints, Ints, int], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class FoldScore:
    """Result of one fold: the numbers of training and test photos, and the metric values."""

    repeat: int
    fold: int
    trained: int
    tested: int
    values: dict[str, float]

    def to_json(self) -> dict[str, object]:
        """Return the fields by name; undefined metrics become None."""
        values = {name: value if math.isfinite(value) else None for name, value in self.values.items()}
        numbers = {"repeat": self.repeat, "fold": self.fold, "trained": self.trained, "tested": self.tested}
        return {**numbers, **values}


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidation:
    """Result of a cross-validation: out-of-fold predictions (one Predictions per repeat), all folds, and metrics.

    `metrics` are means over the repeats of the pooled metrics, with intervals over groups. `standard_errors` are over
    repeats (nan for one repeat); they measure only the variation due to the random choice of folds.
    """

    pooled: tuple[Predictions, ...]
    folds: tuple[FoldScore, ...]
    metrics: dict[str, Estimate]
    standard_errors: dict[str, float]

    def to_json(self) -> dict[str, object]:
        """Return metrics, standard errors over repeats and folds as JSON values."""
        errors = {name: x if math.isfinite(x) else None for name, x in self.standard_errors.items()}
        return {
            "metrics": {name: estimate.to_json() for name, estimate in self.metrics.items()},
            "standard_errors": errors,
            "repeats": len(self.pooled),
            "folds": [fold.to_json() for fold in self.folds],
        }


def cross_validate(  # noqa: PLR0913 - the folds, and what is done with each
    rows: Sequence[IndexRow],
    fit: Fit,
    *,
    classes: Sequence[str],
    folds: int = 5,
    repeats: int = 1,
    grouped: bool = True,
    seed: int = 0,
    files: FoldFiles | None = None,
    progress: ProgressBar = no_progress,
) -> CrossValidation:
    """Fit and test a method on every fold; with ``files``, each fold is stored when it ends, and not fitted again.

    `fit(train, test, seed)` gets indices into `rows` and a separate seed for each fold, and returns logits
    [len(test), K]. Rows with the role "excluded" are left out; "near_duplicate" rows are used for training only. With
    `grouped=False`, groups may be split across folds, which measures group leakage.

    Raises:
        DataError: no original photos, fewer groups than folds, or logits of the wrong shape.
    """
    used, tested = _used_and_tested(rows)
    plan = _plan(rows, np.flatnonzero(used), classes, folds=folds, repeats=repeats, grouped=grouped, seed=seed)
    answers: dict[int, NDArray[np.float64]] = {}
    scores: list[FoldScore] = []
    seeds = np.random.SeedSequence(seed).generate_state(len(plan))
    for fold, fold_seed in zip(progress(plan, total=len(plan), what="cross-validating"), seeds, strict=True):
        train, test = fold.train[used[fold.train]], fold.test[tested[fold.test]]
        paths = [rows[i].path for i in test]
        logits = files.read(fold.repeat, fold.fold, paths) if files else None
        if logits is None:
            logits = _answers(fit, train, test, seed=int(fold_seed), classes=len(classes))
            if files:
                files.write(fold.repeat, fold.fold, paths, logits)
        answers.setdefault(fold.repeat, np.full((len(rows), len(classes)), np.nan))[test] = logits
        part = from_rows(logits, [rows[i] for i in test], classes=classes)
        values = metrics(part.probabilities(), part.labels) if len(part) else {}
        numbers = {name: float(value[0]) for name, value in values.items()}
        scores.append(FoldScore(fold.repeat, fold.fold, trained=len(train), tested=len(test), values=numbers))
    pooled = tuple(_pool(rows, answers[repeat], classes=classes) for repeat in sorted(answers))
    return CrossValidation(pooled, tuple(scores), *pooled_metrics(pooled, seed=seed))


def out_of_fold(
    rows: Sequence[IndexRow],
    fit: Fit,
    *,
    classes: Sequence[str],
    folds: int = 5,
    seed: int = 0,
    progress: ProgressBar = no_progress,
) -> Predictions:
    """Return the predictions of one repeat of `cross_validate` over groups, without metrics: the fits alone.

    Raises:
        DataError: as `cross_validate`.
    """
    used, tested = _used_and_tested(rows)
    plan = _plan(rows, np.flatnonzero(used), classes, folds=folds, repeats=1, grouped=True, seed=seed)
    logits, seeds = np.full((len(rows), len(classes)), np.nan), np.random.SeedSequence(seed).generate_state(len(plan))
    for fold, fold_seed in zip(progress(plan, total=len(plan), what="cross-validating"), seeds, strict=True):
        train, test = fold.train[used[fold.train]], fold.test[tested[fold.test]]
        logits[test] = _answers(fit, train, test, seed=int(fold_seed), classes=len(classes))
    return _pool(rows, logits, classes=classes)


def _used_and_tested(rows: Sequence[IndexRow]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows are trained on or tested, and which are tested, bool [N] each."""
    used = np.array([row.role != Role.EXCLUDED for row in rows], dtype=bool)
    tested = np.array([row.role == Role.ORIGINAL for row in rows], dtype=bool)
    if not tested.any():
        raise DataError("Expected original photos to cross-validate on, got none. Import photos first.")
    return used, tested


def _plan(
    rows: Sequence[IndexRow],
    used: Ints,
    classes: Sequence[str],
    *,
    folds: int,
    repeats: int,
    grouped: bool,
    seed: int,
) -> tuple[Fold, ...]:
    kept = [rows[i] for i in used]
    labels = labels_of(kept, classes=classes)
    groups = [row.group_id for row in kept]
    made: Sequence[Fold] = (
        stratified_group_folds(labels, groups, folds=folds, repeats=repeats, seed=seed)
        if grouped
        else random_folds(labels, folds=folds, repeats=repeats, seed=seed)
    )
    return tuple(Fold(fold.repeat, fold.fold, used[fold.train], used[fold.test]) for fold in made)


def _answers(fit: Fit, train: Ints, test: Ints, *, seed: int, classes: int) -> NDArray[np.float64]:
    if len(test) == 0:
        return np.zeros((0, classes))
    logits = np.asarray(fit(train, test, seed), dtype=np.float64)
    if logits.shape != (len(test), classes):
        raise DataError(f"Expected logits of shape ({len(test)}, {classes}) from the method, got {logits.shape}.")
    return logits


def _pool(rows: Sequence[IndexRow], logits: NDArray[np.float64], *, classes: Sequence[str]) -> Predictions:
    predicted = np.flatnonzero(~np.isnan(logits).any(axis=1))
    return from_rows(logits[predicted], [rows[int(i)] for i in predicted], classes=classes)


def pooled_metrics(
    pooled: Sequence[Predictions], *, temperature: float = 1.0, seed: int = 0
) -> tuple[dict[str, Estimate], dict[str, float]]:
    """Return means over the repeats of the metrics, with intervals over groups, and the standard errors over repeats.

    The values are those of `CrossValidation.metrics` and `CrossValidation.standard_errors`.
    """
    values: dict[str, list[float]] = {name: [] for name in METRICS}
    drawn: dict[str, NDArray[np.float64]] = {name: np.zeros(REPLICATES) for name in METRICS}
    for scored in pooled:
        weights = cluster_bootstrap_weights(scored.group_numbers(), seed=seed)
        probabilities = scored.probabilities(temperature=temperature)
        once, many = (metrics(probabilities, scored.labels, weights=w) for w in (None, weights))
        for name in METRICS:
            values[name].append(float(once[name][0]))
            drawn[name] += many[name] / len(pooled)
    labels, groups = pooled[0].labels, pooled[0].group_numbers()
    estimates = {
        name: metric_estimate(name, float(np.mean(values[name])), drawn[name], labels=labels, groups=groups)
        for name in METRICS
    }
    repeats = len(pooled)
    errors = {
        name: float(np.std(values[name], ddof=1) / math.sqrt(repeats)) if repeats > 1 else math.nan for name in METRICS
    }
    return estimates, errors

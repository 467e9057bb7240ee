"""Rules on whether a new data version may replace the previous one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from petmood.core.atomic_directory import name_some
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import DataIndex, Role, read_index
from petmood.data.validation.dataset_diff import DatasetDiff, diff_datasets
from petmood.data.validation.drift import Drift, image_statistics, measure_drift
from petmood.data.validation.issues import ValidationReport, validate_dataset

__all__ = ["DatasetDiffReport", "DiffLimits", "Violation", "check_diff"]


@dataclass(frozen=True, slots=True)
class DiffLimits:
    """Largest changes allowed, as shares from 0 to 1.

    ``drift`` limits the distance between the distributions of a statistic, see ``measure_drift``. ``relabelled`` limits
    the share of kept photos with another class.
    """

    drift: float = 0.2
    relabelled: float = 0.05


@dataclass(frozen=True, slots=True)
class Violation:
    """One violated rule: a code, a message and the photos."""

    code: str
    message: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetDiffReport:
    """Comparison of a data version with the previous one; ``old`` is None for the first version."""

    validation: ValidationReport
    old: DataIndex | None
    diff: DatasetDiff
    drifts: tuple[Drift, ...]
    violations: tuple[Violation, ...]

    @property
    def has_violations(self) -> bool:
        """Whether any rule is violated; `petmood data diff` then exits with status 1."""
        return bool(self.violations)

    def summary(self) -> str:
        """Return a summary of changes and violations in a few lines."""
        change, previous = self.diff, f"against {self.old.hash[:12]}" if self.old else "the first version"
        counts = (
            f"{len(change.added)} photos added, {len(change.removed)} removed, "
            f"{len(change.relabelled)} relabeled, {len(change.moved)} in another split"
        )
        lines = [f"{self.validation.name}: data version {self.validation.index.hash[:12]}, {previous}: {counts}"]
        lines += [f"[VIOLATION] {reason.message}{_some(reason.paths)}" for reason in self.violations]
        return "\n".join([*lines, f"Verdict: {'rejected as the next version' if self.has_violations else 'accepted'}."])


def check_diff(
    folder: Path, *, against: Path | None = None, limits: DiffLimits | None = None, progress: ProgressBar = no_progress
) -> DatasetDiffReport:
    """Validate a dataset and compare it with its previous version, if there is one.

    Raises:
        DataError: one of the two folders is not a dataset.
    """
    old = read_index(against) if against else None
    checked = validate_dataset(folder, progress=progress)
    change = diff_datasets(old or (), checked.index)
    drifts: tuple[Drift, ...] = ()
    if against and old:
        before = image_statistics(against, old, progress=progress)
        drifts = measure_drift(before, image_statistics(folder, checked.index, known=before, progress=progress))
    reasons = (*_has_blocking_issues(checked), *_against(old, checked.index, change, drifts, limits or DiffLimits()))
    return DatasetDiffReport(checked, old, change, drifts, reasons)


def _has_blocking_issues(checked: ValidationReport) -> Iterator[Violation]:
    for finding in checked.issues:
        if finding.is_blocking:
            yield Violation(finding.code, finding.message, finding.paths)


def _against(
    old: DataIndex | None, new: DataIndex, change: DatasetDiff, drifts: tuple[Drift, ...], limits: DiffLimits
) -> Iterator[Violation]:
    if old is None:
        return
    if change.leaked:
        names = tuple(both.new.path for both in change.leaked)
        yield Violation(
            "train_test_leak", f"{len(names)} evaluation photos were training photos in the previous version", names
        )
    if change.duplicates_of_trained:
        names = tuple(row.path for row in change.duplicates_of_trained)
        yield Violation(
            "duplicate_of_training_photo",
            f"{len(names)} new evaluation photos are near-duplicates of earlier training photos",
            names,
        )
    for label in old.classes:
        if _has(old, label) and not _has(new, label):
            yield Violation("class_missing", f"No originals of class '{label}' are left")
    relabelled = len(change.relabelled)
    if relabelled > limits.relabelled * len(change.kept):
        names = tuple(both.new.path for both in change.relabelled)
        share = f"{relabelled / len(change.kept):.1%}"
        yield Violation(
            "relabelled", f"{share} of the unchanged photos have another label, over {limits.relabelled:.1%}", names
        )
    for drift in drifts:
        if drift.is_significant(limits.drift):
            moved = f"{drift.statistic} changed from {' to '.join(distinct(drift.old, drift.new))} (medians)"
            yield Violation(
                "drift", f"{moved}: distance {drift.distance:.2f} over {limits.drift:.2f}, p = {drift.p_value:.2g}"
            )


def distinct(old: float, new: float) -> tuple[str, str]:
    """Return two numbers with three digits, or as many more as it takes to distinguish them.

    >>> distinct(1.0, 1.0004)
    ('1', '1.0004')
    """
    shown = [(f"{old:.{digits}g}", f"{new:.{digits}g}") for digits in range(3, 18)]
    return next((pair for pair in shown if pair[0] != pair[1]), shown[0])


def _has(rows: DataIndex, label: str) -> bool:
    return any(row.label == label and row.role == Role.ORIGINAL for row in rows)


def _some(paths: tuple[str, ...]) -> str:
    """Return the first names for a terminal, with control characters escaped."""
    names = ["".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in path) for path in paths]
    return f": {name_some(names)}" if names else ""

"""Drift test of one window of logged photos against a reference: three questions at one level for all together."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from petmood.core.errors import ConfigError, DataError
from petmood.core.multiple_tests import holm
from petmood.monitoring.drift.questions import Answer, Change, Question, answer, draw_sample, typical_rows
from petmood.monitoring.measurements import Measurements
from petmood.monitoring.metric_names import DriftStatus
from petmood.monitoring.prediction_log.rows import PhotoKey

__all__ = ["LEVEL", "MINIMUM", "PERMUTATIONS", "DriftResult", "Finding", "Share", "detect_drift"]

LEVEL: Final = 0.02
"""Highest probability that a window of unchanged photos is called drift."""
MINIMUM: Final = 50
"""Fewest rows of reference and window for a test."""
PERMUTATIONS: Final = 999
TYPICAL: Final = 9
"""Most photos of each side that are named as typical of the change."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one question.

    ``p_value`` is that of the question alone, ``adjusted_p`` corrected for the three questions by Holm's method.
    ``statistic``, ``effect`` and ``changes`` are those of ``Answer``.
    """

    question: Question
    drifted: bool
    statistic: float
    p_value: float
    adjusted_p: float
    effect: float
    sentence: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """A mean over the photos of the reference and of the window, for explanation: it is not tested."""

    name: str
    reference: float
    window: float


@dataclass(frozen=True, slots=True)
class DriftResult:
    """Result of one window.

    ``rows_compared`` are the rows of reference and window that the MMD compared. ``typical`` are the photos of the
    window most typical of the change, and ``typical_before`` the rows of the reference that the window has least of.
    Both are empty without drift, and the first for a window without places in the log. ``findings`` is empty if there
    are too few rows.
    """

    status: DriftStatus
    sentence: str
    level: float
    rows: int
    reference_rows: int
    rows_compared: tuple[int, int] = (0, 0)
    findings: tuple[Finding, ...] = ()
    shares: tuple[Share, ...] = ()
    typical: tuple[PhotoKey, ...] = ()
    typical_before: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, of types that JSON has."""
        return asdict(self)


def detect_drift(
    reference: Measurements,
    window: Measurements,
    *,
    level: float = LEVEL,
    minimum: int = MINIMUM,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> DriftResult:
    """Compare a window with the reference; the same arguments give the same result.

    An unchanged window is called drift with a probability of at most ``level``. The image statistics (corrected for
    their number) and the residual norm get Kolmogorov-Smirnov tests, the embedding an MMD test. Holm's correction is
    for the three. All tests have two samples, so they are valid for a reference of any size.

    Raises:
        ConfigError: ``level`` is not between 0 and 1, ``minimum`` is below 2, or there are too few permutations.
        DataError: widths of reference and window differ.
    """
    _check(reference, window, level=level, minimum=minimum, permutations=permutations)
    if min(len(window), len(reference)) < minimum:
        return _insufficient(reference, window, level=level, minimum=minimum)
    rng = np.random.default_rng(seed)
    sample = draw_sample(reference, window, rng=rng)
    answers = [answer(one, reference, window, sample, permutations=permutations, rng=rng) for one in Question]
    findings = _findings(answers, level=level)
    drifted = [found for found, finding in zip(answers, findings, strict=True) if finding.drifted]
    typical: tuple[PhotoKey, ...] = ()
    typical_before: tuple[int, ...] = ()
    if drifted:
        leading = min(drifted, key=lambda found: (found.question is not Question.EMBEDDING, found.p_value))
        rows = typical_rows(leading, reference, window, sample, most=TYPICAL)
        typical = tuple(window.places[row].key for row in rows.window_rows) if window.places else ()
        typical_before = tuple(int(row) for row in rows.reference_rows)
    return DriftResult(
        DriftStatus.DRIFT if drifted else DriftStatus.OK,
        " ".join(finding.sentence for finding in findings if finding.drifted) or "No change found.",
        level,
        len(window),
        len(reference),
        (len(sample.reference_rows), len(sample.window_rows)),
        findings,
        _shares(reference, window),
        typical,
        typical_before,
    )


def _findings(answers: list[Answer], *, level: float) -> tuple[Finding, ...]:
    adjusted = holm([found.p_value for found in answers])
    return tuple(
        Finding(
            found.question,
            p_value <= level,
            found.statistic,
            found.p_value,
            p_value,
            found.effect,
            found.sentence(drifted=p_value <= level),
            found.changes,
        )
        for found, p_value in zip(answers, adjusted, strict=True)
    )


def _insufficient(reference: Measurements, window: Measurements, *, level: float, minimum: int) -> DriftResult:
    few, what = (len(window), "window") if len(window) < minimum else (len(reference), "reference")
    sentence = f"Too few rows for a test: expected at least {minimum} in the {what}, got {few}."
    return DriftResult(DriftStatus.INSUFFICIENT, sentence, level, len(window), len(reference))


def _shares(reference: Measurements, window: Measurements) -> tuple[Share, ...]:
    before, after = _means(reference, reference.classes), _means(window, reference.classes)
    return tuple(Share(name, before[name], after[name]) for name in before)


def _means(some: Measurements, classes: tuple[str, ...]) -> dict[str, float]:
    predicted = np.bincount(some.probabilities.argmax(axis=1), minlength=len(classes)) / len(some.probabilities)
    return {
        **{f"predicted {name}": float(share) for name, share in zip(classes, predicted, strict=True)},
        "highest probability": float(some.probabilities.max(axis=1).mean(dtype=np.float64)),
        "not confident": float(1 - some.confident.mean()),
        "out of domain": float(1 - some.in_domain.mean()),
    }


def _check(reference: Measurements, window: Measurements, *, level: float, minimum: int, permutations: int) -> None:
    if not 0 < level < 1:
        raise ConfigError(f"Expected a level between 0 and 1, got {level}. {LEVEL} is usual.")
    if minimum < 2:
        raise ConfigError(f"Expected a minimum of 2 rows or more, got {minimum}. {MINIMUM} is usual.")
    fewest = int(np.ceil(len(Question) / level))
    if permutations < fewest:
        raise ConfigError(
            f"Expected at least {fewest} permutations, got {permutations}: fewer can't reach the level of {level}. "
            f"{PERMUTATIONS} are usual."
        )
    for name in ("embedding", "probabilities"):
        wide, found = (getattr(some, name).shape[1] for some in (reference, window))
        if wide != found:
            raise DataError(
                f"Expected {name} of {wide} columns in the window, as in the reference, got {found}. "
                "Compare rows of the model version that the reference belongs to."
            )

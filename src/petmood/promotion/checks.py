"""Promotion checks: compare a candidate with the champion on the same held-out photos.

A check uses the interval of the difference over groups, not the difference alone. The interval is the wider of two:
the bootstrap interval, and the adjusted interval of Agresti and Min (2005), which adds one group to either side.
The bootstrap alone is too narrow if few predictions differ: four wins and no loss would count as an improvement.
"""

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import ConfigError, DataError
from petmood.evaluation.bootstrap import Estimate, bootstrap_estimate, cluster_bootstrap_weights, estimate_metrics
from petmood.evaluation.metrics import expected_calibration_error
from petmood.evaluation.paired import paired_test
from petmood.evaluation.predictions import Predictions
from petmood.presentation.display_names import percent_text, title
from petmood.promotion.compare import BundlePredictions, Latency
from petmood.promotion.records import Check, PromotionReport, SliceComparison

__all__ = ["Check", "Criterion", "PromotionLimits", "PromotionReport", "difference", "evaluate_checks"]

Z: Final = 1.959964
MEGABYTE: Final = 1e6

Floats = NDArray[np.float64]


class Criterion(StrEnum):
    """What the interval of the difference in accuracy must show."""

    SUPERIOR = "superior"
    """It lies above 0."""
    NON_INFERIOR = "non_inferior"
    """It lies above ``-margin``."""


@dataclass(frozen=True, slots=True)
class PromotionLimits:
    """Limits of the promotion checks; shares are from 0 to 1.

    Raises:
        ConfigError: unknown criterion, or a limit that is negative or not finite.
    """

    criterion: Criterion = Criterion.SUPERIOR
    margin: float = 0.02
    max_class_drop: float = 0.15
    """Largest allowed drop of a class's recall, if more than one group is affected, even if not significant."""
    max_ece_increase: float = 0.05
    max_nll_increase: float = 0.02
    """In nats per photo. For this and the calibration error, only a significant increase fails the check."""
    max_corrupted_drop: float = 0.05
    """Largest allowed drop of the accuracy under corruption, even if not significant."""
    max_latency_ratio: float = 1.5
    max_size_ratio: float = 3.0
    max_latency_ms: float = 250.0
    """On one thread; a candidate that is no slower than the champion passes even above this limit."""
    max_size_mb: float = 500.0
    max_ece: float = 0.2
    """For a first model, without a champion to compare with."""
    min_photos: int = 20
    min_groups: int = 10

    def __post_init__(self) -> None:
        """Reject an unknown criterion, and limits that are negative or not finite."""
        if self.criterion not in tuple(Criterion):
            raise ConfigError(f"Unknown promotion limit criterion={self.criterion!r}. Known: {', '.join(Criterion)}.")
        object.__setattr__(self, "criterion", Criterion(self.criterion))  # what a person typed is a plain text
        for name, value in asdict(self).items():
            if name != "criterion" and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"Expected a finite promotion limit {name} of 0 or more, got {value}.")

    def to_json(self) -> dict[str, str | float]:
        """Return the limits by name."""
        return asdict(self)


def evaluate_checks(
    candidate: BundlePredictions, champion: BundlePredictions | None, *, latency: Latency, limits: PromotionLimits
) -> tuple[Check, ...]:
    """Run all checks that need predictions, latency and size; a failed check does not stop the others.

    Raises:
        DataError: the two bundles predicted different photos, or there are no photos.
    """
    if len(candidate.clean) == 0:
        raise DataError("Expected photos to evaluate a candidate on, got none. Give data with a test split.")
    costs = (_latency(latency, limits), _size(candidate, champion, limits))
    if champion is None:
        return (_above_chance(candidate.clean), _calibrated(candidate.clean, limits), *costs)
    clean = _side_by_side(candidate.clean, champion.clean)
    corrupted = _side_by_side(candidate.corrupted, champion.corrupted)
    return (
        _superiority(*clean, limits),
        _per_class_recall(*clean, limits),
        _calibration(*clean, limits),
        _robustness(*corrupted, limits),
        *costs,
    )


def difference(candidate: Predictions, champion: Predictions) -> Estimate:
    """Estimate the candidate's accuracy minus the champion's, with its interval; both have the same photos in order."""
    apart = _right(candidate) - _right(champion)
    groups = candidate.group_numbers()
    sums, sizes = np.bincount(groups, weights=apart), np.bincount(groups)
    times = cluster_bootstrap_weights(np.arange(len(sums)), seed=0)
    value = float(apart.mean())
    drawn = bootstrap_estimate(value, times @ sums / (times @ sizes), n=len(apart), groups=len(sums))
    low, high = _adjusted_interval(sums / sizes.mean())
    return Estimate(value, float(np.fmin(drawn.low, low)), float(np.fmax(drawn.high, high)), n=len(apart))


def _adjusted_interval(moved: Floats) -> tuple[float, float]:
    """Return the interval of the mean change per group (Agresti and Min, 2005), with one group added to each side."""
    groups = len(moved) + 2
    middle = float(moved.sum()) / groups
    reach = Z * math.sqrt(float((moved**2).sum()) + 1 - groups * middle**2) / groups
    return max(-1.0, middle - reach), min(1.0, middle + reach)


def _right(scored: Predictions) -> Floats:
    return np.asarray(scored.predicted() == scored.labels, dtype=np.float64)


def _part(name: str, candidate: Predictions, champion: Predictions) -> SliceComparison:
    accuracies = float(_right(candidate).mean()), float(_right(champion).mean())
    return SliceComparison(name, *accuracies, difference(candidate, champion))


def _side_by_side(candidate: Predictions, champion: Predictions) -> tuple[Predictions, Predictions]:
    first, second = (scored.take(np.argsort(np.array(scored.paths))) for scored in (candidate, champion))
    if (first.paths, first.groups, first.classes) != (second.paths, second.groups, second.classes) or (
        first.labels.tolist() != second.labels.tolist()
    ):
        raise DataError("Expected both bundles to predict the same photos, got different ones. Run both again.")
    return first, second


def _superiority(candidate: Predictions, champion: Predictions, limits: PromotionLimits) -> Check:
    part = _part("all photos", candidate, champion)
    bar = 0.0 if limits.criterion == Criterion.SUPERIOR else -limits.margin
    passed, p_value = part.difference.low > bar, paired_test(candidate, champion).p_value
    wanted = f"interval above {_points(bar)}" if bar else "interval above 0"
    verdict = "shown" if passed else "not shown"
    claim = "better" if limits.criterion == Criterion.SUPERIOR else f"at most {100 * limits.margin:g} points worse"
    sentence = (
        f"Accuracy {part.candidate:.1%} on {part.difference.n} photos, champion {part.champion:.1%}: "
        f"{_with_interval(part.difference)}; {verdict} to be {claim}."
    )
    return Check(
        "superiority", passed, _with_interval(part.difference), wanted, sentence, {"p_value": p_value}, (part,)
    )


def _per_class_recall(candidate: Predictions, champion: Predictions, limits: PromotionLimits) -> Check:
    parts, worse = [], []
    for number, label in enumerate(candidate.classes):
        of_label = candidate.labels == number
        if of_label.any():
            part = _part(label, candidate.take(of_label), champion.take(of_label))
            groups = len({candidate.groups[position] for position in np.flatnonzero(of_label)})
            drop = -part.difference.value
            parts.append(part)
            if part.difference.high < 0 or (drop > limits.max_class_drop and drop * groups > 1.5):
                worse.append(f"{label} by {100 * drop:.1f} points ({part.champion:.1%} to {part.candidate:.1%})")
    lowest = min(parts, key=lambda part: part.difference.value)
    unseen = [label for label in candidate.classes if label not in {part.name for part in parts}]
    sentence = f"Lower recall: {'; '.join(worse)}." if worse else "No class lost a significant amount of recall."
    sentence += f" There are no photos of {', '.join(unseen)}." if unseen else ""
    measured = f"{lowest.name} {_with_interval(lowest.difference)}"
    limit = f"none significantly below 0, none below {_points(-limits.max_class_drop)}"
    return Check("per_class_recall", not worse, measured, limit, sentence, parts=tuple(parts))


def _calibration(candidate: Predictions, champion: Predictions, limits: PromotionLimits) -> Check:
    nll = paired_test(candidate, champion, metric="nll").difference
    ece = _ece_difference(candidate, champion)
    passed = not (nll.value > limits.max_nll_increase and nll.low > 0)
    passed &= not (ece.value > limits.max_ece_increase and ece.low > 0)
    measured = f"{title('ece')} {_with_interval(ece)}, {title('nll')} {_number(nll)}"
    verdict = "not significantly worse" if passed else "worse"
    sentence = f"The probabilities are {verdict} than the champion's: {measured}."
    numbers = {"ece": ece.value, "ece_low": ece.low, "ece_high": ece.high}
    numbers |= {"nll": nll.value, "nll_low": nll.low, "nll_high": nll.high}
    limit = f"not significantly worse by {_points(limits.max_ece_increase)} or {limits.max_nll_increase:+g}"
    return Check("calibration", passed, measured, limit, sentence, numbers)


def _ece_difference(candidate: Predictions, champion: Predictions) -> Estimate:
    weights = cluster_bootstrap_weights(candidate.group_numbers(), seed=0)
    value, drawn = (
        _ece(candidate, weights=some) - _ece(champion, weights=some) for some in (np.ones((1, len(candidate))), weights)
    )
    groups = len(set(candidate.groups))
    return bootstrap_estimate(float(value[0]), drawn, n=len(candidate), groups=groups)


def _ece(scored: Predictions, *, weights: Floats) -> Floats:
    return expected_calibration_error(scored.probabilities(), scored.labels, weights=weights)


def _robustness(candidate: Predictions, champion: Predictions, limits: PromotionLimits) -> Check:
    total = _part("all corruptions", candidate, champion)
    kinds = np.array(candidate.source)
    parts = [_part(str(kind), candidate.take(kinds == kind), champion.take(kinds == kind)) for kind in np.unique(kinds)]
    passed = total.difference.high >= 0 and total.difference.value >= -limits.max_corrupted_drop
    weakest = min(parts, key=lambda part: part.difference.value)
    sentence = (
        f"Accuracy {total.candidate:.1%} on corrupted photos, champion {total.champion:.1%}: "
        f"{_with_interval(total.difference)}; lowest for {weakest.name}, {_points(weakest.difference.value)}."
    )
    limit = f"not significantly below 0, not below {_points(-limits.max_corrupted_drop)}"
    return Check("robustness", passed, _with_interval(total.difference), limit, sentence, parts=(total, *parts))


def _above_chance(candidate: Predictions) -> Check:
    found = estimate_metrics(candidate)
    counts = np.bincount(candidate.labels)
    bars = {"accuracy": counts.max() / counts.sum(), "balanced_accuracy": 1 / np.count_nonzero(counts)}
    passed = all(found[name].low > bar for name, bar in bars.items())
    measured = "; ".join(f"{title(name)} {percent_text(found[name])}" for name in bars)
    limit = "; ".join(f"interval of {title(name)} above {bar:.1%}" for name, bar in bars.items())
    verdict = "better" if passed else "not shown to be better"
    sentence = f"No champion to compare with; {verdict} than always predicting the most frequent class: {measured}."
    return Check("superiority", passed, measured, limit, sentence, {name: found[name].low for name in bars})


def _calibrated(candidate: Predictions, limits: PromotionLimits) -> Check:
    ece = float(_ece(candidate, weights=np.ones((1, len(candidate))))[0])
    sentence = f"The calibration error is {100 * ece:.1f} points."
    return Check(
        "calibration", ece <= limits.max_ece, f"{ece:.1%}", f"at most {limits.max_ece:.1%}", sentence, {"ece": ece}
    )


def _latency(latency: Latency, limits: PromotionLimits) -> Check:
    took, ratio, bar = latency.candidate_ms, latency.ratio, limits.max_latency_ms
    numbers = {"candidate_ms": took, "rounds": latency.rounds}
    measured, limit = f"{took:.1f} ms", f"at most {bar:g} ms"
    sentence = f"A photo takes {took:.2f} ms on one thread"
    if ratio is None or latency.champion_ms is None:
        return Check("latency", took <= bar, measured, limit, f"{sentence}.", numbers)
    passed = ratio <= limits.max_latency_ratio and took <= max(bar, latency.champion_ms)
    numbers |= {"champion_ms": latency.champion_ms, "ratio": ratio}
    sentence += f", with the champion {latency.champion_ms:.2f} ms: {ratio:.2f} times as long."
    measured = f"{ratio:.2f} times, {measured}"
    return Check("latency", passed, measured, f"at most {limits.max_latency_ratio:g} times, {limit}", sentence, numbers)


def _size(candidate: BundlePredictions, champion: BundlePredictions | None, limits: PromotionLimits) -> Check:
    size, bar = candidate.bundle.model_bytes / MEGABYTE, limits.max_size_mb
    measured, limit = f"{size:.2f} MB", f"at most {bar:g} MB"
    sentence, numbers = f"The network has {size:.2f} MB", {"candidate_mb": size}
    if champion is None:
        return Check("size", size <= bar, measured, limit, f"{sentence}.", numbers)
    before = champion.bundle.model_bytes / MEGABYTE
    ratio = size / before
    passed = ratio <= limits.max_size_ratio and size <= max(bar, before)
    numbers |= {"champion_mb": before, "ratio": ratio}
    sentence += f", the champion's {before:.2f} MB: {ratio:.2f} times as large."
    measured = f"{ratio:.2f} times, {measured}"
    return Check("size", passed, measured, f"at most {limits.max_size_ratio:g} times, {limit}", sentence, numbers)


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points"


def _with_interval(estimate: Estimate) -> str:
    interval = f" ({100 * estimate.low:+.1f} to {100 * estimate.high:+.1f})" if math.isfinite(estimate.low) else ""
    return _points(estimate.value) + interval


def _number(estimate: Estimate) -> str:
    interval = f" ({estimate.low:+.3f} to {estimate.high:+.3f})" if math.isfinite(estimate.low) else ""
    return f"{estimate.value:+.3f}{interval}"

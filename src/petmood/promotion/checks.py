"""Promotion checks: compare a candidate with the champion on the same held-out photos.

A check uses the interval of the difference over groups, not the difference alone.
"""

from typing import Final

import numpy as np

from petmood.core.errors import DataError
from petmood.evaluation.bootstrap import estimate_metrics, estimate_proportion
from petmood.evaluation.differences import widened
from petmood.evaluation.paired import paired_test
from petmood.evaluation.predictions import Predictions
from petmood.presentation.display_names import percent_text, title
from petmood.promotion.calibration import check_calibration, check_first_calibration
from petmood.promotion.class_recall import check_class_recall
from petmood.promotion.compare import BundlePredictions, Latency
from petmood.promotion.differences import compare_slice, points_text, side_by_side, with_interval
from petmood.promotion.limits import CONFIDENCE, Criterion, PromotionLimits
from petmood.promotion.records import Check

__all__ = ["evaluate_checks"]

MEGABYTE: Final = 1e6


def evaluate_checks(
    candidate: BundlePredictions,
    champion: BundlePredictions | None,
    *,
    latency: Latency,
    limits: PromotionLimits,
    confidence: float = CONFIDENCE,
) -> tuple[Check, ...]:
    """Run all checks that need predictions, latency and size; a failed check does not stop the others.

    ``confidence`` is that of the interval in the check ``superiority``, the only one by which chance can promote.

    Raises:
        DataError: the two bundles predicted different photos, or there are no photos.
    """
    if len(candidate.clean) == 0:
        raise DataError("Expected photos to evaluate a candidate on, got none. Give data with a test split.")
    costs = (_latency(latency, limits), _size(candidate, champion, limits))
    if champion is None:
        return (
            _above_chance(candidate.clean, confidence=confidence),
            check_first_calibration(candidate.clean, limits),
            _first_robustness(candidate),
            *costs,
        )
    clean = side_by_side(candidate.clean, champion.clean)
    corrupted = side_by_side(candidate.corrupted, champion.corrupted)
    return (
        _superiority(*clean, limits, confidence=confidence),
        check_class_recall(*clean, limits),
        check_calibration(*clean, limits),
        _robustness(*corrupted, limits),
        *costs,
    )


def _superiority(candidate: Predictions, champion: Predictions, limits: PromotionLimits, *, confidence: float) -> Check:
    part = compare_slice("all photos", candidate, champion, confidence=confidence)
    bar = 0.0 if limits.criterion == Criterion.SUPERIOR else -limits.margin
    passed, p_value = part.difference.low > bar, paired_test(candidate, champion).p_value
    wanted = f"{100 * confidence:.3g}% interval above {points_text(bar) if bar else 0}"
    verdict = "shown" if passed else "not shown"
    claim = "better" if limits.criterion == Criterion.SUPERIOR else f"at most {100 * limits.margin:g} points worse"
    sentence = (
        f"Accuracy {part.candidate:.1%} on {part.difference.n} photos, champion {part.champion:.1%}: "
        f"{with_interval(part.difference)}; {verdict} to be {claim}."
    )
    return Check("superiority", passed, with_interval(part.difference), wanted, sentence, {"p_value": p_value}, (part,))


def _robustness(candidate: Predictions, champion: Predictions, limits: PromotionLimits) -> Check:
    total = compare_slice("all corruptions", candidate, champion)
    kinds = np.array(candidate.source)
    parts = [
        compare_slice(str(kind), candidate.take(kinds == kind), champion.take(kinds == kind))
        for kind in np.unique(kinds)
    ]
    passed = total.difference.high >= 0 and total.difference.value >= -limits.max_corrupted_drop
    weakest = min(parts, key=lambda part: part.difference.value)
    sentence = (
        f"Accuracy {total.candidate:.1%} on corrupted photos, champion {total.champion:.1%}: "
        f"{with_interval(total.difference)}; lowest for {weakest.name}, {points_text(weakest.difference.value)}."
    )
    limit = f"not significantly below 0, not below {points_text(-limits.max_corrupted_drop)}"
    return Check("robustness", passed, with_interval(total.difference), limit, sentence, parts=(total, *parts))


def _first_robustness(candidate: BundlePredictions) -> Check:
    """Refuse a first model that is shown to be worse than the most frequent class under corruptions."""
    counts, kinds = np.bincount(candidate.clean.labels), np.array(candidate.corrupted.source)
    right = candidate.corrupted.predicted() == candidate.corrupted.labels
    found = estimate_proportion(right, candidate.corrupted.group_numbers())
    by_kind = {str(kind): float(right[kinds == kind].mean()) for kind in np.unique(kinds)}
    weakest = min(by_kind, key=lambda kind: by_kind[kind])
    clean = float((candidate.clean.predicted() == candidate.clean.labels).mean())
    bar, measured = float(counts.max() / counts.sum()), percent_text(found)
    sentence = (
        f"Accuracy {measured} on corrupted photos, {clean:.1%} without corruption; lowest for {title(weakest)}, "
        f"{by_kind[weakest]:.1%}. Always predicting the most frequent class has {bar:.1%}."
    )
    numbers = {"accuracy": found.value, "low": found.low, "high": found.high, "clean": clean, **by_kind}
    return Check("robustness", found.high >= bar, measured, f"not significantly below {bar:.1%}", sentence, numbers)


def _above_chance(candidate: Predictions, *, confidence: float) -> Check:
    found = {name: widened(one, confidence=confidence) for name, one in estimate_metrics(candidate).items()}
    counts = np.bincount(candidate.labels)
    bars = {"accuracy": counts.max() / counts.sum(), "balanced_accuracy": 1 / np.count_nonzero(counts)}
    passed = all(found[name].low > bar for name, bar in bars.items())
    measured = "; ".join(f"{title(name)} {percent_text(found[name])}" for name in bars)
    limit = "; ".join(
        f"{100 * confidence:.3g}% interval of {title(name)} above {bar:.1%}" for name, bar in bars.items()
    )
    verdict = "better" if passed else "not shown to be better"
    sentence = f"No champion to compare with; {verdict} than always predicting the most frequent class: {measured}."
    return Check("superiority", passed, measured, limit, sentence, {name: found[name].low for name in bars})


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

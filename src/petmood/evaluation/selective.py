"""Selective classification: abstention threshold with an error guarantee, and risk-coverage curves.

The threshold is chosen by Learn-then-Test (Angelopoulos et al., 2021). Every candidate is tested with an exact
binomial bound, along sequences fixed by the confidences alone. With the stated confidence, the true error among
accepted predictions is at most the target. The threshold is chosen on validation photos and measured on test photos.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from petmood.core.errors import ConfigError
from petmood.evaluation.bootstrap import Estimate, estimate_proportion
from petmood.evaluation.predictions import Predictions

__all__ = [
    "FALLBACK_RISK",
    "AbstainRule",
    "RiskCoverage",
    "Selective",
    "choose_threshold",
    "evaluate_selective",
    "risk_coverage",
]

FALLBACK_RISK: Final = 0.2
"""Share of the error probability that the fallback errors take together, if there are any."""

_STARTS: Final = ((0.25, 0.5, 0.75, 1.0), (0.5, 1.0), (1.0,))
"""Sequences of starts, as shares of the most confident photos; the first one whose starts can all pass is used."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """Error among accepted predictions [M] and share of accepted photos [M], for descending thresholds [M].

    `aurc` is the mean error over all coverages (Geifman et al., 2019): lower is better, 0 is perfect.
    """

    thresholds: Floats
    coverage: Floats
    risk: Floats
    aurc: float


@dataclass(frozen=True, slots=True)
class AbstainRule:
    """Confidence threshold below which the model abstains, or None; `reason` explains either.

    With probability `confidence` over validation sets (0.9: nine of ten), the true error among accepted predictions is
    at most `target_error`. `error` and `coverage` are the values on the validation photos at the threshold.
    """

    threshold: float | None
    target_error: float
    confidence: float
    error: float
    coverage: float
    n: int
    reason: str

    def to_json(self) -> dict[str, float | int | str | None]:
        """Return the fields by name; undefined numbers become None."""
        return {
            "threshold": self.threshold,
            "target_error": self.target_error,
            "confidence": self.confidence,
            "valid_error": self.error if math.isfinite(self.error) else None,
            "valid_coverage": self.coverage,
            "n": self.n,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Selective:
    """Measured error among accepted predictions (`error.n` of them), and the share of photos accepted."""

    error: Estimate
    coverage: Estimate


def risk_coverage(scored: Predictions, *, temperature: float = 1.0) -> RiskCoverage:
    """Compute the risk-coverage curve; photos of equal confidence are accepted together."""
    confidence = scored.probabilities(temperature=temperature).max(axis=1)
    wrong = (scored.predicted() != scored.labels).astype(np.float64)
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.zeros(0, np.int64)
    accepted = last + 1
    risk = np.cumsum(wrong[order])[last] / accepted if len(last) else np.zeros(0)
    steps = np.diff(accepted, prepend=0)
    aurc = float((risk * steps).sum() / steps.sum()) if len(last) else math.nan
    return RiskCoverage(ranked[last], accepted / max(len(ranked), 1), risk, aurc)


def choose_threshold(
    scored_valid: Predictions,
    *,
    target_error: float = 0.1,
    fallback_errors: Sequence[float] = (),
    temperature: float = 1.0,
    confidence: float = 0.9,
    out_of_fold: bool = False,
) -> AbstainRule:
    """Find the lowest threshold whose true error among accepted predictions is at most `target_error`.

    If there is none, the larger errors of `fallback_errors` are the target in turn; the rule says which one it is for.
    The targets share the error probability `1 - confidence` (Bonferroni): the fallbacks take `FALLBACK_RISK` of it.

    Candidates are the observed confidences. There are four starts: the 25%, 50%, 75% and 100% most confident photos,
    with a quarter of the error probability each. Where 25% are too few groups to pass without an error, there are two
    starts (50% and 100%), or one. That depends on the confidences alone, not on what is right. From each start, the
    threshold is lowered while a binomial test rejects "the error is above the target". A group is one trial; its errors
    count by their share, rounded up in total. With `out_of_fold`, the predictions are those of a recipe's folds, as
    the reason then says; the procedure is the same.

    Raises:
        ConfigError: an error or `confidence` is not between 0 and 1.
    """
    shares = [("target_error", target_error), ("confidence", confidence)]
    for name, number in [*shares, *(("fallback_errors", error) for error in fallback_errors)]:
        if not 0 < number < 1:
            raise ConfigError(f"Expected {name} between 0 and 1, got {number}. For example: {name}=0.1.")
    curve = risk_coverage(scored_valid, temperature=temperature)
    tried, errors, trials = _group_trials(scored_valid, curve, temperature=temperature)
    risks = _risks(target_error, fallback_errors, risk=1 - confidence)
    for target, risk in risks.items():
        starts = _choose_starts(trials, curve.coverage, target_error=target, risk=risk)
        passed = stats.binom.cdf(np.ceil(errors - 1e-9), trials, target) <= risk / max(len(starts), 1)
        if (best := _last_reached(passed, starts)) is not None:
            source = ", out-of-fold predictions" if out_of_fold else ""
            reason = f"error at most {target:.0%} with {confidence:.0%} confidence (Learn-then-Test, binomial{source})"
            return AbstainRule(
                float(curve.thresholds[best]),
                target,
                confidence,
                error=float(curve.risk[best]),
                coverage=float(curve.coverage[best]),
                n=len(scored_valid),
                reason=reason if target == target_error else f"{reason}; none for {target_error:.0%}",
            )
    groups = f"{tried} groups of out-of-fold predictions" if out_of_fold else f"{tried} validation groups"
    largest, risk = [*risks.items()][-1]
    reason = _no_threshold_reason(tried, groups, target_error=largest, risk=risk)
    return AbstainRule(None, largest, confidence, error=math.nan, coverage=0.0, n=len(scored_valid), reason=reason)


def _risks(target_error: float, fallback_errors: Sequence[float], *, risk: float) -> dict[float, float]:
    """Return the error probability of each target, in the order in which they are tried."""
    larger = sorted({error for error in fallback_errors if error > target_error})
    if not larger:
        return {target_error: risk}
    return {target_error: risk * (1 - FALLBACK_RISK)} | dict.fromkeys(larger, risk * FALLBACK_RISK / len(larger))


def evaluate_selective(scored: Predictions, *, threshold: float, temperature: float = 1.0) -> Selective:
    """Estimate error among accepted predictions and share of accepted photos, with intervals over groups."""
    given = scored.probabilities(temperature=temperature).max(axis=1) >= threshold
    wrong = scored.predicted() != scored.labels
    groups = scored.group_numbers()
    return Selective(
        error=estimate_proportion(wrong[given], groups[given]),
        coverage=estimate_proportion(given, groups),
    )


def _group_trials(
    scored: Predictions, curve: RiskCoverage, *, temperature: float
) -> tuple[int, Floats, NDArray[np.int64]]:
    """Return the number of groups and, for each threshold, the groups' errors by share and the groups accepted."""
    confidence = scored.probabilities(temperature=temperature).max(axis=1)
    wrong = scored.predicted() != scored.labels
    groups = scored.group_numbers()
    count = len(set(scored.groups))
    errors, trials = np.zeros(len(curve.thresholds)), np.zeros(len(curve.thresholds), dtype=np.int64)
    order = np.argsort(-confidence, kind="stable")
    given, failed = np.zeros(count), np.zeros(count)
    errors_now, position = 0.0, 0
    for step, threshold in enumerate(curve.thresholds):
        while position < len(order) and confidence[order[position]] >= threshold:
            group = groups[order[position]]
            errors_now -= failed[group] / given[group] if given[group] else 0.0
            given[group] += 1
            failed[group] += wrong[order[position]]
            errors_now += failed[group] / given[group]
            position += 1
        errors[step], trials[step] = errors_now, int((given > 0).sum())
    return count, errors, trials


def _choose_starts(trials: NDArray[np.int64], coverage: Floats, *, target_error: float, risk: float) -> tuple[int, ...]:
    """Return the positions of the starts among the thresholds; empty if all groups without an error are too few."""
    for shares in _STARTS:
        needed = _groups_needed(target_error=target_error, risk=risk / len(shares))
        enough = int(np.searchsorted(trials, needed))
        begins = [int(np.searchsorted(coverage, share - 1e-12)) for share in shares]
        if len(shares) < len(_STARTS[0]):  # fewer starts may begin later; with four, each is where it is said to be
            begins = [max(begin, enough) for begin in begins]
        if enough <= min(begins) and max(begins) < len(trials):
            return tuple(sorted(set(begins)))
    return ()


def _groups_needed(*, target_error: float, risk: float) -> int:
    """Return how many groups without an error show, at this error probability, that the error is below the target."""
    return math.ceil(math.log(risk) / math.log(1 - target_error) - 1e-9)


def _last_reached(passed: NDArray[np.bool_], starts: Sequence[int]) -> int | None:
    best: int | None = None
    for begin in starts:
        if not passed[begin]:
            continue
        failures = np.flatnonzero(~passed[begin:])
        reached = begin + (int(failures[0]) if len(failures) else len(passed) - begin) - 1
        best = reached if best is None else max(best, reached)
    return best


def _no_threshold_reason(count: int, groups: str, *, target_error: float, risk: float) -> str:
    needed = _groups_needed(target_error=target_error, risk=risk)
    if count < needed:
        kind = groups.removeprefix(f"{count} ")
        return (
            f"too little data: to guarantee an error of at most {target_error:.0%} takes at least {needed} {kind} "
            f"without an error; there are {count}"
        )
    return f"no threshold guarantees an error of at most {target_error:.0%} on {groups}"

"""May a candidate take the champion's place, by what both answered to the same held-out photos?

A larger number is no proof. What counts is the interval of the difference, over families: the wider one of the
bootstrap and of the adjusted interval of Agresti and Min (2005), which adds one family to either side. The bootstrap
alone is sure of itself too early where few photos are answered differently: four wins and no loss would do.
"""

import math
from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import ConfigError, DataError
from petmood.evaluation.bootstrap import Estimate, estimate_from, estimate_metrics, family_weights
from petmood.evaluation.gate_report import Check, GateReport, Part
from petmood.evaluation.judging import Judged, Latency
from petmood.evaluation.metrics import calibration_errors
from petmood.evaluation.paired import paired_test
from petmood.evaluation.scored import Scored
from petmood.evaluation.titles import percent_text, title

__all__ = ["Check", "GateLimits", "GateReport", "difference", "judge"]

Z: Final = 1.959964
MEGABYTE: Final = 1e6

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GateLimits:
    """What a candidate has to keep to; shares are from 0 to 1. Raises ConfigError for limits that mean nothing."""

    must: Literal["better", "no_worse"] = "better"
    """"better": the interval of the accuracy's difference lies above 0. "no_worse": above ``-margin``."""
    margin: float = 0.02
    max_class_drop: float = 0.15
    """How far a mood's recall may fall, by more than one family, even where that might be luck."""
    max_ece_increase: float = 0.05
    max_nll_increase: float = 0.02
    """In nats a photo. For this and the calibration error, only an increase that isn't luck is refused."""
    max_corrupted_drop: float = 0.05
    """How far the accuracy under corruption may fall, even where that might be luck."""
    max_latency_ratio: float = 1.5
    max_size_ratio: float = 3.0
    max_latency_ms: float = 250.0
    """On one thread; a candidate that is no slower than the champion may take as long as that one does."""
    max_size_mb: float = 500.0
    max_ece: float = 0.2
    """For a first model, which has no champion to be compared with."""
    min_photos: int = 20
    min_families: int = 10

    def __post_init__(self) -> None:
        """Refuse a rule that isn't known, and numbers that are negative or not finite."""
        if self.must not in {"better", "no_worse"}:
            raise ConfigError(f"Unknown rule must={self.must!r} for the gate. Known: better, no_worse.")
        for name, value in asdict(self).items():
            if name != "must" and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"Expected a finite gate limit {name} of 0 or more, got {value}.")

    def to_json(self) -> dict[str, str | float]:
        """Give the limits by name."""
        return asdict(self)


def judge(candidate: Judged, champion: Judged | None, *, latency: Latency, limits: GateLimits) -> tuple[Check, ...]:
    """Ask every question that answers and measurements can settle; all are asked, whichever fails.

    Raises:
        DataError: the two answered other photos, or none.
    """
    if len(candidate.clean) == 0:
        raise DataError("Expected photos to judge a candidate by, got none. Give data with a test split.")
    costs = (_latency(latency, limits), _size(candidate, champion, limits))
    if champion is None:
        return (_above_chance(candidate.clean), _calibrated(candidate.clean, limits), *costs)
    clean = _side_by_side(candidate.clean, champion.clean)
    corrupted = _side_by_side(candidate.corrupted, champion.corrupted)
    return (
        _better(*clean, limits),
        _classes(*clean, limits),
        _calibration(*clean, limits),
        _robustness(*corrupted, limits),
        *costs,
    )


def difference(candidate: Scored, champion: Scored) -> Estimate:
    """Give the candidate's accuracy less the champion's on the same photos in the same order, with its interval."""
    apart = _right(candidate) - _right(champion)
    families = candidate.family_numbers()
    sums, sizes = np.bincount(families, weights=apart), np.bincount(families)
    times = family_weights(np.arange(len(sums)), seed=0)
    value = float(apart.mean())
    drawn = estimate_from(value, times @ sums / (times @ sizes), n=len(apart), families=len(sums))
    low, high = _adjusted_interval(sums / sizes.mean())
    return Estimate(value, float(np.fmin(drawn.low, low)), float(np.fmax(drawn.high, high)), n=len(apart))


def _adjusted_interval(moved: Floats) -> tuple[float, float]:
    """Give the interval of the mean of what each family moved by, as if one more had moved half a step either way."""
    families = len(moved) + 2
    middle = float(moved.sum()) / families
    reach = Z * math.sqrt(float((moved**2).sum()) + 1 - families * middle**2) / families
    return max(-1.0, middle - reach), min(1.0, middle + reach)


def _right(scored: Scored) -> Floats:
    return np.asarray(scored.predicted() == scored.labels, dtype=np.float64)


def _part(name: str, candidate: Scored, champion: Scored) -> Part:
    accuracies = float(_right(candidate).mean()), float(_right(champion).mean())
    return Part(name, *accuracies, difference(candidate, champion))


def _side_by_side(candidate: Scored, champion: Scored) -> tuple[Scored, Scored]:
    first, second = (scored.take(np.argsort(np.array(scored.paths))) for scored in (candidate, champion))
    if (first.paths, first.families, first.classes) != (second.paths, second.families, second.classes) or (
        first.labels.tolist() != second.labels.tolist()
    ):
        raise DataError("Expected both bundles to be judged by the same photos, got different ones. Judge both again.")
    return first, second


def _better(candidate: Scored, champion: Scored, limits: GateLimits) -> Check:
    part = _part("all photos", candidate, champion)
    bar = 0.0 if limits.must == "better" else -limits.margin
    passed, p_value = part.difference.low > bar, paired_test(candidate, champion).p_value
    wanted = f"interval above {_points(bar)}" if bar else "interval above 0"
    verdict = "so that" if passed else "so that it isn't shown that"
    claim = "it is better" if limits.must == "better" else f"it is no more than {100 * limits.margin:g} points worse"
    sentence = (
        f"{part.candidate:.1%} of {part.difference.n} photos answered rightly, by the champion {part.champion:.1%}: "
        f"{_with_interval(part.difference)}, {verdict} {claim}."
    )
    return Check("better", passed, _with_interval(part.difference), wanted, sentence, {"p_value": p_value}, (part,))


def _classes(candidate: Scored, champion: Scored, limits: GateLimits) -> Check:
    parts, worse = [], []
    for number, mood in enumerate(candidate.classes):
        of_mood = candidate.labels == number
        if of_mood.any():
            part = _part(mood, candidate.take(of_mood), champion.take(of_mood))
            families = len({candidate.families[place] for place in np.flatnonzero(of_mood)})
            drop = -part.difference.value
            parts.append(part)
            if part.difference.high < 0 or (drop > limits.max_class_drop and drop * families > 1.5):
                worse.append(f"{mood} by {100 * drop:.1f} points ({part.champion:.1%} to {part.candidate:.1%})")
    lowest = min(parts, key=lambda part: part.difference.value)
    unseen = [mood for mood in candidate.classes if mood not in {part.name for part in parts}]
    sentence = f"Found more seldom: {'; '.join(worse)}." if worse else "No mood is found much more seldom."
    sentence += f" There are no photos to tell by for {', '.join(unseen)}." if unseen else ""
    measured = f"{lowest.name} {_with_interval(lowest.difference)}"
    limit = f"none surely below 0 or below {_points(-limits.max_class_drop)}"
    return Check("classes", not worse, measured, limit, sentence, parts=tuple(parts))


def _calibration(candidate: Scored, champion: Scored, limits: GateLimits) -> Check:
    nll = paired_test(candidate, champion, metric="nll").difference
    ece = _ece_difference(candidate, champion)
    passed = not (nll.value > limits.max_nll_increase and nll.low > 0)
    passed &= not (ece.value > limits.max_ece_increase and ece.low > 0)
    measured = f"calibration error {_with_interval(ece)}, negative log likelihood {_number(nll)}"
    verdict = "no worse" if passed else "worse"
    sentence = f"Its probabilities are {verdict} than the champion's: {measured}."
    numbers = {"ece": ece.value, "ece_low": ece.low, "ece_high": ece.high}
    numbers |= {"nll": nll.value, "nll_low": nll.low, "nll_high": nll.high}
    limit = f"not surely worse by {_points(limits.max_ece_increase)} or {limits.max_nll_increase:+g}"
    return Check("calibration", passed, measured, limit, sentence, numbers)


def _ece_difference(candidate: Scored, champion: Scored) -> Estimate:
    weights = family_weights(candidate.family_numbers(), seed=0)
    value, drawn = (
        _ece(candidate, weights=some) - _ece(champion, weights=some) for some in (np.ones((1, len(candidate))), weights)
    )
    families = len(set(candidate.families))
    return estimate_from(float(value[0]), drawn, n=len(candidate), families=families)


def _ece(scored: Scored, *, weights: Floats) -> Floats:
    return calibration_errors(scored.probabilities(), scored.labels, weights=weights)


def _robustness(candidate: Scored, champion: Scored, limits: GateLimits) -> Check:
    total = _part("all corruptions", candidate, champion)
    kinds = np.array(candidate.source)
    parts = [_part(str(kind), candidate.take(kinds == kind), champion.take(kinds == kind)) for kind in np.unique(kinds)]
    passed = total.difference.high >= 0 and total.difference.value >= -limits.max_corrupted_drop
    weakest = min(parts, key=lambda part: part.difference.value)
    sentence = (
        f"Of corrupted photos {total.candidate:.1%} are answered rightly, by the champion {total.champion:.1%}: "
        f"{_with_interval(total.difference)}; lowest for {weakest.name}, {_points(weakest.difference.value)}."
    )
    limit = f"not surely below 0, nor below {_points(-limits.max_corrupted_drop)}"
    return Check("robustness", passed, _with_interval(total.difference), limit, sentence, parts=(total, *parts))


def _above_chance(candidate: Scored) -> Check:
    found = estimate_metrics(candidate)
    counts = np.bincount(candidate.labels)
    bars = {"accuracy": counts.max() / counts.sum(), "balanced_accuracy": 1 / np.count_nonzero(counts)}
    passed = all(found[name].low > bar for name, bar in bars.items())
    measured = "; ".join(f"{title(name)} {percent_text(found[name])}" for name in bars)
    limit = "; ".join(f"{title(name)}'s interval above {bar:.1%}" for name, bar in bars.items())
    verdict = "better" if passed else "not shown to be better"
    sentence = f"There is no champion; it is {verdict} than always giving the most frequent mood: {measured}."
    return Check("better", passed, measured, limit, sentence, {name: found[name].low for name in bars})


def _calibrated(candidate: Scored, limits: GateLimits) -> Check:
    ece = float(_ece(candidate, weights=np.ones((1, len(candidate))))[0])
    sentence = f"Its probabilities are off by {100 * ece:.1f} points on average."
    return Check(
        "calibration", ece <= limits.max_ece, f"{ece:.1%}", f"at most {limits.max_ece:.1%}", sentence, {"ece": ece}
    )


def _latency(latency: Latency, limits: GateLimits) -> Check:
    took, ratio, bar = latency.candidate_ms, latency.ratio, limits.max_latency_ms
    numbers = {"candidate_ms": took, "rounds": latency.rounds}
    measured, limit = f"{took:.1f} ms", f"at most {bar:g} ms"
    sentence = f"A photo takes {took:.2f} ms on one thread"
    if ratio is None or latency.champion_ms is None:
        return Check("latency", took <= bar, measured, limit, f"{sentence}.", numbers)
    passed = ratio <= limits.max_latency_ratio and took <= max(bar, latency.champion_ms)
    numbers |= {"champion_ms": latency.champion_ms, "ratio": ratio}
    sentence += f", by the champion {latency.champion_ms:.2f} ms: {ratio:.2f} times as long."
    measured = f"{ratio:.2f} times, {measured}"
    return Check("latency", passed, measured, f"at most {limits.max_latency_ratio:g} times, {limit}", sentence, numbers)


def _size(candidate: Judged, champion: Judged | None, limits: GateLimits) -> Check:
    size, bar = candidate.subject.model_bytes / MEGABYTE, limits.max_size_mb
    measured, limit = f"{size:.2f} MB", f"at most {bar:g} MB"
    sentence, numbers = f"The network has {size:.2f} MB", {"candidate_mb": size}
    if champion is None:
        return Check("size", size <= bar, measured, limit, f"{sentence}.", numbers)
    before = champion.subject.model_bytes / MEGABYTE
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

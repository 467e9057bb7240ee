"""Check of the probabilities: the candidate may not be more overconfident or underconfident than the champion.

Overconfidence of a photo is the mean logit under the predicted probabilities, minus the logit of the true class. That
is the derivative of its NLL by the logarithm of a factor on all logits. Its mean is 0 for calibrated models, and above
0 if smaller logits would have the lower NLL (score test for the slope of Cox, 1958). Both models' values are compared
photo by photo. A candidate that is overconfident is not refused beside a champion that is as underconfident.

Near logits of 0 that derivative is small, however large the right factor is. Underconfidence is therefore compared by
the NLL that the best temperature would remove. A candidate whose NLL is significantly lower is not refused for it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.calibration import calibrated_ece, fit_temperature
from petmood.evaluation.metrics import expected_calibration_error, per_sample_nll
from petmood.evaluation.predictions import Predictions
from petmood.presentation.display_names import title
from petmood.promotion.differences import number_text, points_text
from petmood.promotion.limits import PromotionLimits
from petmood.promotion.records import Check

__all__ = ["calibration_error", "check_calibration", "check_first_calibration", "overconfidence", "removable_nll"]

OVER_LEVEL: Final = 0.14
BOTH_OVER_LEVEL: Final = 0.04
OPPOSITE_LEVEL: Final = 0.25
UNDER_LEVEL: Final = 0.01
"""One-sided levels of the comparisons.

They apply to more overconfidence than a calibrated champion, than an overconfident one and than that of an
underconfident one to its other side, and to more underconfidence. Together with ``OWN_LEVEL`` they refuse at most 5% of
equal calibrated models.
"""
CHAMPION_LEVEL: Final = 0.15
"""One-sided level at which the champion counts as overconfident or underconfident."""
OWN_LEVEL: Final = 0.1
"""One-sided level at which the candidate's own mean must differ from 0, whatever the champion's is."""
NLL_LEVEL: Final = 0.005
FIRST_LEVEL: Final = 0.01
"""Share of calibrated models that show a larger calibration error than is allowed to a first model."""
MOST_BY_CHANCE: Final = 0.35
"""Largest calibration error that is allowed since chance could show it, as with one group of most photos."""
ANY_TEMPERATURE: Final = (0.001, 1000.0)
TAIL: Final = 0.025
"""One-sided error of the intervals that are shown."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Mean:
    """A mean per photo, and its standard error over groups."""

    value: float
    error: float
    groups: int

    def text(self) -> str:
        low, high = self.value - self.reach(TAIL), self.value + self.reach(TAIL)
        return number_text(Estimate(self.value, low, high, n=0))

    def reach(self, level: float) -> float:
        return float(stats.t.ppf(1 - level, max(self.groups - 1, 1))) * self.error

    def above(self, level: float) -> bool:
        return self.value > self.reach(level)

    def below(self, level: float) -> bool:
        return -self.value > self.reach(level)


def calibration_error(scored: Predictions) -> float:
    """Return the expected calibration error of all photos."""
    every = np.ones((1, len(scored)))
    return float(expected_calibration_error(scored.probabilities(), scored.labels, weights=every)[0])


def overconfidence(scored: Predictions) -> Floats:
    """Return the overconfidence of every photo, float64 [N], in nats per unit of the logits' logarithmic scale."""
    logits = np.asarray(scored.logits, np.float64)
    mean = (scored.probabilities() * logits).sum(axis=1)
    return np.asarray(mean - logits[np.arange(len(scored)), scored.labels])


def removable_nll(scored: Predictions) -> Floats:
    """Return the NLL of every photo that the best temperature for all photos would remove, float64 [N], in nats."""
    best = fit_temperature(scored, bounds=ANY_TEMPERATURE)
    return _nll(scored) - per_sample_nll(scored.probabilities(temperature=best), scored.labels)


def check_calibration(candidate: Predictions, champion: Predictions, limits: PromotionLimits) -> Check:
    """Refuse a candidate whose probabilities are significantly worse, by more than ``max_nll_increase``."""
    groups = candidate.group_numbers()
    new, old = overconfidence(candidate), overconfidence(champion)
    own = _mean(new, groups)
    excess, over_level, compared = _excess(new, old, groups)
    lost = _mean(removable_nll(candidate) - removable_nll(champion), groups)
    nll = _mean(_nll(candidate) - _nll(champion), groups)
    ece = calibration_error(candidate) - calibration_error(champion)
    least = limits.max_nll_increase
    over = excess.value > least and excess.above(over_level) and own.above(OWN_LEVEL)
    under = lost.value > least and lost.above(UNDER_LEVEL) and own.below(OWN_LEVEL) and not nll.below(TAIL)
    worse = nll.value > least and nll.above(NLL_LEVEL)
    failed = [text for text, found in (("overconfident", over), ("underconfident", under)) if found]
    verdict = f"more {failed[0]} than" if failed else f"{'' if worse else 'not '}significantly worse than"
    measured = (
        f"{compared} {excess.text()}, {title('nll')} {nll.text()}, removable by a temperature {lost.text()}, "
        f"{title('ece')} {points_text(ece)}"
    )
    reach = excess.reach(over_level)
    undecided = (
        f"With {own.groups} groups, a difference in {compared} of less than {reach:.2f} can't be"
        if own.groups > 1
        else f"With one group, no difference in {compared} can be"
    )
    sentence = f"The probabilities are {verdict} the champion's: {measured}. {undecided} distinguished from chance."
    numbers = {
        "overconfidence": float((new - old).mean()),
        "excess": excess.value,
        "smallest_shown": reach,
        "own_overconfidence": own.value,
    }
    numbers |= {"nll": nll.value, "nll_low": nll.value - nll.reach(TAIL), "nll_high": nll.value + nll.reach(TAIL)}
    numbers |= {"ece": ece, "removable_nll": lost.value}
    limit = f"no significant difference of more than {least:g}"
    return Check("calibration", not (over or under or worse), measured, limit, sentence, numbers)


def check_first_calibration(candidate: Predictions, limits: PromotionLimits) -> Check:
    """Refuse a first model whose calibration error is above ``max_ece``, if a calibrated one would seldom show it."""
    ece = calibration_error(candidate)
    by_chance = float(np.quantile(calibrated_ece(candidate), 1 - FIRST_LEVEL))
    sentence = (
        f"The calibration error is {100 * ece:.1f} points; with these photos, calibrated models show up to "
        f"{100 * by_chance:.1f} points."
    )
    allowed = max(limits.max_ece, min(by_chance, MOST_BY_CHANCE))
    numbers = {"ece": ece, "calibrated_ece": by_chance}
    return Check("calibration", ece <= allowed, f"{ece:.1%}", f"at most {allowed:.1%}", sentence, numbers)


def _excess(new: Floats, old: Floats, groups: NDArray[np.int64]) -> tuple[_Mean, float, str]:
    """Return how much more overconfident the candidate is, the level at which that is tested, and what is compared.

    Beside an underconfident champion, the distances of an overconfident candidate from 0 are compared.
    """
    champion = _mean(old, groups)
    if champion.below(CHAMPION_LEVEL) and new.mean() > 0:
        return _mean(new + old, groups), OPPOSITE_LEVEL, "distance of overconfidence from 0"
    level = BOTH_OVER_LEVEL if champion.above(CHAMPION_LEVEL) else OVER_LEVEL
    return _mean(new - old, groups), level, "overconfidence"


def _mean(per_photo: Floats, groups: NDArray[np.int64]) -> _Mean:
    sums = np.bincount(groups, weights=per_photo)
    count = len(sums)
    error = float(sums.std(ddof=1)) * np.sqrt(count) / len(per_photo) if count > 1 else np.inf
    return _Mean(float(per_photo.mean()), float(error), count)


def _nll(scored: Predictions) -> Floats:
    return per_sample_nll(scored.probabilities(), scored.labels)

"""Questions that the measured photos are too few to decide, in plain words."""

import math
from itertools import permutations

from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.comparison import SIGNIFICANT
from petmood.evaluation.evaluate import Evaluation
from petmood.presentation.display_names import percent_text, title

__all__ = ["undecided"]

CHANCE = "chance"


def undecided(evaluation: Evaluation) -> tuple[str, ...]:
    """Return sentences on what the photos of the main split don't decide; intervals are those of the evaluation.

    Recalls with overlapping intervals count as undecided, which is cautious. Chance and baselines are compared on the
    same photos, by the tests of `evaluation.comparison`.
    """
    accuracy = evaluation.splits[evaluation.main]["accuracy"]
    general = (
        f"On {_photos(accuracy.n)} the accuracy is known to within {_reach(accuracy)} points. "
        f"They don't decide between this {evaluation.subject} and one whose accuracy differs by less."
    )
    found = [
        general,
        _classes(evaluation),
        _baselines(evaluation),
        _threshold(evaluation),
        _sets(evaluation),
    ]
    return tuple(sentence for sentence in found if sentence)


def _reach(estimate: Estimate) -> int:
    """Return the distance of the farther end from the value, in points, rounded up."""
    return math.ceil(100 * max(estimate.high - estimate.value, estimate.value - estimate.low) - 1e-9)


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count} photos"


def _classes(evaluation: Evaluation) -> str:
    recalls = {name: values["recall"] for name, values in evaluation.per_class[evaluation.main].items()}
    known = {name: recall for name, recall in recalls.items() if recall.n}
    if len(known) < 2:
        return ""
    within = ", ".join(f"{name} {_reach(recall)} ({_photos(recall.n)})" for name, recall in known.items())
    decided = [
        f"{hard} is harder than {easy}" for hard, easy in permutations(known, 2) if known[hard].high < known[easy].low
    ]
    verdict = f"Only this is decided: {'; '.join(decided)}." if decided else "Which class is harder is not decided."
    return f"The recall of a class is known to within these points: {within}. {verdict}"


def _baselines(evaluation: Evaluation) -> str:
    if not (found := evaluation.comparison):
        return ""
    close = [*([CHANCE] if found.chance.p_value >= SIGNIFICANT else []), *map(title, found.not_shown_better)]
    return f"The {evaluation.subject} is not shown to be better than {', '.join(close)}." if close else ""


def _threshold(evaluation: Evaluation) -> str:
    rule, measured = evaluation.abstention.rule, evaluation.abstention.measured
    if rule.threshold is None or measured is None or not measured.error.low <= rule.target_error < measured.error.high:
        return ""
    return (
        f"The error of confident predictions is {percent_text(measured.error)} on {_photos(measured.error.n)}. "
        f"Whether it is at most {rule.target_error:.0%} on new photos is not decided by them."
    )


def _sets(evaluation: Evaluation) -> str:
    sets = evaluation.conformal
    if sets.measured is None or not sets.measured.coverage.low < sets.target <= sets.measured.coverage.high:
        return ""
    coverage = sets.measured.coverage
    return (
        f"Sets contain the truth in {percent_text(coverage)} of {_photos(coverage.n)}. Whether that is at least "
        f"{sets.target:.0%} on new photos is not decided by them."
    )

"""Verdict on an accuracy in plain words: the number with its interval, chance and the baselines."""

from collections.abc import Sequence

from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.comparison import SIGNIFICANT, Comparison
from petmood.evaluation.permutation import PermutationTest, Permuted
from petmood.presentation.display_names import p_value_text, title

__all__ = ["chance_text", "verdict_text"]


def verdict_text(accuracy: Estimate, comparison: Comparison | None, *, subject: str, photos: str) -> str:
    """Return one or two sentences on an accuracy, as "The model is right in 63.0% of 108 test photos (...)".

    `subject` is "The model" or alike; `photos` says how many photos of what kind.
    """
    interval = f" (95% interval {_points(accuracy.low)} to {_points(accuracy.high)}%)"
    known = interval if accuracy.low == accuracy.low else ""
    first = f"{subject} is right in {_points(accuracy.value)}% of {photos}{known}."
    return f"{first} {_comparison_text(comparison)}" if comparison else first


def chance_text(test: PermutationTest, *, subject: str) -> str:
    """Return in plain words what a permutation test found; `subject` is "this model" or alike."""
    band = f"{100 * test.low:.1f} to {100 * test.high:.1f}%"
    how = (
        "labels exchanged between groups of photos, the predictions unchanged"
        if test.permuted == Permuted.PREDICTIONS
        else "labels exchanged between groups of photos, and everything fitted again"
    )
    return (
        f"Permutation test: {test.permutations:,} times with {how}, the accuracy is {100 * test.mean:.1f}% on average, "
        f"and within {band} in 95% of them. The probability that chance alone is at least as accurate as {subject}: "
        f"{p_value_text(test.p_value)}."
    )


def _comparison_text(found: Comparison) -> str:
    chance = f"chance ({p_value_text(found.chance.p_value)})"
    by_chance = found.chance.p_value >= SIGNIFICANT
    worse = [name for name, one in found.baselines.items() if one.value < 0 and one.p_value < SIGNIFICANT]
    undecided = [name for name in found.not_shown_better if name not in worse]
    if not found.not_shown_better and not by_chance:
        largest = max((one.p_value for one in found.baselines.values()), default=0.0)
        every = f" and than every baseline (largest {p_value_text(largest)})" if found.baselines else ""
        return f"It is better than {chance}{every}."
    open_names = [*([chance] if by_chance else []), *_named(found, undecided)]
    parts = [
        *([] if by_chance else [f"better than {chance}"]),
        *([f"not shown to be better than {_listed(open_names)}"] if open_names else []),
        *([f"worse than {_listed(_named(found, worse))}"] if worse else []),
    ]
    joined = ", but " if len(parts) > 1 and not by_chance else ", and "
    return f"It is {joined.join(parts[:2])}{''.join(f', and {part}' for part in parts[2:])}."


def _named(found: Comparison, names: Sequence[str]) -> list[str]:
    return [f"{title(name)} ({p_value_text(found.baselines[name].p_value)})" for name in names]


def _listed(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _points(share: float) -> str:
    return f"{100 * share:.1f}"

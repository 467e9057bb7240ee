"""Words for a prediction that is not confident, or has no label; the terminal and the pages use the same ones."""

from collections.abc import Sequence
from typing import Final

from petmood.core.domain import NO_ANIMAL, UNFAMILIAR, DomainWarning
from petmood.core.prediction import Prediction

__all__ = [
    "FEEDBACK_QUESTION",
    "FEEDBACK_THANKS",
    "NEVER_CONFIDENT",
    "OTHER_LABELS",
    "RIGHT",
    "WRONG",
    "alternatives",
    "confident_error",
    "guess",
    "in_words",
    "no_result",
    "percent",
    "percent_below",
    "photos_kept",
]

FEEDBACK_QUESTION: Final = "Is this right?"
RIGHT: Final = "Right"
WRONG: Final = "Wrong"
OTHER_LABELS: Final = "It should be:"
FEEDBACK_THANKS: Final = "Thank you."
"""Words of the buttons for feedback, in the order of their use."""

NEVER_CONFIDENT: Final = (
    "This model is never confident: its error on held-out photos was too high, or the photos were too few. "
    "Its results are best guesses."
)
NO_RESULT: Final[dict[DomainWarning, tuple[str, str]]] = {
    NO_ANIMAL: (
        "No pet found",
        "The model found no animal in this photo, so it gives no result. If a pet is in it, go closer.",
    ),
    UNFAMILIAR: ("Unfamiliar photo", "The model has not learned from photos like this one, so it gives no result."),
}


def in_words(prediction: Prediction) -> tuple[str, str]:
    """Return the answer for one photo in a few words, and what explains it, which is empty for a confident one."""
    if without := no_result(prediction):
        return without
    if prediction.confident:
        return f"{prediction.label} {percent(prediction.probability)}", ""
    below = percent_below(prediction)
    reasons = [f"confident from {below[1]}" if below else "", alternatives(prediction.prediction_set)]
    probability = below[0] if below else percent(prediction.probability)
    shown = guess(prediction.best_guess, prediction.probability)
    return f"not sure, {shown} {probability}", "; ".join(filter(None, reasons))


def confident_error(threshold: float, target_error: float | None) -> str:
    """Return how often the confident results of a model may be wrong; nothing if there are none, or it isn't known.

    >>> confident_error(0.7, 0.15)
    'A result without “not sure” is wrong in at most 15 of 100 photos like those that it was measured on.'
    >>> confident_error(1.01, 0.2)
    ''
    """
    if threshold > 1 or target_error is None:
        return ""
    allowed = f"{100 * target_error:.3g} of 100 photos"
    return f"A result without “not sure” is wrong in at most {allowed} like those that it was measured on."


def guess(label: str, probability: float) -> str:
    """Return the most probable class as a guess.

    >>> guess("sad", 0.84), guess("sad", 0.35)
    ('probably sad', 'perhaps sad')
    """
    return f"{'probably' if probability >= 0.5 else 'perhaps'} {label}"


def no_result(prediction: Prediction) -> tuple[str, str] | None:
    """Return a headline and a sentence for a photo out of the domain of its model, or None for one with a label."""
    return NO_RESULT[prediction.domain_warning or UNFAMILIAR] if prediction.label is None else None


def percent(share: float) -> str:
    """Return a share from 0 to 1 as a percentage; only exact values become 100% or 0%.

    >>> percent(0.9999), percent(0.421), percent(0.0004)
    ('over 99%', '42%', 'under 1%')
    """
    if 0.995 <= share < 1:
        return "over 99%"
    if 0 < share < 0.005:
        return "under 1%"
    return f"{share:.0%}"


def percent_below(prediction: Prediction) -> tuple[str, str] | None:
    """Return the probability and the threshold that it is below, with as many decimals as distinguish them.

    None for a confident prediction, a photo out of the domain, a model that is never confident, and if an older
    service did not say.
    """
    probability, threshold = prediction.probability, prediction.confidence_threshold
    if prediction.confident or prediction.label is None or threshold is None or prediction.never_confident:
        return None
    for decimals in range(4):
        texts = f"{probability:.{decimals}%}", f"{threshold:.{decimals}%}"
        if texts[0] != texts[1]:
            return texts
    return f"just under {threshold:.0%}", f"{threshold:.0%}"


def alternatives(labels: Sequence[str]) -> str:
    """Return the classes of a prediction set as a choice, or an empty string for fewer than two.

    >>> alternatives(["sad", "happy", "other"]), alternatives(["sad"])
    ('sad, happy or other', '')
    """
    return f"{', '.join(labels[:-1])} or {labels[-1]}" if len(labels) > 1 else ""


def photos_kept(days: float) -> str:
    """Return the sentence of a page about a service that keeps photos for some days."""
    return f"Photos are kept for {days:g} {'day' if days == 1 else 'days'}."

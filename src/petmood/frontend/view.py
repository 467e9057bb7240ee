"""View model of a prediction: headline, sentence, class bars and advice for the page."""

from dataclasses import dataclass
from typing import Final

from petmood.core.prediction import Prediction

__all__ = ["ADVICE", "LIMITS", "MEANING", "ClassBar", "ResultView", "label_text", "percent", "result_view"]

ICONS: Final = {
    "angry": ":material/sentiment_extremely_dissatisfied:",
    "happy": ":material/sentiment_satisfied:",
    "other": ":material/pets:",
    "relaxed": ":material/sentiment_calm:",
    "sad": ":material/sentiment_dissatisfied:",
}
"""Icons of the font that Streamlit ships, as some machines have no emoji font."""

NEUTRAL_ICON: Final = ":material/sentiment_neutral:"
"""Icon of a class that is not in ``ICONS``."""

UNSURE: Final = ":material/help:"
WORDS: Final = {"angry": "Angry", "happy": "Happy", "other": "Another expression", "sad": "Sad"}
ADVICE: Final = (
    "Show the whole face, from the front.",
    "Move closer, so that the face fills most of the photo.",
    "Take the photo in daylight and hold the camera still.",
)
MEANING: Final = (
    "The percentage is how often results like this one were right, measured on photos that were not used for training. "
    "**Not sure** means that such results were wrong too often to name one expression; "
    "you then see all the expressions that are possible."
)
LIMITS: Final = (
    "A result describes the face in one photo. An expression is not a feeling: a yawning cat can look angry, "
    "and a panting dog can look happy. A result says nothing about pain or illness. "
    "If you are worried about an animal, ask a vet."
)


@dataclass(frozen=True, slots=True)
class ClassBar:
    """Bar of one class: its text, and its length from 0 to 1."""

    text: str
    share: float


@dataclass(frozen=True, slots=True)
class ResultView:
    """Everything that the page shows for one prediction."""

    icon: str
    headline: str
    sentence: str
    confident: bool
    bars: tuple[ClassBar, ...]
    advice: tuple[str, ...]
    warnings: tuple[str, ...]
    footnote: str


def result_view(prediction: Prediction, *, seconds: float | None = None) -> ResultView:
    """Return the view of a prediction."""
    likely = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])
    bars = tuple(
        ClassBar(f"{label_text(label)} · {percent(share)}", min(1.0, max(0.0, share))) for label, share in likely
    )
    time_text = f" · {seconds * 1000:.0f} ms" if seconds is not None else ""
    return ResultView(
        icon=ICONS.get(prediction.label, NEUTRAL_ICON) if prediction.confident else UNSURE,
        headline=WORDS.get(prediction.label, prediction.label.capitalize()) if prediction.confident else "Not sure",
        sentence=_sentence(prediction),
        confident=prediction.confident,
        bars=bars,
        advice=() if prediction.confident else ADVICE,
        warnings=tuple(prediction.warnings),
        footnote=f"Model {prediction.model.name} {prediction.model.version}{time_text}",
    )


def label_text(label: str) -> str:
    """Return a class name with its icon, in Streamlit's Markdown.

    >>> label_text("other")
    ':material/pets: Another expression'
    """
    return f"{ICONS.get(label, NEUTRAL_ICON)} {WORDS.get(label, label.capitalize())}"


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


def _sentence(prediction: Prediction) -> str:
    if prediction.confident:
        share = percent(prediction.probability)
        return f"Results like this are right {share if ' ' in share else f'about {share}'} of the time."
    possible = [WORDS.get(label, label).lower() for label in prediction.prediction_set]
    if len(possible) < 2:
        return f"Possibly {possible[0] if possible else prediction.label}, but the result is too uncertain to say."
    return f"It could be {', '.join(possible[:-1])} or {possible[-1]}."

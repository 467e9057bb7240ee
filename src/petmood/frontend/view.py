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
"""Icons of a font that comes with Streamlit, since not every machine has an emoji font."""

NEUTRAL_ICON: Final = ":material/sentiment_neutral:"
"""Icon of every class that has none of its own."""

UNSURE: Final = ":material/help:"
WORDS: Final = {"angry": "Angry", "happy": "Happy", "other": "Another expression", "sad": "Sad"}
ADVICE: Final = (
    "Show the whole face, from the front.",
    "Go nearer, so that the face fills most of the photo.",
    "Take it in daylight, and hold still.",
)
MEANING: Final = (
    "A percentage is how often answers like this one were right on photos that the model had never seen. "
    "**Not sure** means that it was wrong too often in such cases to name one expression; "
    "it then names those that are possible."
)
LIMITS: Final = (
    "petmood looks at a face in one photo. An expression is not a feeling: a yawning cat looks angry, "
    "a panting dog looks happy. It says nothing about pain or illness. "
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
        return f"Such answers are right in {share if ' ' in share else f'about {share}'} of cases."
    possible = [WORDS.get(label, label).lower() for label in prediction.prediction_set]
    if len(possible) < 2:
        return f"Perhaps {possible[0] if possible else prediction.label}, but it could well be something else."
    return f"It may be {', '.join(possible[:-1])} or {possible[-1]}."

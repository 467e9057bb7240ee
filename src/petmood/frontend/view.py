"""View model of a prediction: headline, sentence, class bars and advice for the page."""

import re
from dataclasses import dataclass
from typing import Final

from petmood.core.prediction import Prediction
from petmood.presentation.answers import alternatives, guess, no_result, percent, percent_below

__all__ = ["ADVICE", "LIMITS", "MEANING", "ClassBar", "ResultView", "label_text", "label_word", "plain", "result_view"]

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
NO_RESULT: Final = ":material/search_off:"
WORDS: Final = {"angry": "Angry", "happy": "Happy", "other": "Another expression", "sad": "Sad"}
PUNCTUATION: Final = re.compile(r"[!-/:-@\[-`{-~]")
ADVICE: Final = (
    "Show the whole face, from the front.",
    "Move closer, so that the face fills most of the photo.",
    "Take the photo in daylight and hold the camera still.",
)
MEANING: Final = (
    "The percentage is how often results like this one were right, measured on photos that were not used for training. "
    "**Not sure** means that such results were wrong too often to rely on one expression. "
    "You then see the best guess, and the other expressions that are possible. "
    "**No pet found** and **Unfamiliar photo** mean that the photo is not of the kind that the model learned from. "
    "You then see no expression."
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
    """Return the view of a prediction; that of a photo out of the domain has no bars."""
    without = no_result(prediction)
    time_text = f" · {seconds * 1000:.0f} ms" if seconds is not None else ""
    return ResultView(
        icon=_icon(prediction),
        headline=without[0] if without else _headline(prediction),
        sentence=without[1] if without else _sentence(prediction),
        confident=prediction.confident,
        bars=() if without else _bars(prediction),
        advice=() if prediction.confident else ADVICE,
        warnings=tuple(prediction.warnings),
        footnote=f"Model {prediction.model.name} {prediction.model.version}{time_text}",
    )


def label_text(label: str) -> str:
    """Return a class name with its icon, in Streamlit's Markdown.

    >>> label_text("other")
    ':material/pets: Another expression'
    """
    return f"{ICONS.get(label, NEUTRAL_ICON)} {label_word(label)}"


def label_word(label: str) -> str:
    """Return a class name without its icon, for places that show no Markdown.

    >>> label_word("other")
    'Another expression'
    """
    return WORDS.get(label, label.capitalize())


def plain(text: str) -> str:
    r"""Return a text such as a file name in Markdown that shows it as it is (CommonMark, backslash escapes).

    >>> print(plain("*a* [b](c).jpg"))
    \*a\* \[b\]\(c\)\.jpg
    """
    return PUNCTUATION.sub(r"\\\g<0>", text)


def _icon(prediction: Prediction) -> str:
    if prediction.label is None:
        return NO_RESULT
    return ICONS.get(prediction.label, NEUTRAL_ICON) if prediction.confident else UNSURE


def _bars(prediction: Prediction) -> tuple[ClassBar, ...]:
    likely = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])
    return tuple(
        ClassBar(f"{label_text(label)} · {percent(share)}", min(1.0, max(0.0, share))) for label, share in likely
    )


def _headline(prediction: Prediction) -> str:
    word = label_word(prediction.best_guess)
    return word if prediction.confident else f"Not sure, {guess(word.lower(), prediction.probability)}"


def _sentence(prediction: Prediction) -> str:
    if prediction.confident:
        share = percent(prediction.probability)
        return f"Results like this are right {share if ' ' in share else f'about {share}'} of the time."
    below = percent_below(prediction)
    known = (
        f"{below[0]}, below the {below[1]} of a confident result." if below else f"{percent(prediction.probability)}."
    )
    possible = alternatives([label_word(label).lower() for label in prediction.prediction_set])
    return f"{known} It could be {possible}." if possible else known

"""Records of feedback: what a visitor says, and the logged prediction that it is about."""

from dataclasses import dataclass
from typing import Final

from petmood.monitoring.prediction_log.rows import LoggedBundle, PhotoKey

__all__ = ["REVIEWER", "Feedback", "GivenFeedback", "LoggedPrediction"]

REVIEWER: Final = "reviewer"
"""The visitor that stands for the person who reviews photos; those of browsers are hashes."""


@dataclass(frozen=True, slots=True)
class LoggedPrediction:
    """What feedback is about: the predicted label, None for a photo out of the domain, and the bundle.

    ``probability`` is that of the most probable class. ``photo_sha256`` is that of the kept photo, as in ``LogRow``.
    """

    label: str | None
    bundle: LoggedBundle
    probability: float
    photo_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a visitor says of a prediction: the right label, None if the predicted one is right.

    ``visitor`` is a hash that says nothing about a person. ``time_us`` is in microseconds since 1970, UTC.
    ``chosen`` is how a reviewer got the photo, random or least_confident; None of a visitor.
    """

    key: PhotoKey
    visitor: str
    label: str | None
    note: str | None
    time_us: int
    chosen: str | None = None


@dataclass(frozen=True, slots=True)
class GivenFeedback:
    """Feedback with the prediction that it is about; ``predicted_us`` is the time of the prediction."""

    feedback: Feedback
    prediction: LoggedPrediction
    predicted_us: int

    @property
    def right_label(self) -> str | None:
        """The label that the visitor says is right; None if there is none, as for a photo out of the domain."""
        return self.feedback.label if self.feedback.label is not None else self.prediction.label

    @property
    def is_correction(self) -> bool:
        """Whether the visitor says that the prediction is wrong."""
        return self.feedback.label is not None

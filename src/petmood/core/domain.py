"""Whether a photo is of the kind that a model was trained on: scores of the network, and the rule for them."""

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["NO_ANIMAL", "UNFAMILIAR", "DomainRule", "DomainScores", "DomainWarning"]

DomainWarning = Literal["no_animal", "unfamiliar"]

NO_ANIMAL: Final[DomainWarning] = "no_animal"
"""The photo shows no animal."""

UNFAMILIAR: Final[DomainWarning] = "unfamiliar"
"""The photo is unlike the photos that the model was trained on."""


@dataclass(frozen=True, slots=True)
class DomainScores:
    """Scores of one photo.

    ``novelty`` is its distance from the training photos, divided by the largest that is allowed: above 1 it is out of
    the domain. ``animal_score`` is the probability of an animal from 0 to 1, or None if the model has no such score.
    """

    novelty: float
    animal_score: float | None = None


class DomainRule(BaseModel):
    """Rule for the scores of a photo, stored in the bundle.

    ``features`` names the network by whose features photos are compared. ``animal_threshold`` is the lowest animal
    score of a photo in the domain. Both limits were chosen so that of photos like the training photos, at most
    ``target_false_alarms`` (0..1) count as out of the domain. With fewer than a hundred photos it may be more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: str
    animal_threshold: float | None = Field(default=None, ge=0, le=1)
    target_false_alarms: float = Field(gt=0, lt=1)

    def warning(self, scores: DomainScores) -> DomainWarning | None:
        """Return why a photo is out of the domain, or None if it is in it; a score that is not a number is out.

        >>> rule = DomainRule(features="efficientnet_lite0", animal_threshold=0.9, target_false_alarms=0.02)
        >>> rule.warning(DomainScores(3.0, 0.2)), rule.warning(DomainScores(3.0, 0.99))
        ('no_animal', 'unfamiliar')
        """
        if self.animal_threshold is not None and not (scores.animal_score or 0.0) >= self.animal_threshold:
            return NO_ANIMAL
        return None if scores.novelty <= 1 else UNFAMILIAR

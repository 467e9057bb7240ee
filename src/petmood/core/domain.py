"""Whether a photo is of the kind that a model was trained on: scores of the network, and the rule for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "DOMAIN_OUTPUTS",
    "FACE_UNCLEAR",
    "NO_ANIMAL",
    "SCENE_SENTENCES",
    "SCENE_WARNINGS",
    "TWO_PETS",
    "UNFAMILIAR",
    "DomainRule",
    "DomainScores",
    "DomainWarning",
    "SceneWarning",
]

DOMAIN_OUTPUTS: Final = ("novelty", "animal")
"""Outputs of every network of the domain scores, float32 [B]; those of its scene warnings follow."""

DomainWarning = Literal["no_animal", "unfamiliar"]

NO_ANIMAL: Final[DomainWarning] = "no_animal"
"""The photo shows no animal."""

UNFAMILIAR: Final[DomainWarning] = "unfamiliar"
"""The photo is unlike the photos that the model was trained on."""

SceneWarning = Literal["two_pets", "face_unclear"]

TWO_PETS: Final[SceneWarning] = "two_pets"
"""The photo may show two pets."""

FACE_UNCLEAR: Final[SceneWarning] = "face_unclear"
"""The pet's face may be small, hidden or cropped."""

SCENE_SENTENCES: Final[Mapping[SceneWarning, str]] = MappingProxyType(
    {
        TWO_PETS: "There may be two pets in this photo: crop it to one of them.",
        FACE_UNCLEAR: "The pet's face may be small, hidden or cropped in this photo: show the whole face, close up.",
    }
)
"""What a user reads of each warning."""

SCENE_WARNINGS: Final = tuple(SCENE_SENTENCES)


@dataclass(frozen=True, slots=True)
class DomainScores:
    """Scores of one photo.

    ``novelty`` is its distance from the training photos, divided by the largest that is allowed: above 1 it is out of
    the domain. ``animal_score`` is the probability of an animal from 0 to 1, or None if the model has no such score.
    ``scenes`` are scores by warning: above 0 the photo may show what the warning names. They are in no response, so
    they don't count for equality.
    """

    novelty: float
    animal_score: float | None = None
    scenes: Mapping[SceneWarning, float] = field(default_factory=dict, compare=False)


class DomainRule(BaseModel):
    """Rule for the scores of a photo, stored in the bundle.

    ``features`` names the network by whose features photos are compared. ``animal_threshold`` is the lowest animal
    score of a photo in the domain. Both limits were chosen so that of photos like the training photos, at most
    ``target_false_alarms`` (0..1) count as out of the domain. With fewer than a hundred photos it may be more.

    ``scene_warnings`` are those that the network has a score for. A rule without them has no such key, as those written
    before the key existed: else the digest of its manifest would differ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: str
    animal_threshold: float | None = Field(default=None, ge=0, le=1)
    target_false_alarms: float = Field(gt=0, lt=1)
    scene_warnings: tuple[SceneWarning, ...] = Field(default=(), exclude_if=lambda names: not names)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the scores that the network gives, each float32 [B]."""
        return (*DOMAIN_OUTPUTS, *self.scene_warnings)

    def warning(self, scores: DomainScores) -> DomainWarning | None:
        """Return why a photo is out of the domain, or None if it is in it; a score that is not a number is out.

        >>> rule = DomainRule(features="efficientnet_lite0", animal_threshold=0.9, target_false_alarms=0.02)
        >>> rule.warning(DomainScores(3.0, 0.2)), rule.warning(DomainScores(3.0, 0.99))
        ('no_animal', 'unfamiliar')
        """
        if self.animal_threshold is not None and not (scores.animal_score or 0.0) >= self.animal_threshold:
            return NO_ANIMAL
        return None if scores.novelty <= 1 else UNFAMILIAR

    def scenes(self, scores: DomainScores) -> tuple[SceneWarning, ...]:
        """Return what a photo may show beside one clear face; nothing of a photo without an animal.

        >>> rule = DomainRule(features="efficientnet_lite0", target_false_alarms=0.02, scene_warnings=("two_pets",))
        >>> rule.scenes(DomainScores(0.5, 0.99, {"two_pets": 0.3})), rule.scenes(DomainScores(0.5, 0.99))
        (('two_pets',), ())
        """
        if self.warning(scores) == NO_ANIMAL:
            return ()
        return tuple(name for name in self.scene_warnings if scores.scenes.get(name, 0.0) > 0)

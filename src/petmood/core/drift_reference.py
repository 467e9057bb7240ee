"""Description of a bundle's drift reference, the photos that logged photos are compared with."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MOST_REFERENCE", "ReferenceInfo", "ReferenceSource"]

MOST_REFERENCE: Final = 1000
"""Most photos of a drift reference."""

ReferenceSource = Literal["held_out", "all"]


class ReferenceInfo(BaseModel):
    """What ``reference.npz`` of a bundle holds.

    ``photos``: held_out, photos of the validation and the test split; or all, photos of every split, of a network whose
    embeddings were not trained. At most one photo of each group is in it. ``count`` is their number.
    ``statistics_version`` is that of ``core.image_statistics``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: ReferenceSource
    count: int = Field(ge=0, le=MOST_REFERENCE)
    statistics_version: int = Field(ge=1)

"""Strengths of the augmentation of training photos: the settings, without the libraries that apply them."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["AugmentSpec"]


class AugmentSpec(BaseModel):
    """How far a photo may be varied; all zeros leave it as it is.

    ``zoom`` is the smallest share of the side that a crop keeps, ``stretch`` the largest change of aspect, ``shift``
    the largest move as a share of the side; ``brightness``, ``contrast`` and ``saturation`` are largest relative
    changes, ``tint`` that of one channel against the others; ``mirror``, ``grey`` and ``cover`` are probabilities.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mirror: float = Field(default=0.0, ge=0, le=1)
    rotate_deg: float = Field(default=0.0, ge=0, le=180)
    zoom: float = Field(default=1.0, gt=0, le=1)
    stretch: float = Field(default=0.0, ge=0, lt=1)
    shift: float = Field(default=0.0, ge=0, lt=1)
    brightness: float = Field(default=0.0, ge=0, lt=1)
    contrast: float = Field(default=0.0, ge=0, lt=1)
    saturation: float = Field(default=0.0, ge=0, le=1)
    tint: float = Field(default=0.0, ge=0, lt=1)
    grey: float = Field(default=0.0, ge=0, le=1)
    cover: float = Field(default=0.0, ge=0, le=1)

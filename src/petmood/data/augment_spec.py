"""Settings of the training augmentation, without the libraries that apply them."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["AugmentSpec"]


class AugmentSpec(BaseModel):
    """Strengths of the training augmentation; the defaults change nothing.

    ``min_crop_scale`` is the smallest share of the side that a crop keeps. ``aspect_jitter`` is the largest change of
    aspect ratio, ``translate`` the largest shift as a share of the side. ``brightness``, ``contrast`` and
    ``saturation`` are the largest relative changes, ``channel_jitter`` that of one channel against the others.
    ``hflip``, ``grayscale_p`` and ``random_erasing_p`` are probabilities.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hflip: float = Field(default=0.0, ge=0, le=1)
    rotate_deg: float = Field(default=0.0, ge=0, le=180)
    min_crop_scale: float = Field(default=1.0, gt=0, le=1)
    aspect_jitter: float = Field(default=0.0, ge=0, lt=1)
    translate: float = Field(default=0.0, ge=0, lt=1)
    brightness: float = Field(default=0.0, ge=0, lt=1)
    contrast: float = Field(default=0.0, ge=0, lt=1)
    saturation: float = Field(default=0.0, ge=0, le=1)
    channel_jitter: float = Field(default=0.0, ge=0, lt=1)
    grayscale_p: float = Field(default=0.0, ge=0, le=1)
    random_erasing_p: float = Field(default=0.0, ge=0, le=1)

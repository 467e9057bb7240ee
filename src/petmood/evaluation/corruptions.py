"""Deterministic image corruptions: blur, noise, brightness, contrast, JPEG compression and crop, at five levels.

Kinds and levels follow ImageNet-C (Hendrycks and Dietterich, 2019), whose strengths are meant for images of about
224 pixels a side. Random values (noise, crop position) are seeded by the photo's pixels. The result does not depend on
the order of calls, so two networks get identical corrupted images.
"""

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from petmood.core.errors import ConfigError

__all__ = ["CORRUPTIONS", "LEVELS", "MIDDLE_LEVEL", "Corruption", "corrupt", "corruption"]

LEVELS: Final = (1, 2, 3, 4, 5)
"""Severity, from hardly visible to hard to recognize."""
MIDDLE_LEVEL: Final = 3
"""The level that models are compared and summarized at."""
SIDE_PX: Final = 224
"""Image side that a radius in pixels refers to; the radius scales with the image."""

Pixels = NDArray[np.uint8]
Make = Callable[[Pixels, float, np.random.Generator], Pixels]


@dataclass(frozen=True, slots=True)
class Corruption:
    """A declared corruption: its function and its strength at each of the five levels."""

    name: str
    make: Make
    strengths: tuple[float, float, float, float, float]


_registry: dict[str, Corruption] = {}

CORRUPTIONS: Final[Mapping[str, Corruption]] = MappingProxyType(_registry)
"""Every declared corruption by its name."""


def corruption(name: str, *, strengths: tuple[float, float, float, float, float]) -> Callable[[Make], Make]:
    """Declare the decorated function ``(pixels, strength, rng) -> pixels`` as a corruption.

    Raises:
        ConfigError: the name is already declared.
    """

    def declare(make: Make) -> Make:
        if name in _registry:
            raise ConfigError(f"The corruption {name!r} is declared twice. Give the second one another name.")
        _registry[name] = Corruption(name, make, strengths)
        return make

    return declare


def corrupt(pixels: Pixels, name: str, *, level: int) -> Pixels:
    """Return a corrupted copy of an image, uint8 [H, W, 3]; equal images are corrupted equally.

    The random seed is the same at all five levels, so a curve over the levels shows the effect of the level alone.

    Raises:
        ConfigError: unknown corruption or level.
    """
    if name not in _registry:
        raise ConfigError(f"Unknown corruption {name!r}. Known: {', '.join(sorted(_registry))}.")
    if level not in LEVELS:
        raise ConfigError(f"Expected a level from {LEVELS[0]} to {LEVELS[-1]} for {name!r}, got {level}.")
    chosen = _registry[name]
    digest = hashlib.sha256(repr((name, pixels.shape)).encode())
    digest.update(pixels.tobytes())
    rng = np.random.default_rng(int.from_bytes(digest.digest()[:8], "big"))
    return chosen.make(pixels, chosen.strengths[level - 1], rng)


@corruption("blur", strengths=(1.0, 2.0, 3.0, 4.0, 6.0))
def _blur(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001 - as every corruption
    """Blur by a Gaussian with a radius of ``strength`` pixels at a side of 224 pixels."""
    radius = strength * min(pixels.shape[:2]) / SIDE_PX
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


@corruption("noise", strengths=(0.08, 0.12, 0.18, 0.26, 0.38))
def _noise(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Add Gaussian noise with a standard deviation of ``strength``, on values in 0..1."""
    grain = rng.standard_normal(pixels.shape, dtype=np.float32)
    return _to_pixels(pixels / np.float32(255) + np.float32(strength) * grain)


@corruption("brightness", strengths=(0.1, 0.2, 0.3, 0.4, 0.5))
def _brightness(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Add or subtract ``strength`` on values in 0..1: half of the photos get too dark, half too bright."""
    return _to_pixels(pixels / np.float32(255) + np.float32(strength * rng.choice((-1.0, 1.0))))


@corruption("contrast", strengths=(0.4, 0.3, 0.2, 0.1, 0.05))
def _contrast(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001 - as every corruption
    """Scale each channel's deviation from its mean by ``strength``, as haze does."""
    values = pixels / np.float32(255)
    middle = values.mean(axis=(0, 1), keepdims=True)
    return _to_pixels(middle + np.float32(strength) * (values - middle))


@corruption("jpeg", strengths=(25, 18, 15, 10, 7))
def _jpeg(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001 - as every corruption
    """Compress with a JPEG quality of ``strength``."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=int(strength))
    return np.asarray(Image.open(buffer, formats=("JPEG",)).convert("RGB"))


@corruption("crop", strengths=(0.95, 0.9, 0.85, 0.8, 0.7))
def _crop(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Crop to ``strength`` of each side at a random position and resize to the original size."""
    height, width = pixels.shape[:2]
    kept = width * strength, height * strength
    left, top = (float(rng.random() * (full - part)) for full, part in zip((width, height), kept, strict=True))
    box = (left, top, left + kept[0], top + kept[1])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR, box=box))


def _to_pixels(values: NDArray[np.floating]) -> Pixels:
    return np.asarray(np.rint(np.clip(values, 0, 1) * 255), dtype=np.uint8)

"""Quality scores of one photo's pixels: dark, light, blurry, low information, odd aspect ratio, odd size, grayscale.

The scores, their names and thresholds are those of cleanvision 0.3.7 (Apache-2.0, github.com/cleanlab/cleanvision). The
package itself is not used: it opens files with Pillow alone, without the project's limits, HEIC and EXIF rotation.
Every score is from 0 (severe) to 1; a photo has the issue if its score is below the threshold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageStat

from petmood.data.validation.issue_kinds import IssueKind

__all__ = ["ImageScores", "image_scores", "size_scores"]

THRESHOLDS: Final[Mapping[IssueKind, float]] = {
    IssueKind.DARK: 0.32,
    IssueKind.LIGHT: 0.05,
    IssueKind.BLURRY: 0.29,
    IssueKind.LOW_INFORMATION: 0.3,
    IssueKind.ODD_ASPECT_RATIO: 0.35,
    IssueKind.GRAYSCALE: 0.5,
}
ODD_SIZE_THRESHOLD: Final = 0.5
BLUR_SIDE_PX: Final = 64
"""Blur is measured at this longer side, so that a larger photo doesn't count as less sharp."""
BLUR_FACTOR: Final = 0.01
FLAT_BLUR: Final = 0.18
"""A histogram whose spread scores above this is that of few gray levels: such a drawing is not called blurry."""
ENTROPY_FACTOR: Final = 0.1
IQR_FACTOR: Final = 3.0
LEAST_SPREAD: Final = 0.25
"""Smallest allowed deviation from the median side, as a share of it: in a set of equal sizes, few pixels don't count.

cleanvision reports each deviation there."""
GRAY_LEVELS: Final = 1.0
"""Mean difference between color channels, of 255, below which a photo is gray; JPEG colors of a gray photo differ."""


@dataclass(frozen=True, slots=True)
class ImageScores:
    """Scores of one photo by kind, from 0 (severe) to 1, and its side: the square root of its area, in pixels."""

    scores: Mapping[IssueKind, float]
    side_px: float

    @property
    def issues(self) -> Mapping[IssueKind, float]:
        """Kinds whose score is below the threshold, with the score."""
        return {kind: score for kind, score in self.scores.items() if score < THRESHOLDS[kind]}


def image_scores(pixels: NDArray[np.uint8], *, width: int, height: int) -> ImageScores:
    """Score a decoded photo, uint8 RGB [H, W, 3]; width and height are the file's in pixels, after EXIF rotation."""
    image = Image.fromarray(pixels)
    gray = image.convert("L")
    is_gray = _channel_difference(pixels) < GRAY_LEVELS
    dark, light = _brightness(gray if is_gray else image)
    found = {
        IssueKind.DARK: dark,
        IssueKind.LIGHT: light,
        IssueKind.BLURRY: _sharpness(image),
        IssueKind.LOW_INFORMATION: min(1.0, ENTROPY_FACTOR * (gray if is_gray else image).entropy()),
        IssueKind.ODD_ASPECT_RATIO: min(width / height, height / width),
        IssueKind.GRAYSCALE: 0.0 if is_gray else 1.0,
    }
    return ImageScores(found, side_px=(width * height) ** 0.5)


def size_scores(sides_px: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Score the size of each photo among all, and whether it is odd: far outside of the quartiles of the others.

    The limits are ``IQR_FACTOR`` interquartile ranges below the first and above the third quartile.
    """
    sides = np.asarray(sides_px, dtype=np.float64)
    if not len(sides):
        return np.zeros(0), np.zeros(0, dtype=np.bool_)
    first, third = np.percentile(sides, [25, 75])
    middle = (first + third) / 2
    reach = max((third - first) / 2 + IQR_FACTOR * (third - first), LEAST_SPREAD * middle)
    scores = 1 - np.clip(np.abs(sides - middle) / (2 * reach), 0, 1)
    return scores, scores < ODD_SIZE_THRESHOLD


def _channel_difference(pixels: NDArray[np.uint8]) -> float:
    red, green, blue = (pixels[..., channel].astype(np.int16) for channel in range(3))
    return float((np.abs(red - green) + np.abs(green - blue)).mean() / 2)


def _brightness(image: Image.Image) -> tuple[float, float]:
    """Return the scores of dark, by the 99th percentile of perceived brightness, and of light, by the 5th."""
    values = np.asarray(image, dtype=np.float64)
    if values.ndim == 3:
        values = np.sqrt(values**2 @ np.array([0.241, 0.691, 0.068]))
    low, high = np.percentile(values / 255, [5, 99])
    return float(min(high, 1.0)), float(max(1 - low, 0.0))


def _sharpness(image: Image.Image) -> float:
    """Return the score of blur: the spread of edges at 64 px, unless the photo has few gray levels."""
    ratio = max(image.size) / BLUR_SIDE_PX
    if ratio > 1:
        image = image.resize((max(int(image.width // ratio), 1), max(int(image.height // ratio), 1)))
    gray = image.convert("L")
    edges = ImageStat.Stat(gray.filter(ImageFilter.FIND_EDGES)).var[0] ** 0.5
    spread = 1 - np.exp(-BLUR_FACTOR * np.std(gray.histogram()))
    sharp = 1 - np.exp(-BLUR_FACTOR * edges)
    return float(min(1.0, sharp + (spread if spread > FLAT_BLUR else 0.0)))

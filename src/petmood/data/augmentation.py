"""Per-photo augmentation: rotation, crop, flip, color changes and random erasing.

One affine warp and one color matrix per photo, on uint8: about a third of a millisecond at 224 pixels.
(torchvision's v2 transforms draw one set of parameters for a complete batch.)
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from petmood.data.augment_spec import AugmentSpec

__all__ = ["augment"]

LUMA: Final = np.array([0.299, 0.587, 0.114])
Pixels = NDArray[np.uint8]


def augment(image: Pixels, spec: AugmentSpec, rng: np.random.Generator) -> Pixels:
    """Return an augmented copy of an image uint8 [S, S, 3]; content beyond the frame is reflected at the border."""
    side = image.shape[0]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(image, _warp(spec, side, rng), (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    varied = np.asarray(cv2.transform(out, _color_matrix(spec, rng)), dtype=np.uint8)
    if rng.random() < spec.random_erasing_p:
        _erase(varied, rng)
    return varied


def _warp(spec: AugmentSpec, side: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the affine matrix float64 [2, 3] that maps output pixel coordinates to input coordinates."""
    mirror = -1.0 if rng.random() < spec.hflip else 1.0
    angle = np.deg2rad(rng.uniform(-spec.rotate_deg, spec.rotate_deg))
    zoom = rng.uniform(spec.min_crop_scale, 1.0)
    aspect = np.exp(rng.uniform(-spec.aspect_jitter, spec.aspect_jitter))
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]]) * zoom
    linear = turn @ np.diag([mirror * np.sqrt(aspect), 1 / np.sqrt(aspect)])
    middle = np.full(2, (side - 1) / 2)
    max_offset = (1 - zoom) / 2 + spec.translate
    offset = middle + side * rng.uniform(-max_offset, max_offset, size=2) - linear @ middle
    return np.column_stack([linear, offset])


def _color_matrix(spec: AugmentSpec, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the matrix float64 [3, 4] that maps RGB colors in 0..255 to augmented ones."""
    saturation = 0.0 if rng.random() < spec.grayscale_p else 1 + rng.uniform(-spec.saturation, spec.saturation)
    colour = saturation * np.eye(3) + (1 - saturation) * np.tile(LUMA, (3, 1))
    gain = 1 + rng.uniform(-spec.channel_jitter, spec.channel_jitter, size=3)
    contrast = 1 + rng.uniform(-spec.contrast, spec.contrast)
    brightness = 255 * rng.uniform(-spec.brightness, spec.brightness) / 2
    linear = contrast * np.diag(gain) @ colour
    return np.column_stack([linear, np.full(3, 127.5 * (1 - contrast) + brightness)])


def _erase(image: Pixels, rng: np.random.Generator) -> None:
    """Fill a random rectangle over 2 to 15% of the image with gray, in place (random erasing: Zhong et al. 2020)."""
    side = image.shape[0]
    area, aspect = rng.uniform(0.02, 0.15), np.exp(rng.uniform(-0.7, 0.7))
    height = min(side, max(1, round(side * np.sqrt(area * aspect))))
    width = min(side, max(1, round(side * np.sqrt(area / aspect))))
    top, left = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
    image[top : top + height, left : left + width] = 128

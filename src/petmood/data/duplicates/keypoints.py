"""SIFT keypoints and descriptors of a photo, and descriptors of its mirror image.

The method is SIFT (Lowe, "Distinctive image features from scale-invariant keypoints", 2004) on contrast-equalized gray
(CLAHE). Descriptors have the square-root normalization of Arandjelovic and Zisserman ("Three things everyone should
know to improve object retrieval", 2012). A mirrored photo needs no second run: its descriptors are a fixed permutation
of the bins.
"""

import hashlib
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["DESCRIPTOR_BINS", "FRAME_PX", "UNIT", "Keypoints", "detect_and_compute", "mirror_descriptors"]

FRAME_PX = 224
"""Longer side in pixels to which every photo is scaled; keypoint positions are measured in that frame."""
KEYPOINTS = 400
"""Strongest keypoints kept per photo. Of 1,323 real near-duplicate pairs the weakest shares 20 cells at 250."""
CONTRAST = 0.02
"""SIFT's contrast threshold: half of the default, so that soft fur and blurred copies have keypoints too."""
DESCRIPTOR_BINS = 128
UNIT = 512.0
"""Scale of a descriptor: unit length after the square root, times this, rounded to integers up to 255."""

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# SIFT's bins are 4 rows x 4 columns x 8 directions, relative to the keypoint's own direction. A mirror image
# reverses the order of the rows and the sense of the directions.
_MIRROR = np.arange(DESCRIPTOR_BINS).reshape(4, 4, 8)[::-1][:, :, -np.arange(8) % 8].ravel()


@dataclass(frozen=True, slots=True)
class Keypoints:
    """The K keypoints of one photo.

    ``positions`` is float32 [K, 4]: x, y and size in pixels of the scaled frame, direction in radians.
    ``descriptors`` is uint8 [K, 128], each row of length about ``UNIT``.
    ``width`` and ``height`` are the sides of the scaled frame in pixels; the longer one is ``FRAME_PX``.
    """

    positions: Floats
    descriptors: Bytes
    width: float
    height: float

    def strongest(self, count: int) -> "Keypoints":
        """Return the ``count`` strongest keypoints alone."""
        return replace(self, positions=self.positions[:count], descriptors=self.descriptors[:count])

    def digest(self) -> bytes:
        """Return a hash that is equal for equal keypoints and gives photos a deterministic order."""
        hasher = hashlib.blake2b(self.descriptors.tobytes(), digest_size=16)
        hasher.update(self.positions.tobytes())
        return hasher.digest()


def detect_and_compute(pixels: Bytes) -> Keypoints:
    """Return the keypoints of one photo, uint8 [H, W, 3] RGB, strongest first; a flat photo has none."""
    height, width = pixels.shape[:2]
    factor = FRAME_PX / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if size != (width, height):
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    level = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(4, 4)).apply(grey)
    sift = cv2.SIFT.create(nfeatures=KEYPOINTS, contrastThreshold=CONTRAST)
    points, found = sift.detectAndCompute(level, None)
    rows = [(p.pt[0], p.pt[1], p.size, np.radians(p.angle), p.response) for p in points[:KEYPOINTS]]
    positions = np.array(rows, np.float32).reshape(-1, 5)
    # OpenCV's order of equal responses depends on its threads; this order doesn't.
    order = np.lexsort((positions[:, 3], positions[:, 1], positions[:, 0], -positions[:, 4]))
    raw = np.zeros((0, DESCRIPTOR_BINS), np.float32) if found is None else np.asarray(found[:KEYPOINTS], np.float32)
    return Keypoints(positions[order, :4].copy(), _rooted(raw[order]), float(size[0]), float(size[1]))


def mirror_descriptors(descriptors: Bytes) -> Bytes:
    """Return the descriptors, uint8 [K, 128], of the mirrored photo."""
    return np.ascontiguousarray(descriptors[:, _MIRROR])


def _rooted(raw: Floats) -> Bytes:
    share = raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-9)
    quantized: Bytes = np.minimum(np.rint(np.sqrt(share) * UNIT), 255).astype(np.uint8)
    return quantized

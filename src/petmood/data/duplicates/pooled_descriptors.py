"""Descriptors of all keypoints of a photo, pooled into one vector: photos with much in common have near vectors.

The method is VLAD (Jegou et al., "Aggregating local descriptors into a compact image representation", 2010) with
normalized parts (Arandjelovic and Zisserman, "All about VLAD", 2013).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import faiss
import numpy as np
from numpy.typing import NDArray

from petmood.data.duplicates.comparison import PhotoFeatures
from petmood.data.duplicates.keypoints import DESCRIPTOR_BINS, UNIT, mirror_descriptors
from petmood.data.duplicates.neighbors import evenly_spaced

__all__ = ["DescriptorPool", "fit_pool"]

CENTERS: Final = 64
SAMPLED_PHOTOS: Final = 2048
SAMPLED_DESCRIPTORS: Final = 24
"""Descriptors of a sampled photo that the centers are fitted to."""
ROUNDS: Final = 10
SEED: Final = 1

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DescriptorPool:
    """Pools descriptors by their nearest of the ``centers``, float32 [C, 128]."""

    centers: Floats

    def __call__(self, photo: PhotoFeatures) -> Floats:
        """Return the vectors [2, C * 128], of length 1, of a photo and of its mirror image; 0 without keypoints."""
        own = photo.keypoints.descriptors
        return np.stack([self._pooled(own), self._pooled(mirror_descriptors(own))])

    def _pooled(self, descriptors: NDArray[np.uint8]) -> Floats:
        vectors = descriptors.astype(np.float32) / np.float32(UNIT)
        nearest = (2 * vectors @ self.centers.T - (self.centers**2).sum(axis=1)).argmax(axis=1)
        parts = np.zeros_like(self.centers)
        for center in np.unique(nearest).tolist():
            one = vectors[nearest == center]
            parts[center] = one.sum(axis=0) - len(one) * self.centers[center]
        parts /= np.maximum(np.linalg.norm(parts, axis=1, keepdims=True), 1e-9)
        pooled: Floats = parts.ravel()
        return pooled / max(float(np.linalg.norm(pooled)), 1e-9)


def fit_pool(photos: Sequence[PhotoFeatures]) -> DescriptorPool:
    """Return a pool whose centers are those of the descriptors of some of the photos, by k-means."""
    parts = [np.zeros((0, DESCRIPTOR_BINS), np.uint8)]
    for number in evenly_spaced(len(photos), SAMPLED_PHOTOS):
        own = photos[number].keypoints.descriptors
        parts.append(own[:: max(1, len(own) // SAMPLED_DESCRIPTORS)][:SAMPLED_DESCRIPTORS])
    sample = np.concatenate(parts).astype(np.float32) / np.float32(UNIT)
    if len(sample) <= CENTERS:
        return DescriptorPool(np.zeros((1, DESCRIPTOR_BINS), np.float32))
    found = faiss.Kmeans(DESCRIPTOR_BINS, CENTERS, niter=ROUNDS, seed=SEED, min_points_per_centroid=1)
    found.train(sample)
    return DescriptorPool(np.asarray(found.centroids, np.float32))

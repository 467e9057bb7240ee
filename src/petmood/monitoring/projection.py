"""PCA projection of embeddings for the prediction log, and the norm of what it leaves out.

A drift test compares photos of a reference with logged ones. It is valid only if both are equally new to whatever was
fitted. Photos that a PCA was fitted to have smaller residuals than new photos of the same kind. So a projection is
fitted to other photos than the reference: to training photos, or to one side of ``fit_rows``. After that it is a fixed
function, and reference and logged photos of one kind have residuals of one distribution.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError

__all__ = ["COMPONENTS", "FULL_WIDTH", "Projection", "fit_projection", "fit_rows"]

COMPONENTS: Final = 128
"""Most components of a projection."""
FULL_WIDTH: Final = 640
"""Embeddings up to this width are logged as they are."""
CHUNK_ROWS: Final = 8192

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Fixed projection: ``mean`` float32 [D] and orthonormal ``components`` float32 [D, P]."""

    mean: Floats
    components: Floats

    @property
    def width(self) -> int:
        """Columns of what ``project`` returns: D up to ``FULL_WIDTH``, else P."""
        return len(self.mean) if len(self.mean) <= FULL_WIDTH else self.components.shape[1]

    def project(self, embedding: NDArray[np.floating]) -> tuple[Floats, Floats]:
        """Return what is logged of embeddings [N, D]: columns float32 [N, ``width``] and residual norms float32 [N].

        The residual norm is the length of the part of a centered embedding outside of the components. It is taken from
        the components at any width.

        Raises:
            DataError: the embeddings are not of width D.
        """
        if embedding.ndim != 2 or embedding.shape[1] != len(self.mean):
            raise DataError(
                f"Expected embeddings of shape (N, {len(self.mean)}), got {embedding.shape}. "
                "Use the projection of the same model version."
            )
        reduced = np.empty((len(embedding), self.width), dtype=np.float32)
        residual = np.empty(len(embedding), dtype=np.float32)
        for start in range(0, len(embedding), CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            centered = embedding[rows].astype(np.float32) - self.mean
            along = centered @ self.components
            residual[rows] = np.linalg.norm(centered - along @ self.components.T, axis=1)
            reduced[rows] = embedding[rows] if len(self.mean) <= FULL_WIDTH else along
        return reduced, residual


def fit_projection(embedding: NDArray[np.floating], *, most: int = COMPONENTS) -> Projection:
    """Fit a PCA to embeddings [N, D] by singular value decomposition; take other photos than those of the reference.

    There are at most ``most`` components, at most half of D, so that a residual is left, and fewer than photos.

    Raises:
        DataError: fewer than 2 photos or 2 columns, or a value that is not finite.
    """
    if embedding.ndim != 2 or min(embedding.shape) < 2 or not np.isfinite(embedding).all():
        raise DataError(
            f"Expected finite embeddings of 2 photos or more and 2 columns or more, got shape {embedding.shape}."
        )
    values = embedding.astype(np.float64)
    mean = values.mean(axis=0)
    axes = np.linalg.svd(values - mean, full_matrices=False)[2]
    count = min(most, embedding.shape[1] // 2, len(embedding) - 1)
    components = axes[:count].T
    largest = np.abs(components).argmax(axis=0)
    components = components * np.sign(components[largest, np.arange(count)])
    return Projection(mean.astype(np.float32), np.ascontiguousarray(components, dtype=np.float32))


def fit_rows(groups: Sequence[str], *, share: float = 0.5, seed: int = 0) -> NDArray[np.bool_]:
    """Return bool [N]: the photos to fit a projection to; the others, of other groups, are for the reference.

    Groups are drawn until they hold ``share`` of the photos. Use this if no training photos are at hand.

    Raises:
        DataError: fewer than 2 groups.
    """
    names, group_of = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    if len(names) < 2:
        raise DataError(f"Expected photos of 2 groups or more, got {len(names)}. Add photos.")
    order = np.random.default_rng(seed).permutation(len(names))
    held = np.cumsum(np.bincount(group_of)[order])
    taken = int(np.clip(np.searchsorted(held, share * len(groups)) + 1, 1, len(names) - 1))
    return np.isin(group_of, order[:taken])

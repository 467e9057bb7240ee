"""Robust estimation of the transform between two photos from their keypoint matches.

The transform is a rotation, scale and translation, possibly with a mirror. Every match of two keypoints proposes one by
itself, because keypoints have a size and a direction. The proposal with the most inliers is refined by least squares,
first as a similarity, then as an affine transform. Inliers are counted over distinct grid cells: many keypoints in one
spot are not independent evidence.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petmood.data.duplicates.keypoints import Keypoints

__all__ = ["SimilarityTransform", "estimate_transform"]

MATCHES = 160
"""Number of best matches of a pair that are used: the time of a check grows with its square."""
FIRST_REACH_PX = 8.0
"""Largest residual of an inlier in pixels, under the transform proposed by another match."""
REACH_PX = 6.0
"""Largest residual of an inlier in pixels, under the refined transform."""
OCTAVES = 0.8
"""Largest difference between the size ratio of an inlier and the transform's scale, in powers of two."""
COSINE = 0.8
"""Smallest cosine of the angle between the rotations of an inlier and the transform (37 degrees)."""
SCALES = (0.2, 5.0)
"""Smallest and largest scale accepted."""
CELL_PX = 14.0
"""Side of a grid cell; keypoints in one cell count once. A square photo has 256 cells."""
AFFINE_INLIERS = 8
"""With fewer inliers the transform stays a similarity: an affine one could fit a few chance matches."""

Floats = NDArray[np.float64]
Points = NDArray[np.complex128]
Chosen = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SimilarityTransform:
    """Transform from the first photo's frame to the second's.

    ``matrix`` is float64 [2, 3]: (x, y, 1) of the first frame -> (x, y) of the second, in pixels of the scaled frames.
    ``inliers`` counts the distinct grid cells that agree. ``scale`` is an object's size in the second frame over its
    size in the first. ``agreeing`` is [I, 2], the keypoint indices of the matches that agree.
    """

    matrix: Floats
    inliers: int
    mirrored: bool
    scale: float
    agreeing: NDArray[np.intp]


def estimate_transform(
    first: Keypoints, second: Keypoints, matches: NDArray[np.intp], *, mirrored: bool
) -> SimilarityTransform | None:
    """Return the transform with the most inliers, or None if fewer than two grid cells agree.

    ``matches`` is [M, 2], keypoint indices in the two photos, best first; only the first ``MATCHES`` are used.
    """
    a, b = first.positions[matches[:MATCHES, 0]], second.positions[matches[:MATCHES, 1]]
    if len(a) < 2:
        return None
    start, start_way = _points(a, mirrored=mirrored)
    end, end_way = _points(b, mirrored=False)
    ratio = np.log2(b[:, 2].astype(np.float64) / a[:, 2])
    turn = end_way / start_way
    chosen = _most_agreed(start, end, ratio, turn)
    step = _similarity(start, end, chosen)
    for _ in range(3):
        if step is None or not SCALES[0] <= abs(step[0]) <= SCALES[1]:
            return None
        wide = REACH_PX * max(1.0, abs(step[0]))
        off_scale = np.abs(ratio - np.log2(abs(step[0])))
        along = (turn * np.conj(step[0] / abs(step[0]))).real
        chosen = (np.abs(step[0] * start + step[1] - end) < wide) & (off_scale < OCTAVES) & (along > COSINE)
        last, step = step, _similarity(start, end, chosen)
    inliers = min(_count_cells(a[chosen]), _count_cells(b[chosen]))
    if inliers < 2:
        return None
    matrix = _affine(a[chosen], b[chosen]) if inliers >= AFFINE_INLIERS else _matrix(last, mirrored=mirrored)
    return SimilarityTransform(matrix, inliers, mirrored, float(abs(last[0])), matches[:MATCHES][chosen])


def _points(positions: NDArray[np.float32], *, mirrored: bool) -> tuple[Points, Points]:
    """Return positions and directions as complex128 [M]; ``mirrored`` flips the image upside down."""
    where = positions[:, 0].astype(np.float64) + 1j * positions[:, 1]
    way = np.exp(1j * positions[:, 3].astype(np.float64))
    return (where.conj(), way.conj()) if mirrored else (where, way)


def _most_agreed(start: Points, end: Points, ratio: Floats, turn: Points) -> Chosen:
    step = 2.0**ratio * turn
    shift = end - step * start
    off = np.abs(step[:, None] * start[None, :] + shift[:, None] - end[None, :])
    agree = off < FIRST_REACH_PX * np.maximum(1.0, np.abs(step))[:, None]
    agree &= np.abs(ratio[:, None] - ratio[None, :]) < OCTAVES
    agree &= (turn[:, None] * turn.conj()[None, :]).real > COSINE
    best: Chosen = agree[agree.sum(axis=1).argmax()]
    return best


def _similarity(start: Points, end: Points, chosen: Chosen) -> tuple[complex, complex] | None:
    a, b = start[chosen], end[chosen]
    if len(a) < 2:
        return None
    da, db = a - a.mean(), b - b.mean()
    spread = float((np.abs(da) ** 2).sum())
    if spread < 1.0:
        return None
    step = complex((db * da.conj()).sum() / spread)
    return (step, complex(b.mean() - step * a.mean())) if step else None


def _affine(a: NDArray[np.float32], b: NDArray[np.float32]) -> Floats:
    left = np.column_stack([a[:, :2], np.ones(len(a))]).astype(np.float64)
    solved, *_ = np.linalg.lstsq(left, b[:, :2].astype(np.float64), rcond=None)
    return np.asarray(solved.T, np.float64)


def _matrix(step: tuple[complex, complex], *, mirrored: bool) -> Floats:
    (c, s), (x, y) = (step[0].real, step[0].imag), (step[1].real, step[1].imag)
    down = -1.0 if mirrored else 1.0
    return np.array([[c, -s * down, x], [s, c * down, y]])


def _count_cells(positions: NDArray[np.float32]) -> int:
    return len(np.unique((positions[:, :2] // CELL_PX).astype(np.int64) @ np.array([1 << 20, 1])))

"""Pairs of photos whose vectors are near: each photo and its mirror image against all photos.

Vectors are reduced by PCA, fitted to a sample, and searched by their cosine. Components are divided by the square root
of their deviation, so that the first ones don't decide alone. Few photos are searched exhaustively, many in an inverted
file of float16 vectors (faiss), whose lists grow with the square root of the number of photos.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import faiss
import numpy as np
from numpy.typing import NDArray

from petmood.core.progress import ProgressBar, no_progress
from petmood.data.threads import ordered_map

__all__ = ["ends_of", "evenly_spaced", "nearest_pairs"]

COMPONENTS: Final = 256
"""Principal components: 512 bytes a photo in the index."""
SAMPLED_VALUES: Final = 4_000_000
"""Values of the photos that the components are fitted to, such as 1,562 of 1,280 values, with the mirror images."""
SAMPLED_PHOTOS: Final = 2048
"""Largest number of those photos."""
EXACT_UP_TO: Final = 10_000
"""Largest number of photos that are searched exhaustively."""
LISTS_PER_ROOT: Final = 4
"""Lists of the inverted file, as a multiple of the square root of the number of photos."""
PROBES: Final = 24
"""Lists that are searched for a photo."""
PER_LIST: Final = 40
"""Training photos of a list."""
ROUNDS: Final = 6
"""k-means iterations for the centers of the lists."""
SEED: Final = 1
CHUNK: Final = 256
LOW: Final = 0xFFFFFFFF

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
ReadVectors = Callable[[Sequence[int]], Floats]
"""Returns the vectors of photos by number, float32 [N, 2, width]: of each and of its mirror image."""


@dataclass(frozen=True, slots=True)
class _Reduced:
    """Vectors reduced to the principal components ``axes`` [width, D] around ``mean`` [width]."""

    read: ReadVectors
    mean: Floats
    axes: Floats

    def __call__(self, numbers: Sequence[int]) -> Floats:
        """Return vectors of length 1, float32 [N, 2, D]."""
        vectors = (self.read(numbers) - self.mean) @ self.axes
        length = np.linalg.norm(vectors, axis=2, keepdims=True)
        return np.asarray(vectors / np.maximum(length, 1e-9), np.float32)


def nearest_pairs(
    count: int, read: ReadVectors, *, neighbors: int, threads: int, progress: ProgressBar = no_progress
) -> Ints:
    """Return pairs of photos, as smaller number << 32 | larger number, sorted.

    These are the ``neighbors`` nearest ones of each photo, and of each mirror image (or one more). ``read`` returns the
    vectors of some of the ``count`` photos. The result depends on them and on their order, not on ``threads``.
    """
    if count < 2:
        return np.zeros(0, np.int64)
    reduced = _reduction(count, read)
    index = _index(count, reduced, threads=threads)
    starts = range(0, count, CHUNK)

    def search(start: int) -> Ints:
        return _search(index, reduced, range(start, min(start + CHUNK, count)), wanted=min(neighbors + 1, count))

    parts = ordered_map(search, starts, threads=threads)
    return np.unique(np.concatenate(list(progress(parts, total=len(starts), what="searching near photos"))))


def ends_of(pairs: Ints) -> Ints:
    """Return the numbers of the photos of pairs as ``nearest_pairs`` returns them, [P, 2]."""
    return np.column_stack([pairs >> 32, pairs & LOW])


def _reduction(count: int, read: ReadVectors) -> _Reduced:
    width = read([0]).shape[2]
    sample = read(evenly_spaced(count, min(SAMPLED_PHOTOS, max(COMPONENTS, SAMPLED_VALUES // (2 * width)))))
    vectors = sample.reshape(-1, width)
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    centered = vectors - mean
    if len(centered) < width:  # the smaller of two matrices with the same positive eigenvalues
        power, sides = np.linalg.eigh((centered @ centered.T).astype(np.float64))
        axes = centered.T @ sides.astype(np.float32)
        axes /= np.maximum(np.linalg.norm(axes, axis=0), 1e-6)
    else:
        power, axes = np.linalg.eigh((centered.T @ centered).astype(np.float64))
    largest = slice(-1, -1 - min(COMPONENTS, len(power)), -1)
    scale = np.maximum(power[largest], 1e-6 * max(float(power[-1]), 1e-12)) ** -0.25
    return _Reduced(read, mean, np.ascontiguousarray(axes[:, largest] * scale, np.float32))


def _index(count: int, reduced: _Reduced, *, threads: int) -> Any:  # noqa: ANN401 - faiss has no types
    width = reduced.axes.shape[1]
    index = faiss.IndexFlatIP(width) if count <= EXACT_UP_TO else _inverted_file(count, reduced, threads=threads)
    for start in range(0, count, CHUNK):
        index.add(np.ascontiguousarray(reduced(range(start, min(start + CHUNK, count)))[:, 0]))
    return index


def _inverted_file(count: int, reduced: _Reduced, *, threads: int) -> Any:  # noqa: ANN401 - faiss has no types
    width, lists = reduced.axes.shape[1], int(LISTS_PER_ROOT * np.sqrt(count))
    kind = faiss.ScalarQuantizer.QT_fp16
    # The vectors themselves are stored, not their residuals from a center.
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(width),
        width,
        lists,
        kind,
        faiss.METRIC_INNER_PRODUCT,
        False,  # noqa: FBT003 - no names here
    )
    index.cp.niter, index.cp.seed, index.cp.max_points_per_centroid = ROUNDS, SEED, PER_LIST
    index.cp.min_points_per_centroid, index.cp.spherical, index.nprobe = 1, True, PROBES
    chosen = evenly_spaced(count, lists * PER_LIST)
    sample = np.concatenate([reduced(chosen[start : start + CHUNK])[:, 0] for start in range(0, len(chosen), CHUNK)])
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        index.train(np.ascontiguousarray(sample))
    finally:
        faiss.omp_set_num_threads(before)
    return index


def evenly_spaced(count: int, most: int) -> list[int]:
    """Return at most ``most`` numbers below ``count``, evenly spread."""
    chosen: list[int] = np.linspace(0, count - 1, min(count, most)).astype(np.int64).tolist()
    return chosen


def _search(index: Any, reduced: _Reduced, numbers: range, *, wanted: int) -> Ints:  # noqa: ANN401 - no types
    """Return the pairs of some photos and their neighbors, sorted."""
    queries = np.ascontiguousarray(reduced(numbers).reshape(2 * len(numbers), -1))
    _, found = index.search(queries, wanted)
    owners = np.broadcast_to(np.repeat(np.array(numbers), 2)[:, None], found.shape)
    used = (found >= 0) & (found != owners)
    a, b = owners[used], found[used].astype(np.int64)
    return np.unique(np.minimum(a, b) << 32 | np.maximum(a, b))

"""Candidate pairs of related photos, found by nearest-neighbor search over keypoint descriptors.

The strongest descriptors of each photo, and their mirror images, query for their nearest neighbors in other photos. A
neighbor is a vote for its photo, with more weight the nearer it is than the furthest neighbor found. Fur, grass and
caption letters resemble many things and so add little weight. Few descriptors are searched exhaustively; many in an
inverted file of 8-bit vectors (faiss). Memory grows with the number of photos, not with the number of pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from petmood.core.progress import ProgressBar, no_progress
from petmood.data.duplicates.keypoints import DESCRIPTOR_BINS, UNIT, Keypoints, mirror_descriptors
from petmood.data.threads import ordered_map

__all__ = ["Candidate", "find_candidates"]

VOTERS = 256
"""Strongest keypoints per photo that are indexed and queried."""
NEIGHBOURS = 12
"""Neighbors per query. Photos with more near-duplicates than this are grouped through one another."""
MIN_VOTES = 1.5
"""Smallest number of votes of a candidate pair."""
PARTNERS = 24
"""Largest number of partners kept per photo."""
EXACT_UP_TO = 20_000
"""Largest number of descriptors that are searched exhaustively."""
PROBES = 3
"""Lists of the inverted file that are searched per query."""
SAMPLES_PER_LIST = 40
"""Training descriptors per list centroid."""
CHUNK_PHOTOS = 128
STOP_DISTANCE = 0.05
"""A descriptor whose neighbors are all nearer (squared, at unit length) is found everywhere, as in a caption."""
STOP_SHARE = 0.5
"""Above this share of descriptors found everywhere, a photo has many near-duplicates and keeps all descriptors."""
STOP_REACH_PX = 10.0
"""Keypoints this near, in pixels, to one that is found everywhere are ignored."""
ROUNDS = 6
"""k-means iterations for the list centroids."""
SEED = 1
LOW = 0xFFFFFFFF

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


class _Index(Protocol):
    """The part of the faiss index interface that is used."""

    def search(self, queries: Floats, count: int) -> tuple[Floats, NDArray[np.int64]]:
        """Return the squared distances and positions of the nearest stored vectors, each [Q, count]."""
        ...

    def add(self, vectors: Floats) -> None:
        """Add vectors, float32 [N, 128], to the index."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two photos, ``first`` < ``second``, that may be related, one of them possibly mirrored."""

    first: int
    second: int
    mirrored: bool
    votes: float


@dataclass(frozen=True, slots=True)
class _Searched:
    """The index, and the photo of every stored descriptor."""

    index: _Index
    owners: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Votes:
    """Votes of one chunk: photo pairs as query << 32 | partner, and masks of the distinctive descriptors."""

    pairs: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    votes: NDArray[np.float64]
    distinctive: list[NDArray[np.bool_]]


def find_candidates(
    photos: Sequence[Keypoints], *, threads: int, progress: ProgressBar = no_progress
) -> tuple[list[Candidate], list[NDArray[np.bool_]]]:
    """Return the candidate pairs, sorted, and for every photo the mask of its distinctive descriptors (bool [K]).

    ``threads`` are used for the search; the result doesn't depend on it.
    """
    distinctive = [np.ones(len(photo.positions), np.bool_) for photo in photos]
    if not any(len(photo.positions) for photo in photos):
        return [], distinctive
    searched = _index(photos, threads=threads)
    votes: dict[tuple[int, int, bool], float] = {}
    starts = range(0, len(photos), CHUNK_PHOTOS)
    chunks = ordered_map(lambda start: _query(searched, photos, start), starts, threads=threads)
    for start, chunk in zip(starts, progress(chunks, total=len(starts), what="searching candidate pairs"), strict=True):
        for position, part in enumerate(chunk.distinctive, start=start):
            distinctive[position] = _away_from_stops(photos[position], part)
        for pair, mirrored, value in zip(chunk.pairs, chunk.mirrored, chunk.votes, strict=True):
            a, b = int(pair >> 32), int(pair & LOW)
            name = (min(a, b), max(a, b), bool(mirrored))
            votes[name] = votes.get(name, 0.0) + float(value)
    return [Candidate(*name, votes[name]) for name in sorted(votes) if votes[name] >= MIN_VOTES], distinctive


def _index(photos: Sequence[Keypoints], *, threads: int) -> _Searched:
    counts = [min(len(photo.positions), VOTERS) for photo in photos]
    owners = np.repeat(np.arange(len(photos), dtype=np.int32), counts)
    index: _Index = faiss.IndexFlatL2(DESCRIPTOR_BINS)
    if len(owners) > EXACT_UP_TO:
        index = _inverted_file(photos, len(owners), threads=threads)
    for start in range(0, len(photos), CHUNK_PHOTOS):
        index.add(_floats([photo.descriptors[:VOTERS] for photo in photos[start : start + CHUNK_PHOTOS]]))
    return _Searched(index, owners)


def _inverted_file(photos: Sequence[Keypoints], total: int, *, threads: int) -> _Index:
    """Train the inverted file on a sample; its lists grow with the square root of the number of descriptors."""
    lists = int(2 * np.sqrt(total))
    centres = faiss.IndexFlatL2(DESCRIPTOR_BINS)
    kind = faiss.ScalarQuantizer.QT_8bit_direct
    # The descriptors themselves are stored, not their residuals from a centroid, which don't fit in bytes.
    index = faiss.IndexIVFScalarQuantizer(centres, DESCRIPTOR_BINS, lists, kind, faiss.METRIC_L2, False)  # noqa: FBT003 - faiss has no names here
    index.cp.niter, index.cp.seed, index.cp.max_points_per_centroid = ROUNDS, SEED, SAMPLES_PER_LIST
    index.cp.min_points_per_centroid = 1
    index.nprobe = PROBES
    step = max(1, total // (lists * SAMPLES_PER_LIST))
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        index.train(
            _floats([photo.descriptors[position % step : VOTERS : step] for position, photo in enumerate(photos)])
        )
    finally:
        faiss.omp_set_num_threads(before)
    return index


def _floats(parts: Sequence[Bytes]) -> Floats:
    return np.concatenate(parts).astype(np.float32)


def _query(searched: _Searched, photos: Sequence[Keypoints], start: int) -> _Votes:
    """Return the votes of the photos of one chunk, as they are and mirrored."""
    chunk = photos[start : start + CHUNK_PHOTOS]
    strong = [photo.descriptors[:VOTERS] for photo in chunk]
    counts = [len(part) for part in strong]
    owners = np.repeat(np.arange(start, start + len(chunk), dtype=np.int32), counts)
    distance, neighbours = _neighbours(searched, _floats(strong), owners)
    distinctive = [~part for part in np.split(_stop_descriptors(distance), np.cumsum(counts)[:-1])]
    distinctive = [part if len(part) and part.mean() >= 1 - STOP_SHARE else np.ones_like(part) for part in distinctive]
    counted = np.concatenate(distinctive)
    pairs, votes = _count(distance, neighbours, owners, counted)
    distance, neighbours = _neighbours(searched, _floats([mirror_descriptors(part) for part in strong]), owners)
    more_pairs, more_votes = _count(distance, neighbours, owners, counted)
    mirrored = np.repeat([False, True], [len(pairs), len(more_pairs)])
    return _Votes(np.concatenate([pairs, more_pairs]), mirrored, np.concatenate([votes, more_votes]), distinctive)


def _neighbours(searched: _Searched, queries: Floats, owners: NDArray[np.int32]) -> tuple[Floats, NDArray[np.int32]]:
    """Return the squared distances (unit length 1; infinite if unusable) and photos of the neighbors, [Q, k]."""
    count = min(NEIGHBOURS, len(searched.owners))
    distance, found = searched.index.search(queries, count)
    neighbours = searched.owners[found]
    distance = (distance / UNIT**2).astype(np.float32)
    distance[(found < 0) | (neighbours == owners[:, None])] = np.inf
    return distance, neighbours


def _stop_descriptors(distance: Floats) -> NDArray[np.bool_]:
    """Return the mask of descriptors whose neighbors are all very near, such as the letters of a caption."""
    usable = np.isfinite(distance)
    near = np.where(usable, distance, 0.0) < STOP_DISTANCE
    mask: NDArray[np.bool_] = near.all(axis=1) & (usable.sum(axis=1) >= NEIGHBOURS - 2)
    return mask


def _away_from_stops(photo: Keypoints, distinctive: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of distinctive keypoints; weaker ones near one that is found everywhere are excluded too."""
    where = photo.positions[:, :2]
    mask = np.ones(len(where), np.bool_)
    for stop in where[: len(distinctive)][~distinctive]:
        mask &= np.abs(where - stop).max(axis=1) > STOP_REACH_PX
    mask[: len(distinctive)] &= distinctive
    return mask


def _count(
    distance: Floats, neighbours: NDArray[np.int32], owners: NDArray[np.int32], counted: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Sum the votes of every pair; keep the best partners of each querying photo."""
    usable = np.isfinite(distance)
    furthest = np.maximum(distance.max(axis=1, initial=0.0, where=usable), STOP_DISTANCE)
    weight = np.where(usable & counted[:, None], 1.0 - np.where(usable, distance, 0.0) / furthest[:, None], 0.0)
    rows, columns = np.nonzero(weight > 0.01)
    code = owners[rows].astype(np.int64) << 32 | neighbours[rows, columns]
    pairs, which = np.unique(code, return_inverse=True)
    total = np.bincount(which, weights=weight[rows, columns], minlength=len(pairs))
    order = np.lexsort((pairs, -total, pairs >> 32))
    query_photo = (pairs >> 32)[order]
    rank = np.arange(len(order)) - np.searchsorted(query_photo, query_photo)
    kept = order[(rank < PARTNERS) & (total[order] >= MIN_VOTES / 2)]
    return pairs[kept], total[kept]

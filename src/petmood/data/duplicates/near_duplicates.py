"""Detection of near-duplicate and related photos from their pixels alone.

Four steps: describe every photo by its keypoints, vote for candidate pairs with the descriptors, estimate the transform
between the two frames, and compare the aligned pixels. File names are never used. See
docs/decisions/near-duplicates.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from petmood.core.errors import DataError
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.duplicates.alignment import MATCHES, SimilarityTransform, estimate_transform
from petmood.data.duplicates.candidates import Candidate, find_candidates
from petmood.data.duplicates.correlation import aligned_correlation, edge_thumbnail, thumbnail
from petmood.data.duplicates.keypoints import UNIT, Keypoints, detect_and_compute, mirror_descriptors
from petmood.data.duplicates.relations import RelationKind
from petmood.data.threads import ordered_map, single_threaded_libraries

__all__ = ["PhotoFeatures", "Relation", "describe_photo", "find_near_duplicates", "find_relations", "group_ids"]

RELATED_INLIERS = 9
"""Smallest number of inliers of a related pair.

Measured on 296 real originals: pairs of two similar animals reach 8, six pairs of photos of one animal reach 9 to 25.
One such pair with 7 is missed.
"""
RELATED_CORRELATION = 0.3
"""Smallest correlation of a related pair with fewer than ``CERTAIN_INLIERS``.

Five groups of one animal have pairs with 0.34 to 0.62. Of ten chance pairs among 240 drawn faces with 9 to 13 inliers,
one has more than 0.27 (0.305).
"""
CERTAIN_INLIERS = 14
"""With this many inliers a related pair needs no correlation: an animal on another background has little."""
DUPLICATE_INLIERS = 5
"""Smallest number of inliers of a near-duplicate pair; the weakest real pair has 25."""
DUPLICATE_CORRELATION = 0.75
"""Smallest correlation of a near-duplicate pair.

1,323 real near-duplicate pairs have 0.86 to 1.0, other photos of one animal up to 0.62, similar animals up to 0.43.
"""
RATIO = 0.85
"""Largest ratio of a match's squared distance to that of the second best in the same photo (ratio test)."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Relation:
    """Relation of two photos, ``first`` < ``second``, of one group.

    ``kind`` is near-duplicate if the pixels agree wherever the frames overlap, else related.
    ``inliers`` counts the distinct grid cells that agree. ``scale`` is an object's size in the second frame over its
    size in the first, with both frames scaled to one longer side. ``agreement`` is the correlation of the pixels.
    ``first_inside`` and ``second_inside`` are the shares (0 to 1) of each frame that the other covers.
    """

    first: int
    second: int
    kind: RelationKind
    inliers: int
    mirrored: bool
    scale: float
    agreement: float = 1.0
    first_inside: float = 1.0
    second_inside: float = 1.0


@dataclass(frozen=True, slots=True)
class PhotoFeatures:
    """What near-duplicates of a photo are found by, about 45 kB.

    These are keypoints, a gray thumbnail uint8 [64, 64], the strength of edges uint8 [64, 64], and a digest.
    """

    keypoints: Keypoints
    thumb: Bytes
    digest: bytes
    edges: Bytes


def find_near_duplicates(
    photos: Iterable[Bytes], *, total: int | None = None, threads: int = 2, progress: ProgressBar = no_progress
) -> list[Relation]:
    """Compare photos, each uint8 [H, W, 3] RGB of any size, and return their relations sorted by index.

    The photos are read once, in sequence, and not kept. The result doesn't depend on their order (except for the
    indices) or on ``threads``. Equal photos after the first are related only to the first. Raises ``DataError`` for an
    array that is not an RGB photo, and for fewer than one thread.
    """
    if threads < 1:
        raise DataError(f"Expected at least one thread to compare photos, got {threads}. Use 1 or more.")
    with single_threaded_libraries():
        read = progress(photos, total=total, what="extracting keypoints")
        described = list(ordered_map(describe_photo, read, threads=threads))
    return find_relations(described, threads=threads, progress=progress)


def find_relations(
    described: Sequence[PhotoFeatures], *, threads: int = 2, progress: ProgressBar = no_progress
) -> list[Relation]:
    """Compare photos by their features alone, and return their relations as ``find_near_duplicates`` does."""
    with single_threaded_libraries():
        # Everything below runs in content order, so that the order of the photos has no effect.
        order = sorted(range(len(described)), key=lambda position: described[position].digest)
        firsts, repeated = _remove_equal_photos(described, order)
        unique = [described[position] for position in firsts]
        candidates, distinctive = find_candidates([one.keypoints for one in unique], threads=threads, progress=progress)
        checked = ordered_map(lambda pair: _check(pair, unique, distinctive), candidates, threads=threads)
        found = list(progress(checked, total=len(candidates), what="comparing pairs of photos"))
    relations = [_renumbered(one, firsts) for one in found if one is not None]
    return _best_of_each_pair([*relations, *repeated])


def group_ids(count: int, relations: Sequence[Relation]) -> list[int]:
    """Return a group number for each of ``count`` photos: the index of the group's first member."""
    pairs = np.array([(relation.first, relation.second) for relation in relations], np.intp).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    numbers: list[int] = first[component].tolist()
    return numbers


def describe_photo(pixels: Bytes) -> PhotoFeatures:
    """Return the features of a photo, uint8 [H, W, 3] RGB. Raises ``DataError`` for an array of another kind."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise DataError(
            f"Expected a photo as uint8 [height, width, 3], got {pixels.dtype} {list(pixels.shape)}. "
            "Decode it with petmood.core.photo.decode first."
        )
    keypoints, thumb = detect_and_compute(pixels), thumbnail(pixels)
    return PhotoFeatures(keypoints, thumb, keypoints.digest() + thumb.tobytes(), edge_thumbnail(pixels))


def _remove_equal_photos(described: Sequence[PhotoFeatures], order: Sequence[int]) -> tuple[list[int], list[Relation]]:
    """Keep one of equal photos: many of them would fill the search's neighbor lists with one another."""
    firsts: dict[bytes, int] = {}
    repeated = []
    for position in order:
        one = described[position]
        first = firsts.setdefault(one.digest, position)
        count = len(one.keypoints.positions)
        if first != position and count:
            repeated.append(Relation(first, position, RelationKind.NEAR_DUPLICATE, count, mirrored=False, scale=1.0))
    return list(firsts.values()), repeated


def _check(
    pair: Candidate, photos: Sequence[PhotoFeatures], distinctive: Sequence[NDArray[np.bool_]]
) -> Relation | None:
    a, b = photos[pair.first], photos[pair.second]
    matches = _match(
        a.keypoints, b.keypoints, (distinctive[pair.first], distinctive[pair.second]), mirrored=pair.mirrored
    )
    transform = estimate_transform(a.keypoints, b.keypoints, matches, mirrored=pair.mirrored)
    if transform is None or transform.inliers < DUPLICATE_INLIERS:
        return None
    overlap = aligned_correlation(a.thumb, b.thumb, _in_chunks(transform, a.keypoints, b.keypoints))
    copied = overlap.agreement >= DUPLICATE_CORRELATION
    related = transform.inliers >= RELATED_INLIERS and overlap.agreement >= RELATED_CORRELATION
    if not (copied or related or transform.inliers >= CERTAIN_INLIERS):
        return None
    return Relation(
        pair.first,
        pair.second,
        RelationKind.NEAR_DUPLICATE if copied else RelationKind.RELATED,
        transform.inliers,
        pair.mirrored,
        round(transform.scale, 4),
        round(overlap.agreement, 4),
        round(overlap.first_inside, 4),
        round(overlap.second_inside, 4),
    )


def _match(
    a: Keypoints, b: Keypoints, distinctive: tuple[NDArray[np.bool_], NDArray[np.bool_]], *, mirrored: bool
) -> NDArray[np.intp]:
    """Return mutually nearest descriptors that pass the ratio test, as index pairs [M, 2], best first."""
    rows, columns = np.flatnonzero(distinctive[0]), np.flatnonzero(distinctive[1])
    left = mirror_descriptors(a.descriptors) if mirrored else a.descriptors
    alike = (left[rows] / np.float32(UNIT)) @ (b.descriptors[columns] / np.float32(UNIT)).T
    if min(alike.shape) < 2:
        return np.zeros((0, 2), np.intp)
    here = np.arange(len(rows))
    chosen = alike.argmax(axis=1)
    mutual = alike.argmax(axis=0)[chosen] == here
    best = alike[here, chosen].copy()
    alike[here, chosen] = -1.0
    ratio = (1.0 - best) / np.maximum(1.0 - alike.max(axis=1), 1e-6)
    kept = np.flatnonzero(mutual & (ratio < RATIO))
    kept = kept[np.argsort(ratio[kept], kind="stable")[:MATCHES]]
    return np.column_stack([rows[kept], columns[chosen[kept]]])


def _in_chunks(transform: SimilarityTransform, a: Keypoints, b: Keypoints) -> NDArray[np.float64]:
    """Return the transform's matrix for positions given as shares of the two frames, 0 to 1."""
    matrix = transform.matrix * np.array([[a.width, a.height, 1.0]])
    shares: NDArray[np.float64] = matrix / np.array([[b.width], [b.height]])
    return shares


def _renumbered(relation: Relation, firsts: Sequence[int]) -> Relation:
    """Return a relation between unique photos with the indices of the input photos."""
    return replace(relation, first=firsts[relation.first], second=firsts[relation.second])


def _best_of_each_pair(relations: Iterable[Relation]) -> list[Relation]:
    best: dict[tuple[int, int], Relation] = {}
    for one in relations:
        turned = one if one.first < one.second else _swapped(one)
        known = best.get((turned.first, turned.second))
        if known is None or (turned.kind == RelationKind.NEAR_DUPLICATE, turned.inliers) > (
            known.kind == RelationKind.NEAR_DUPLICATE,
            known.inliers,
        ):
            best[turned.first, turned.second] = turned
    return [best[pair] for pair in sorted(best)]


def _swapped(one: Relation) -> Relation:
    return replace(
        one,
        first=one.second,
        second=one.first,
        scale=round(1 / one.scale, 4),
        first_inside=one.second_inside,
        second_inside=one.first_inside,
    )

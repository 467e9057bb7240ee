"""Search of near-duplicates among many photos: embeddings choose pairs, keypoints decide about them.

The first stage finds the nearest photos of each photo and of its mirror image, by embeddings of a network and by pooled
descriptors of keypoints. Each finds copies that the other doesn't. The second stage compares these pairs as
the exhaustive search does. Features are kept in temporary files, and one set of related photos is inspected at a time,
so that memory grows by few kilobytes a photo. See docs/decisions/near-duplicates.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from petmood.core.progress import ProgressBar, no_progress
from petmood.data.duplicates.candidates import Candidate
from petmood.data.duplicates.comparison import (
    Comparison,
    PhotoFeatures,
    Relation,
    compare,
    describe_photo,
    match_descriptors,
    nothing_shared,
)
from petmood.data.duplicates.in_place import InPlace, pairs_in_place, small_gray
from petmood.data.duplicates.near_duplicates import Relations, finished, group_ids
from petmood.data.duplicates.neighbors import ends_of, nearest_pairs
from petmood.data.duplicates.photo_store import PhotosByNumber, PhotoStore
from petmood.data.duplicates.pooled_descriptors import fit_pool
from petmood.data.duplicates.related_sets import find_shared, related_in_place, related_without
from petmood.data.duplicates.relations import RelationKind
from petmood.data.threads import ordered_map, reproducible_libraries

__all__ = ["EmbedPhoto", "find_in_two_stages"]

ORIENTED_BY: Final = 128
"""Strongest keypoints that decide whether one of two photos is mirrored."""
BY_EMBEDDING: Final = 10
"""Nearest embeddings of a photo and of its mirror image; among 4,828 real photos all 1,323 copies are within 9."""
BY_DESCRIPTORS: Final = 6
"""Nearest pooled descriptors."""
NOTICE: Final = (
    "Near-duplicates were searched in two stages. Small crops and photos within other photos may be missed; "
    "--search exhaustive finds more of them, with more memory and time."
)

Bytes = NDArray[np.uint8]
_NONE_AGREE: Final = np.zeros((0, 2), np.intp)


class EmbedPhoto(Protocol):
    """Embeds photos so that copies are near one another; ``width`` is the length of an embedding."""

    width: int

    def __call__(self, pixels: Bytes) -> NDArray[np.float32]:
        """Return the embeddings [2, width], of length 1, of a photo uint8 [H, W, 3] RGB and of its mirror image."""
        ...


@dataclass(frozen=True, slots=True)
class _Found:
    """Related pairs by keypoints, and pairs that may agree in place."""

    related: dict[Candidate, Comparison]
    in_place: list[InPlace]


def find_in_two_stages(
    photos: Iterable[Bytes],
    *,
    embed: EmbedPhoto,
    folder: Path,
    total: int | None = None,
    threads: int = 2,
    progress: ProgressBar = no_progress,
) -> Relations:
    """Compare photos as ``find_near_duplicates`` does, but only those with near embeddings.

    Temporary files of some 71 kB a photo are in ``folder``. The result doesn't depend on the order of the photos
    (except for the indices) or on ``threads``, and holds no features.

    Raises:
        DataError: an array that is not an RGB photo.
        OutputError: the folder can't be written, or has too little room for ``total`` photos.
    """
    with reproducible_libraries(), PhotoStore(folder=folder, width=embed.width, expected=total or 0) as store:

        def described(pixels: Bytes) -> tuple[PhotoFeatures, NDArray[np.float32]]:
            return describe_photo(pixels), embed(pixels)

        read = progress(photos, total=total, what="describing photos")
        for features, vectors in ordered_map(described, read, threads=threads):
            store.add(features, vectors)
        firsts, equal = store.by_content()
        unique = PhotosByNumber(store, firsts)
        pairs = _near_pairs(store, firsts, threads=threads, progress=progress)
        found = _compare_pairs(pairs, unique, threads=threads, progress=progress)
        copies = group_ids(len(unique), [one.relation for one in found.related.values() if one.is_one_image])
        shared = find_shared(found.related, unique, copies, threads=threads)
        related = related_without(shared, found.related, unique, threads=threads)
        related += related_in_place(found.in_place, unique, copies, shared, threads=threads)
        repeated = [
            Relation(first, other, RelationKind.NEAR_DUPLICATE, count, mirrored=False, scale=1.0)
            for first, other in equal
            if (count := store.keypoint_count(first))
        ]
    return finished(related, shared.regions.values(), firsts=firsts, repeated=repeated, notice=NOTICE)


def _near_pairs(store: PhotoStore, numbers: Sequence[int], *, threads: int, progress: ProgressBar) -> NDArray[np.int64]:
    """Return pairs of photos, [P, 2] by position in ``numbers``, that are near by one of the two kinds of vectors."""
    photos = PhotosByNumber(store, numbers)
    pool = fit_pool(photos)

    def embedded(positions: Sequence[int]) -> NDArray[np.float32]:
        return store.embeddings([numbers[position] for position in positions])

    def pooled(positions: Sequence[int]) -> NDArray[np.float32]:
        return np.stack([pool(photos[position]) for position in positions])

    parts = [
        nearest_pairs(len(photos), read, neighbors=neighbors, threads=threads, progress=progress)
        for read, neighbors in ((embedded, BY_EMBEDDING), (pooled, BY_DESCRIPTORS))
    ]
    return ends_of(np.unique(np.concatenate(parts)))


def _compare_pairs(
    pairs: NDArray[np.int64], photos: Sequence[PhotoFeatures], *, threads: int, progress: ProgressBar
) -> _Found:
    """Compare pairs [P, 2], sorted; each photo with its partners that follow it."""
    found = _Found({}, [])
    if not len(pairs):
        return found
    firsts, starts = np.unique(pairs[:, 0], return_index=True)
    partners = zip(firsts.tolist(), np.split(pairs[:, 1], starts[1:]), strict=True)
    checked = ordered_map(lambda one: _compare_partners(one[0], one[1].tolist(), photos), partners, threads=threads)
    for one in progress(checked, total=len(firsts), what="comparing pairs of photos"):
        found.related.update(one.related)
        found.in_place.extend(one.in_place)
    return found


def _compare_partners(first: int, partners: Sequence[int], photos: Sequence[PhotoFeatures]) -> _Found:
    found = _Found({}, [])
    one = photos[first]
    own = small_gray(one)
    for second in partners:
        other = photos[second]
        pair = Candidate(first, second, _is_mirrored(one, other), 0.0)
        if related := compare(pair, (one, other), (nothing_shared(one), nothing_shared(other))):
            # Where copies agree is never asked for, and they are most of the pairs that are found.
            found.related[pair] = replace(related, agreeing=_NONE_AGREE) if related.is_one_image else related
        if related is None or related.relation.kind != RelationKind.NEAR_DUPLICATE:
            found.in_place.extend(pairs_in_place(first, second, (own, small_gray(other))))
    return found


def _is_mirrored(a: PhotoFeatures, b: PhotoFeatures) -> bool:
    """Return whether the strongest keypoints match better if one of the photos is mirrored."""
    left, right = a.keypoints.strongest(ORIENTED_BY), b.keypoints.strongest(ORIENTED_BY)
    used = (np.ones(len(left.positions), np.bool_), np.ones(len(right.positions), np.bool_))
    plain, mirrored = (len(match_descriptors(left, right, used, mirrored=turned)) for turned in (False, True))
    return mirrored > plain

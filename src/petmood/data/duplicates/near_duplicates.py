"""Detection of near-duplicate and related photos from their pixels alone.

Four steps: describe every photo by its keypoints, vote for candidate pairs with the descriptors, estimate the transform
between the two frames, and compare the aligned pixels. File names are never used. See
docs/decisions/near-duplicates.md.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from petmood.core.errors import DataError
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.duplicates.candidates import Candidate, find_candidates
from petmood.data.duplicates.comparison import (
    Comparison,
    PhotoFeatures,
    Relation,
    SharedContent,
    compare,
    describe_photo,
    nothing_shared,
    swapped,
)
from petmood.data.duplicates.group_limit import DividedGroup, limit_groups
from petmood.data.duplicates.in_place import relate_in_place
from petmood.data.duplicates.relations import RelationKind
from petmood.data.duplicates.shared_regions import (
    SharedRegion,
    add_region,
    fixed_keypoints,
    frequent_keypoints,
    shared_content,
    shared_regions,
)
from petmood.data.threads import ordered_map, reproducible_libraries

__all__ = [
    "PhotoFeatures",
    "Relation",
    "Relations",
    "compare_photos",
    "describe_photo",
    "find_near_duplicates",
    "find_relations",
    "finished",
    "group_ids",
    "leave_out_shared",
]

ROUNDS = 3
"""How often pairs are compared again after more shared content was found."""

Bytes = NDArray[np.uint8]


class Relations(list[Relation]):
    """Relations of photos, the regions in which many unrelated photos show the same, and groups that were too large.

    ``described`` are the features of the photos, in their order, by which the relations were found. ``notice`` is a
    line for the user on how they were found, or empty.
    """

    def __init__(
        self,
        relations: Iterable[Relation] = (),
        *,
        shared: Iterable[SharedRegion] = (),
        divided: Iterable[DividedGroup] = (),
        described: Sequence[PhotoFeatures] = (),
        notice: str = "",
    ) -> None:
        """Take the relations, the regions, the divided groups, the features and the notice."""
        super().__init__(relations)
        self.shared, self.divided, self.described = tuple(shared), tuple(divided), tuple(described)
        self.notice = notice


def find_near_duplicates(
    photos: Iterable[Bytes], *, total: int | None = None, threads: int = 2, progress: ProgressBar = no_progress
) -> Relations:
    """Compare photos, each uint8 [H, W, 3] RGB of any size, and return their relations sorted by index.

    The photos are read once, in sequence, and not kept. The result doesn't depend on their order (except for the
    indices) or on ``threads``. Equal photos after the first are related only to the first. Raises ``DataError`` for an
    array that is not an RGB photo, and for fewer than one thread.
    """
    if threads < 1:
        raise DataError(f"Expected at least one thread to compare photos, got {threads}. Use 1 or more.")
    with reproducible_libraries():
        read = progress(photos, total=total, what="extracting keypoints")
        described = list(ordered_map(describe_photo, read, threads=threads))
    return find_relations(described, threads=threads, progress=progress)


def find_relations(
    described: Sequence[PhotoFeatures], *, threads: int = 2, progress: ProgressBar = no_progress
) -> Relations:
    """Compare photos by their features alone, and return their relations as ``find_near_duplicates`` does."""
    with reproducible_libraries():
        # Everything below runs in content order, so that the order of the photos has no effect.
        order = sorted(range(len(described)), key=lambda position: described[position].digest)
        firsts, repeated = _remove_equal_photos(described, order)
        unique = [described[position] for position in firsts]
        found, regions = _compare_all(unique, threads=threads, progress=progress)
    return finished(found, regions, firsts=firsts, repeated=repeated, described=described)


def finished(
    found: Iterable[Comparison],
    regions: Iterable[SharedRegion],
    *,
    firsts: Sequence[int],
    repeated: Iterable[Relation],
    described: Sequence[PhotoFeatures] = (),
    notice: str = "",
) -> Relations:
    """Return the relations of input photos: those found within the limit of a group, and those of equal photos.

    ``firsts`` are the numbers of the unique photos, by which ``found`` and ``regions`` are numbered, in the input.
    """
    kept, large = limit_groups([one.relation for one in found])
    relations = [_renumbered(one, firsts) for one in kept]
    divided = [replace(one, photos=tuple(sorted(firsts[number] for number in one.photos))) for one in large]
    shared = [replace(one, photos=tuple(sorted(firsts[number] for number in one.photos))) for one in regions]
    best = _best_of_each_pair([*relations, *repeated])
    return Relations(best, shared=shared, divided=divided, described=described, notice=notice)


def _compare_all(
    photos: Sequence[PhotoFeatures], *, threads: int, progress: ProgressBar
) -> tuple[list[Comparison], list[SharedRegion]]:
    """Compare all candidates, find what many unrelated photos share, and compare again without it."""
    candidates, distinctive = find_candidates([one.keypoints for one in photos], threads=threads, progress=progress)
    content = [nothing_shared(one) for one in photos]
    checked = ordered_map(lambda pair: compare_photos(pair, photos, content), candidates, threads=threads)
    shown = progress(checked, total=len(candidates), what="comparing pairs of photos")
    found = {pair: one for pair, one in zip(candidates, shown, strict=True) if one is not None}
    copies = group_ids(len(photos), [one.relation for one in found.values() if one.is_one_image])
    wanted = {number for number, part in enumerate(distinctive) if not part.all()}
    regions = leave_out_shared(found, photos, content, copies=copies, wanted=wanted, threads=threads)
    in_place = relate_in_place(photos, content, copies, threads=threads)
    return [*found.values(), *in_place], regions


def compare_photos(
    pair: Candidate, photos: Sequence[PhotoFeatures], content: Sequence[SharedContent]
) -> Comparison | None:
    """Return how two photos of a sequence are related outside of their shared content, or None."""
    a, b = pair.first, pair.second
    return compare(pair, (photos[a], photos[b]), (content[a], content[b]))


def leave_out_shared(
    found: dict[Candidate, Comparison],
    photos: Sequence[PhotoFeatures],
    content: list[SharedContent],
    *,
    copies: Sequence[int],
    wanted: Collection[int] = (),
    threads: int,
) -> list[SharedRegion]:
    """Find what many unrelated photos share, compare the pairs of ``found`` again without it, and return its regions.

    ``found`` and ``content`` are changed. ``copies`` numbers the groups of copies. Keypoints are inspected in photos
    that are related to another image, and in those ``wanted``.
    """

    def check(pair: Candidate) -> Comparison | None:
        return compare_photos(pair, photos, content)

    keypoints = [one.keypoints for one in photos]
    refuted: list[tuple[int, int]] = []
    related = {end for pair, one in found.items() if not one.is_one_image for end in (pair.first, pair.second)}
    flagged = fixed_keypoints(keypoints, copies, related | set(wanted))
    for _ in range(ROUNDS):
        for number, mask in flagged.items():
            content[number] = content[number].joined(shared_content(photos[number], mask))
        again = [pair for pair in found if flagged.keys() & {pair.first, pair.second}]
        refuted += _compare_again(found, again, check, threads=threads)
        flagged = frequent_keypoints(keypoints, copies, found.values())
        if not flagged:
            break
    regions = shared_regions(content, refuted)
    for region, mask in ((one, one.mask()) for one in regions):
        inside = set(region.photos if mask.any() else ())
        for number in inside:
            content[number] = add_region(content[number], mask, photos[number])
        again = [pair for pair in found if pair.first in inside and pair.second in inside]
        _compare_again(found, again, check, threads=threads)
    return regions


def _compare_again(
    found: dict[Candidate, Comparison],
    again: Sequence[Candidate],
    check: Callable[[Candidate], Comparison | None],
    *,
    threads: int,
) -> list[tuple[int, int]]:
    """Compare pairs of ``found`` again, in place; return the photos of those that are not related any more."""
    refuted = []
    for pair, one in zip(again, ordered_map(check, again, threads=threads), strict=True):
        if one is None:
            del found[pair]
            refuted.append((pair.first, pair.second))
        else:
            found[pair] = one
    return refuted


def group_ids(count: int, relations: Sequence[Relation]) -> list[int]:
    """Return a group number for each of ``count`` photos: the index of the group's first member."""
    pairs = np.array([(relation.first, relation.second) for relation in relations], np.intp).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    numbers: list[int] = first[component].tolist()
    return numbers


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


def _renumbered(relation: Relation, firsts: Sequence[int]) -> Relation:
    """Return a relation between unique photos with the indices of the input photos."""
    return replace(relation, first=firsts[relation.first], second=firsts[relation.second])


def _best_of_each_pair(relations: Iterable[Relation]) -> list[Relation]:
    best: dict[tuple[int, int], Relation] = {}
    for one in relations:
        turned = one if one.first < one.second else swapped(one)
        known = best.get((turned.first, turned.second))
        if known is None or (turned.kind == RelationKind.NEAR_DUPLICATE, turned.inliers) > (
            known.kind == RelationKind.NEAR_DUPLICATE,
            known.inliers,
        ):
            best[turned.first, turned.second] = turned
    return [best[pair] for pair in sorted(best)]

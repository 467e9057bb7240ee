"""Shared content of many photos, found in one set of related photos at a time, so that few are in memory together.

Content that many photos share relates them, so that they are in one set. A set of few different images shares nothing
by definition and isn't inspected.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from petmood.data.duplicates.candidates import Candidate
from petmood.data.duplicates.comparison import Comparison, PhotoFeatures, SharedContent, compare, nothing_shared
from petmood.data.duplicates.in_place import InPlace, relate_in_place
from petmood.data.duplicates.near_duplicates import group_ids, leave_out_shared
from petmood.data.duplicates.photo_store import PhotosByNumber
from petmood.data.duplicates.shared_regions import SHARED_BY, SharedRegion
from petmood.data.threads import ordered_map

__all__ = ["AT_ONCE", "SharedByMany", "find_shared", "related_in_place", "related_without"]

AT_ONCE: Final = 2_000
"""Photos of one set that are in memory together, some 150 MB; a larger set is divided."""

Found = Mapping[Candidate, Comparison]


@dataclass(slots=True)
class SharedByMany:
    """Shared content by photo, where there is any, and its regions by their name.

    ``compared`` are the pairs that were compared again without it; None if they aren't related then.
    """

    content: dict[int, SharedContent] = field(default_factory=dict)
    compared: dict[Candidate, Comparison | None] = field(default_factory=dict)
    regions: dict[str, SharedRegion] = field(default_factory=dict)

    def of(self, number: int, photo: PhotoFeatures) -> SharedContent:
        """Return the shared content of a photo; mostly there is none."""
        return self.content.get(number) or nothing_shared(photo)

    def add(self, region: SharedRegion) -> None:
        """Add a region; one of the same name is joined with it."""
        known = self.regions.get(str(region), region)
        self.regions[str(region)] = replace(known, photos=tuple(sorted({*known.photos, *region.photos})))


def find_shared(
    found: Found, photos: Sequence[PhotoFeatures], copies: Sequence[int], *, threads: int, at_once: int = AT_ONCE
) -> SharedByMany:
    """Return what many of the related photos share; ``copies`` numbers the groups of copies.

    At most ``at_once`` photos of a set are inspected together.
    """
    set_of = group_ids(len(photos), [one.relation for one in found.values()])
    members: dict[int, set[int]] = defaultdict(set)
    for pair in found:
        members[set_of[pair.first]] |= {pair.first, pair.second}
    large = {key: sorted(one) for key, one in members.items() if len({copies[number] for number in one}) > SHARED_BY}
    pairs: dict[tuple[int, int], list[Candidate]] = defaultdict(list)
    part_of = {number: (key, place // at_once) for key, one in large.items() for place, number in enumerate(one)}
    for pair in found:
        if (part := part_of.get(pair.first)) is not None and part == part_of[pair.second]:
            pairs[part].append(pair)
    shared = SharedByMany()
    for (key, share), own in pairs.items():
        numbers = large[key][share * at_once : (share + 1) * at_once]
        _inspect(numbers, {pair: found[pair] for pair in own}, photos, copies, shared, threads=threads)
    return shared


def _inspect(
    numbers: Sequence[int],
    found: Found,
    photos: Sequence[PhotoFeatures],
    copies: Sequence[int],
    shared: SharedByMany,
    *,
    threads: int,
) -> None:
    """Add what photos of one set share to ``shared``."""
    place = {number: position for position, number in enumerate(numbers)}
    own = [photos[number] for number in numbers]
    content = [nothing_shared(photo) for photo in own]
    local_pair = {pair: replace(pair, first=place[pair.first], second=place[pair.second]) for pair in found}
    local = {local_pair[pair]: _moved(one, place) for pair, one in found.items()}
    regions = leave_out_shared(local, own, content, copies=[copies[number] for number in numbers], threads=threads)
    for region in regions:
        shared.add(replace(region, photos=tuple(numbers[position] for position in region.photos)))
    number_of = dict(enumerate(numbers))
    for pair in found:
        left = local.get(local_pair[pair])
        shared.compared[pair] = None if left is None else _moved(left, number_of)
    for number, one in zip(numbers, content, strict=True):
        if one.keypoints.any() or one.region.any():
            shared.content[number] = one


def related_without(
    shared: SharedByMany, found: Found, photos: Sequence[PhotoFeatures], *, threads: int
) -> list[Comparison]:
    """Return the relations of ``found`` that hold without what many photos share.

    Pairs across two parts of a set, which were not inspected together, are compared here.
    """

    def check(pair: Candidate) -> Comparison | None:
        a, b = photos[pair.first], photos[pair.second]
        return compare(pair, (a, b), (shared.of(pair.first, a), shared.of(pair.second, b)))

    across = [pair for pair in found if pair not in shared.compared]
    again = [pair for pair in across if pair.first in shared.content or pair.second in shared.content]
    changed = shared.compared | dict(zip(again, ordered_map(check, again, threads=threads), strict=True))
    return [one for pair in found if (one := changed.get(pair, found[pair])) is not None]


def related_in_place(
    pairs: Sequence[InPlace],
    photos: Sequence[PhotoFeatures],
    copies: Sequence[int],
    shared: SharedByMany,
    *,
    threads: int,
) -> list[Comparison]:
    """Return the relations of pairs that agree where they stand, as ``relate_in_place`` does for all photos."""
    numbers = sorted({end for pair in pairs for end in (pair.first, pair.second)})
    place = {number: position for position, number in enumerate(numbers)}
    found = relate_in_place(
        PhotosByNumber(photos, numbers),
        [shared.of(number, photos[number]) for number in numbers],
        [copies[number] for number in numbers],
        pairs=[replace(pair, first=place[pair.first], second=place[pair.second]) for pair in pairs],
        threads=threads,
    )
    return [_moved(one, dict(enumerate(numbers))) for one in found]


def _moved(one: Comparison, place: Mapping[int, int]) -> Comparison:
    """Return a comparison of photos with other numbers."""
    relation = one.relation
    return replace(one, relation=replace(relation, first=place[relation.first], second=place[relation.second]))

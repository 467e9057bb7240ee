"""Limit of what one group may hold by related pairs: a chain of weak pairs could otherwise join a whole dataset.

Copies of one photo always stay together and count once. Related pairs join them, the strongest first, as in
single-linkage clustering. A pair that would make a group larger than the limit isn't used, and the group is named.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.cluster.hierarchy import DisjointSet

from petmood.data.duplicates.comparison import Relation
from petmood.data.duplicates.relations import RelationKind

__all__ = ["MOST_RELATED", "DividedGroup", "limit_groups"]

MOST_RELATED = 30
"""Largest number of different photos (copies count once) that related pairs may join in one group."""


@dataclass(frozen=True, slots=True)
class DividedGroup:
    """Photos, by index, that were too many for one group; how many pairs weren't used, and how many groups remain."""

    photos: tuple[int, ...]
    unused_pairs: int
    parts: int


def limit_groups(
    relations: Sequence[Relation], *, most: int | None = None
) -> tuple[list[Relation], list[DividedGroup]]:
    """Return the relations that stay within the limit, and the groups that were divided.

    More inliers are stronger, then a higher correlation. Near-duplicates are all kept. ``most`` is ``MOST_RELATED``
    unless given.
    """
    most = MOST_RELATED if most is None else most
    numbers = sorted({end for one in relations for end in (one.first, one.second)})
    copies = DisjointSet(numbers)
    for one in relations:
        if one.kind == RelationKind.NEAR_DUPLICATE:
            copies.merge(one.first, one.second)
    image = {number: copies[number] for number in numbers}
    unlimited, limited = DisjointSet(set(image.values())), DisjointSet(set(image.values()))
    for one in sorted(relations, key=lambda one: (-one.inliers, -one.agreement, one.first, one.second)):
        a, b = image[one.first], image[one.second]
        unlimited.merge(a, b)
        if not limited.connected(a, b) and limited.subset_size(a) + limited.subset_size(b) <= most:
            limited.merge(a, b)
    kept = [one for one in relations if limited.connected(image[one.first], image[one.second])]
    unused = Counter(
        unlimited[image[one.first]] for one in relations if not limited.connected(image[one.first], image[one.second])
    )
    members = defaultdict(list)
    for number in numbers:
        members[unlimited[image[number]]].append(number)
    divided = [
        DividedGroup(tuple(photos), unused[root], len({limited[image[number]] for number in photos}))
        for root, photos in members.items()
        if unused[root]
    ]
    return kept, divided

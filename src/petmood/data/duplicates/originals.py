"""Selection of the original of each near-duplicate group.

Only relations of the kind "near_duplicate" count: two photos of one animal are two originals. Names are compared last.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from petmood.data.duplicates.near_duplicates import Relation, group_ids
from petmood.data.duplicates.relations import RelationKind

__all__ = ["Member", "choose_originals"]

CONTAINS = 0.03
"""A frame contains another if it covers more of it, by this share, than the reverse; less is rounding."""
COPY_MARK = re.compile(
    r"(^|[^a-z])(aug(mented)?|copy|copied|flip(ped)?|rot(ated)?|crop(ped)?)([^a-z]|$)|\(\d+\)", re.IGNORECASE
)
"""Marks that people and programs add to the names of copies."""


@dataclass(frozen=True, slots=True)
class Member:
    """A photo: its sides in pixels and its file name, or "" if names must not be used.

    ``is_original`` says that it is an original of the dataset that the photos are added to.
    """

    width: int
    height: int
    name: str = ""
    is_original: bool = False


def choose_originals(members: Sequence[Member], relations: Sequence[Relation]) -> list[int]:
    """Return for each member the index of its original, which is its own index for an original.

    Preferred is the photo whose frame contains the others, because a crop is not the original. Ties go to more pixels,
    then to a name without a copy mark (aug, copy, (1)), then to the shorter name, then to alphabetical order. Photos
    that are originals of an earlier dataset stay originals, and the others of their group are copies.
    """
    copies = [relation for relation in relations if relation.kind == RelationKind.NEAR_DUPLICATE]
    groups: dict[int, list[int]] = defaultdict(list)
    for position, first in enumerate(group_ids(len(members), copies)):
        groups[first].append(position)
    beaten = _count_containers(len(members), copies)
    originals = list(range(len(members)))
    for group in groups.values():
        kept = [position for position in group if members[position].is_original]
        original = min(kept or group, key=lambda position: (beaten[position], _rank(members[position]), position))
        for position in group:
            originals[position] = position if position in kept else original
    return originals


def _count_containers(count: int, copies: Sequence[Relation]) -> list[int]:
    """Count for every photo the near-duplicates whose frame contains its own."""
    beaten = [0] * count
    for one in copies:
        if one.first_inside - one.second_inside > CONTAINS:
            beaten[one.first] += 1
        elif one.second_inside - one.first_inside > CONTAINS:
            beaten[one.second] += 1
    return beaten


def _rank(member: Member) -> tuple[int, bool, int, str]:
    name = PurePosixPath(member.name).name
    return (-member.width * member.height, bool(COPY_MARK.search(PurePosixPath(name).stem)), len(name), member.name)

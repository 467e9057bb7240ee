"""Tests of shared content that is looked for in one set of related photos at a time."""

from functools import cache

import numpy as np
import pytest

from petmood.data.duplicates.candidates import Candidate
from petmood.data.duplicates.comparison import Comparison, PhotoFeatures, compare, describe_photo, nothing_shared
from petmood.data.duplicates.in_place import InPlace
from petmood.data.duplicates.related_sets import SharedByMany, find_shared, related_in_place, related_without
from tests.support.images import captioned, photo_like

COUNT = 10


@cache
def described() -> tuple[PhotoFeatures, ...]:
    """Return photos with one caption."""
    return tuple(describe_photo(captioned(photo_like(224, 224, seed=seed))) for seed in range(COUNT))


def related(count: int) -> dict[Candidate, Comparison]:
    """Return the pairs of the first photos that are related by their caption."""
    photos, found = described(), {}
    for first in range(count):
        for second in range(first + 1, count):
            pair = Candidate(first, second, mirrored=False, votes=0.0)
            both = (photos[first], photos[second])
            if one := compare(pair, both, (nothing_shared(both[0]), nothing_shared(both[1]))):
                found[pair] = one
    return found


@pytest.mark.parametrize("at_once", [COUNT, 8])
def test_what_many_photos_share_relates_none_of_them_also_if_the_set_is_divided(at_once: int) -> None:
    found, copies = related(COUNT), list(range(COUNT))
    assert len(found) > COUNT
    shared = find_shared(found, described(), copies, threads=1, at_once=at_once)
    assert len(shared.content) >= at_once
    left = related_without(shared, found, described(), threads=1)
    assert [one for one in left if max(one.relation.first, one.relation.second) < at_once] == []
    (region,) = shared.regions.values()
    assert "bottom" in str(region)
    assert set(region.photos) <= set(range(COUNT))


def test_few_images_share_nothing() -> None:
    found = related(4)
    shared = find_shared(found, described()[:4], list(range(4)), threads=1)
    assert (shared.content, shared.regions) == ({}, {})
    assert related_without(shared, found, described()[:4], threads=1) == list(found.values())


def test_copies_of_one_photo_count_once() -> None:
    shared = find_shared(related(COUNT), described(), [0] * COUNT, threads=1)
    assert shared.content == {}


def test_pairs_in_place_keep_the_numbers_of_the_photos() -> None:
    photo = photo_like(96, 96, seed=5)
    photos = [*described()[:3], describe_photo(photo), describe_photo(255 - photo)]
    pair = InPlace(3, 4, mirrored=False, by_edges=False)
    (one,) = related_in_place([pair], photos, list(range(5)), SharedByMany(), threads=1)
    assert (one.relation.first, one.relation.second) == (3, 4)
    assert related_in_place([], photos, list(range(5)), SharedByMany(), threads=1) == []
    assert np.isclose(one.relation.agreement, 1.0, atol=0.05)

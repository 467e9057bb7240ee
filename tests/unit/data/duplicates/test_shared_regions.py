"""Tests of content that many photos share: keypoints at one place, counts of groups, regions and their names."""

import numpy as np
import pytest

from petmood.data.duplicates.comparison import Comparison, PhotoFeatures, Relation, SharedContent
from petmood.data.duplicates.keypoints import Keypoints
from petmood.data.duplicates.relations import RelationKind
from petmood.data.duplicates.shared_regions import (
    FREQUENT_BY,
    NEAREST,
    SHARED_BY,
    SharedRegion,
    add_region,
    fixed_keypoints,
    frequent_keypoints,
    shared_content,
    shared_regions,
)

SPOT = (100.0, 50.0, 4.0, 3.1)


def keypoints(*places: tuple[float, float, float, float], bins: int = 0) -> Keypoints:
    """Build keypoints at places (x, y, size, direction), all with one descriptor: 255 in four bins."""
    rows = np.zeros((len(places), 128), np.uint8)
    rows[:, bins : bins + 4] = 255
    return Keypoints(np.array(places, np.float32).reshape(-1, 4), rows, 224.0, 112.0)


def features(points: Keypoints) -> PhotoFeatures:
    thumb = np.zeros((64, 64), np.uint8)
    return PhotoFeatures(points, thumb, b"", thumb)


@pytest.mark.parametrize(("others", "is_shared"), [(SHARED_BY - 1, False), (SHARED_BY, True)])
def test_a_keypoint_at_one_place_in_enough_other_groups_is_shared(others: int, *, is_shared: bool) -> None:
    photos = [keypoints(SPOT, (20.0, 20.0, 4.0, 0.0)), *[keypoints(SPOT)] * others]
    found = fixed_keypoints(photos, list(range(len(photos))), [0])
    assert {number: mask.tolist() for number, mask in found.items()} == ({0: [True, False]} if is_shared else {})


def test_copies_of_one_photo_count_once() -> None:
    photos = [keypoints(SPOT)] * (SHARED_BY + 1)
    assert fixed_keypoints(photos, [0, *[1] * SHARED_BY], [0]) == {}


@pytest.mark.parametrize(
    ("spot", "is_same"),
    [
        ((103.0, 53.0, 4.0, 3.1), True),
        ((105.0, 50.0, 4.0, 3.1), False),
        ((100.0, 50.0, 5.0, 3.1), True),
        ((100.0, 50.0, 6.0, 3.1), False),
        ((100.0, 50.0, 4.0, -3.1), True),  # Directions on both sides of the half turn are 5 degrees apart.
        ((100.0, 50.0, 4.0, 2.0), False),
    ],
)
def test_a_shared_keypoint_has_its_place_size_and_direction(
    spot: tuple[float, float, float, float], *, is_same: bool
) -> None:
    photos = [keypoints(SPOT), *[keypoints(spot)] * SHARED_BY]
    assert bool(fixed_keypoints(photos, list(range(len(photos))), [0])) == is_same


def test_keypoints_that_look_different_are_not_shared() -> None:
    # Three of four bins in common: a cosine of 0.75.
    photos = [keypoints(SPOT), *[keypoints(SPOT, bins=1)] * SHARED_BY]
    assert fixed_keypoints(photos, list(range(len(photos))), [0]) == {}


def test_a_shared_keypoint_is_found_behind_many_that_look_different_at_its_place() -> None:
    others = [keypoints((50, 50, 4, 0), bins=1) for _ in range(2 * NEAREST)]
    alike = [keypoints((53, 53, 4, 0)) for _ in range(SHARED_BY)]
    photos = [keypoints((50, 50, 4, 0)), *others, *alike]
    assert fixed_keypoints(photos, range(len(photos)), [0])[0].tolist() == [True]
    assert fixed_keypoints(photos[:-1], range(len(photos) - 1), [0]) == {}


def related(first: int, second: int, *, kind: RelationKind = RelationKind.RELATED, spread: float = 0.3) -> Comparison:
    relation = Relation(first, second, kind, 9, mirrored=False, scale=1.0)
    return Comparison(relation, spread, np.array([[0, 0]]))


@pytest.mark.parametrize(("others", "shared"), [(FREQUENT_BY - 1, []), (FREQUENT_BY, [True, False])])
def test_a_place_that_agrees_with_enough_other_groups_is_shared_wherever_it_lies(
    others: int, shared: list[bool]
) -> None:
    photos = [keypoints(SPOT, (20.0, 20.0, 4.0, 0.0))]
    photos += [keypoints((5.0 + 20 * number, 30.0, 4.0, 0.0)) for number in range(others)]
    found = frequent_keypoints(photos, list(range(len(photos))), [related(0, 1 + number) for number in range(others)])
    assert {number: mask.tolist() for number, mask in found.items()} == ({0: shared} if shared else {})


def test_photos_of_one_image_say_nothing_about_what_is_shared() -> None:
    photos = [keypoints(SPOT)] * (FREQUENT_BY + 1)
    whole = [related(0, 1 + number, kind=RelationKind.NEAR_DUPLICATE, spread=0.95) for number in range(FREQUENT_BY)]
    assert frequent_keypoints(photos, list(range(len(photos))), whole) == {}


def test_the_region_of_a_shared_keypoint_surrounds_it_and_takes_its_neighbors() -> None:
    photo = features(keypoints(SPOT, (108.0, 50.0, 3.0, 0.0), (120.0, 50.0, 3.0, 0.0)))
    content = shared_content(photo, np.array([True, False, False]))
    assert content.keypoints.tolist() == [True, True, False]
    # The frame is 224 x 112 px: x = 100 is thumbnail column 28, y = 50 is row 28; 14 px are 4 columns and 8 rows.
    assert content.region[28, [23, 24, 32, 33]].tolist() == [False, True, True, False]
    assert content.region[[19, 20, 36, 37], 28].tolist() == [False, True, True, False]


def test_the_neighbors_of_a_shared_keypoint_are_those_within_10_px_in_x_and_y() -> None:
    around = [(110.0, 60.0), (110.5, 50.0), (100.0, 60.5), (90.0, 40.0)]
    photo = features(keypoints(SPOT, *((x, y, 3.0, 0.0) for x, y in around)))
    content = shared_content(photo, np.array([True, *[False] * 4]))
    assert content.keypoints.tolist() == [True, True, False, False, True]


def test_half_of_the_frame_is_left_out_as_a_whole_and_more_is_not() -> None:
    half = SharedRegion((0, 1), (0.0, 0.0, 0.5, 1.0)).mask()
    assert half[:, :32].all()
    assert half.sum() == 32 * 64
    assert not SharedRegion((0, 1), (0.0, 0.0, 33 / 64, 1.0)).mask().any()
    inner = SharedRegion((0, 1), (0.25, 0.5, 0.5, 0.75)).mask()
    assert inner[32:48, 16:32].all()
    assert inner.sum() == 16 * 16


def test_a_region_is_the_rectangle_around_what_half_of_the_photos_share() -> None:
    """Rows 8 to 15 and columns 4 to 59 of four photos of eight; two have more, which does not count."""
    own = np.zeros((8, 64, 64), np.bool_)
    own[:4, 8:16, 4:60] = True
    own[:2, :40] = True
    content = [SharedContent(np.zeros(0, np.bool_), region) for region in own]
    chain = [(number, number + 1) for number in range(7)]
    assert shared_regions(content, chain) == [SharedRegion(tuple(range(8)), (4 / 64, 8 / 64, 60 / 64, 16 / 64))]
    nothing = [SharedContent(np.zeros(0, np.bool_), np.zeros((64, 64), np.bool_))] * 8
    assert shared_regions(nothing, chain) == [SharedRegion(tuple(range(8)), (0.0, 0.0, 1.0, 1.0))]


def test_a_region_takes_the_keypoints_in_it() -> None:
    photo = features(keypoints(SPOT, (108.0, 100.0, 3.0, 0.0)))
    region = np.zeros((64, 64), np.bool_)
    region[:32] = True
    content = add_region(SharedContent(np.zeros(2, np.bool_), np.zeros((64, 64), np.bool_)), region, photo)
    assert content.keypoints.tolist() == [True, False]
    assert (content.region == region).all()


def test_photos_without_relations_but_for_shared_content_make_a_region() -> None:
    strip = np.zeros((64, 64), np.bool_)
    strip[48:] = True
    content = [SharedContent(np.zeros(0, np.bool_), strip)] * (SHARED_BY + 3)
    chain = [(number, number + 1) for number in range(SHARED_BY - 1)]
    assert shared_regions(content, [*chain, (SHARED_BY, SHARED_BY + 1)]) == [
        SharedRegion(tuple(range(SHARED_BY)), (0.0, 0.75, 1.0, 1.0))
    ]
    assert shared_regions(content, []) == []


@pytest.mark.parametrize(
    ("box", "name"),
    [
        ((0.0, 0.75, 1.0, 1.0), "the bottom 25% of the frame"),
        ((0.0, 0.0, 1.0, 0.2), "the top 20% of the frame"),
        ((0.0, 0.0, 0.1, 1.0), "the left 10% of the frame"),
        ((0.9, 0.0, 1.0, 1.0), "the right 10% of the frame"),
        ((0.0, 0.0, 1.0, 1.0), "the frame or background all around"),
        ((0.0, 0.1, 1.0, 0.9), "the top 80% of the frame"),
        ((0.0, 0.1, 1.0, 0.91), "the frame or background all around"),
        ((0.0, 0.11, 1.0, 0.9), "the bottom 79% of the frame"),
        ((0.1, 0.0, 0.9, 1.0), "the left 80% of the frame"),
        ((0.11, 0.0, 0.9, 1.0), "the right 79% of the frame"),
        ((0.1, 0.1, 0.9, 0.9), "10 to 90% from the left and 10 to 90% from the top"),
        ((0.8, 0.05, 0.95, 0.2), "80 to 95% from the left and 5 to 20% from the top"),
    ],
)
def test_a_region_is_named_by_its_place(box: tuple[float, float, float, float], name: str) -> None:
    assert str(SharedRegion((0, 1), box)) == name


@pytest.mark.parametrize(("box", "inside"), [((0.0, 0.75, 1.0, 1.0), 16 * 64), ((0.0, 0.0, 1.0, 1.0), 0)])
def test_a_region_is_left_out_as_a_whole_unless_it_is_most_of_the_frame(
    box: tuple[float, float, float, float], inside: int
) -> None:
    mask = SharedRegion((0, 1), box).mask()
    assert mask.sum() == inside
    assert mask[48:].sum() == inside


@pytest.mark.parametrize(
    ("x", "y", "column", "row"),
    [(0.0, 0.0, 0, 0), (-5.0, -5.0, 0, 0), (223.9, 111.9, 63, 63), (230.0, 115.0, 63, 63), (3.4, 3.4, 0, 1)],
)
def test_a_keypoint_is_in_one_pixel_of_the_region_and_one_beyond_the_frame_in_the_nearest(
    x: float, y: float, column: int, row: int
) -> None:
    """A pixel of the region is 3.5 px wide and 1.75 px high in a frame of 224 x 112 px."""
    photo, nothing = features(keypoints((x, y, 4.0, 0.0))), np.zeros((64, 64), np.bool_)
    one = nothing.copy()
    one[row, column] = True
    content = SharedContent(np.zeros(1, np.bool_), nothing)
    assert add_region(content, one, photo).keypoints.tolist() == [True]
    assert add_region(content, ~one, photo).keypoints.tolist() == [False]


def test_another_region_is_added_to_the_content_that_was_known() -> None:
    photo = features(keypoints(SPOT, (20.0, 20.0, 4.0, 0.0)))
    upper, left = np.zeros((2, 64, 64), np.bool_)
    upper[:16], left[:, :16] = True, True
    content = add_region(SharedContent(np.array([True, False]), upper), left, photo)
    assert content.keypoints.tolist() == [True, True]
    assert (content.region == (upper | left)).all()


@pytest.mark.parametrize(
    ("x", "y", "width", "height"),
    [(112.0, 56.0, 224.0, 112.0), (112.0, 112.0, 224.0, 224.0), (28.0, 112.0, 56.0, 224.0)],
)
def test_the_region_of_a_keypoint_is_an_ellipse_of_14_px_around_it(
    x: float, y: float, width: float, height: float
) -> None:
    photo = features(Keypoints(np.array([[x, y, 4, 0]], np.float32), np.zeros((1, 128), np.uint8), width, height))
    region = shared_content(photo, np.array([True])).region
    across, down = round(14 * 64 / width), round(14 * 64 / height)
    rows, columns = np.indices((64, 64)) - 32
    share = (columns / across) ** 2 + (rows / down) ** 2
    assert region[share <= 0.85].all()
    assert not region[share >= 1.35].any()
    assert (region[1:, 1:] == region[1:, 1:][::-1]).all()
    assert (region[1:, 1:] == region[1:, 1:][:, ::-1]).all()
    assert np.flatnonzero(region[32]).tolist() == list(range(32 - across, 33 + across))
    assert np.flatnonzero(region[:, 32]).tolist() == list(range(32 - down, 33 + down))


def test_the_region_of_a_keypoint_at_the_edge_ends_there() -> None:
    content = shared_content(
        features(keypoints((223.0, 111.0, 4.0, 0.0), (0.0, 0.0, 4.0, 0.0))), np.array([True, True])
    )
    assert np.flatnonzero(content.region[63]).tolist() == [59, 60, 61, 62, 63]
    assert np.flatnonzero(content.region[0]).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(content.region[:, 0]).tolist() == list(range(9))
    assert shared_content(features(keypoints(SPOT)), np.array([False])).region.sum() == 0


def test_keypoints_at_shared_places_are_found_for_the_wanted_photos_alone() -> None:
    photos = [keypoints(SPOT), keypoints(), *[keypoints((20.0, 20.0, 4.0, 0.0), SPOT)] * SHARED_BY]
    found = fixed_keypoints(photos, list(range(len(photos))), [3, 1, 0])
    assert {number: mask.tolist() for number, mask in found.items()} == {0: [True], 3: [False, True]}
    assert fixed_keypoints(photos, list(range(len(photos))), []) == {}


@pytest.mark.parametrize(("turn", "is_same"), [(0.52, True), (0.54, False)])
def test_directions_may_differ_by_a_sine_of_one_half(turn: float, *, is_same: bool) -> None:
    """The sines of 0 and 0.52 differ by 0.497, and those of 0 and 0.54 by 0.514."""
    photos = [keypoints((100.0, 50.0, 4.0, 0.0)), *[keypoints((100.0, 50.0, 4.0, turn))] * SHARED_BY]
    assert bool(fixed_keypoints(photos, list(range(len(photos))), [0])) == is_same


@pytest.mark.parametrize(
    ("spot", "is_same"),
    [
        ((104.0, 46.0, 4.0, 3.1), True),
        ((104.1, 50.0, 4.0, 3.1), False),
        ((100.0, 54.1, 4.0, 3.1), False),
        ((100.0, 50.0, 4.0 * 2**0.49, 3.1), True),
        ((100.0, 50.0, 4.0 * 2**0.51, 3.1), False),
        ((100.0, 50.0, 4.0 / 2**0.51, 3.1), False),
    ],
)
def test_a_shared_keypoint_is_within_4_px_and_half_an_octave(
    spot: tuple[float, float, float, float], *, is_same: bool
) -> None:
    photos = [keypoints(SPOT), *[keypoints(spot)] * SHARED_BY]
    assert bool(fixed_keypoints(photos, list(range(len(photos))), [0])) == is_same


def test_a_place_is_counted_from_both_sides_by_14_px_cells_and_by_groups_of_copies() -> None:
    """Photos 1 to 8 agree with photo 0 at its second keypoint; its third is in the same cell, its first in another."""
    photos = [
        keypoints((13.0, 13.0, 4.0, 0.0), (14.0, 14.0, 4.0, 0.0), (27.0, 27.0, 4.0, 0.0), (28.0, 14.0, 4.0, 0.0)),
        *[keypoints(SPOT, SPOT)] * FREQUENT_BY,
    ]
    relation = [Relation(number + 1, 0, RelationKind.RELATED, 9, mirrored=False, scale=1.0) for number in range(8)]
    found = [Comparison(one, 0.3, np.array([[0, 1], [1, 1]])) for one in relation]
    masks = frequent_keypoints(photos, list(range(9)), found)
    assert {number: mask.tolist() for number, mask in masks.items()} == {0: [False, True, True, False]}
    assert frequent_keypoints(photos, [0, 1, 2, 3, 4, 5, 6, 7, 7], found) == {}
    assert frequent_keypoints(photos, [0, 1, 2, 3, 4, 5, 6, 7, 0], found) == {}


def test_groups_that_share_are_separate_regions() -> None:
    upper, left, none = np.zeros((3, 64, 64), np.bool_)
    upper[:8], left[:, :16] = True, True
    content = [SharedContent(np.zeros(0, np.bool_), region) for region in [*[upper, left] * SHARED_BY, none]]
    chains = [(number, number + 2) for number in range(2 * SHARED_BY - 2)]
    assert shared_regions(content, chains) == [
        SharedRegion(tuple(range(0, 2 * SHARED_BY, 2)), (0.0, 0.0, 1.0, 0.125)),
        SharedRegion(tuple(range(1, 2 * SHARED_BY, 2)), (0.0, 0.0, 0.25, 1.0)),
    ]

"""Tests of the comparison of two photos: matches by hand, strips, and content that is left out."""

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.data.duplicates.candidates import Candidate
from petmood.data.duplicates.comparison import (
    SharedContent,
    compare,
    describe_photo,
    match_descriptors,
    nothing_shared,
)
from petmood.data.duplicates.keypoints import Keypoints
from tests.support.images import photo_like

PAIR = Candidate(0, 1, mirrored=False, votes=9.0)


def described(*bins: tuple[int, ...]) -> Keypoints:
    """Build keypoints whose descriptors are 255 in four bins: two with n bins in common have a cosine of n / 4."""
    rows = np.zeros((len(bins), 128), np.uint8)
    for row, chosen in zip(rows, bins, strict=True):
        row[list(chosen)] = 255
    return Keypoints(np.ones((len(bins), 4), np.float32), rows, 224.0, 224.0)


def matches(a: Keypoints, b: Keypoints) -> list[list[int]]:
    used = (np.ones(len(a.positions), np.bool_), np.ones(len(b.positions), np.bool_))
    found: list[list[int]] = match_descriptors(a, b, used, mirrored=False).tolist()
    return found


def test_a_match_must_be_clearly_better_than_the_second_best() -> None:
    one = described((0, 1, 2, 3), (40, 41, 42, 43))
    # Distances 1/4 and 2/4: the ratio is 0.5. Distances 1/4 and 1/4: the ratio is 1.
    assert matches(one, described((0, 1, 2, 9), (0, 1, 10, 11))) == [[0, 0]]
    assert matches(one, described((0, 1, 2, 9), (0, 1, 2, 10))) == []


def test_a_match_must_be_the_best_one_from_both_sides() -> None:
    # Both descriptors of the first photo are nearest to the same one, which is equal to the first of them.
    one = described((0, 1, 2, 3), (0, 1, 2, 9))
    assert matches(one, described((0, 1, 2, 3), (50, 51, 52, 53))) == [[0, 0]]


def test_descriptors_that_are_left_out_do_not_match() -> None:
    one, other = described((0, 1, 2, 3), (40, 41, 42, 43), (60, 61, 62, 63)), described((0, 1, 2, 3), (40, 41, 42, 43))
    used = (np.array([False, True, True]), np.ones(2, np.bool_))
    assert match_descriptors(one, other, used, mirrored=False).tolist() == [[1, 1]]


def with_strip(*, seed: int, height: int) -> NDArray[np.uint8]:
    photo = photo_like(224, 224, seed=seed)
    photo[100 : 100 + height] = photo_like(224, height, seed=500)
    return photo


@pytest.mark.parametrize(("height", "kinds"), [(28, set()), (90, {"related"})])
def test_a_strip_relates_no_photos_and_a_larger_part_does_not_make_copies(height: int, kinds: set[str]) -> None:
    a, b = describe_photo(with_strip(seed=1, height=height)), describe_photo(with_strip(seed=2, height=height))
    found = compare(PAIR, (a, b), (nothing_shared(a), nothing_shared(b)))
    assert ({found.relation.kind.value} if found else set()) == kinds


def test_what_is_shared_with_many_is_no_evidence() -> None:
    photos = [with_strip(seed=1, height=90), with_strip(seed=2, height=90)]
    a, b = (describe_photo(photo) for photo in photos)
    region = np.zeros((64, 64), np.bool_)
    region[27:56] = True
    left_out = [SharedContent(np.abs(one.keypoints.positions[:, 1] - 145) < 60, region) for one in (a, b)]
    assert compare(PAIR, (a, b), (left_out[0], left_out[1])) is None


def test_a_copy_agrees_nearly_everywhere() -> None:
    photo = photo_like(224, 224, seed=3)
    a, b = describe_photo(photo), describe_photo(np.asarray(photo // 2 + 40, np.uint8))
    found = compare(PAIR, (a, b), (nothing_shared(a), nothing_shared(b)))
    assert found is not None
    assert found.is_one_image
    assert found.relation.kind == "near_duplicate"
    assert found.spread > 0.9
    assert len(found.agreeing) >= found.relation.inliers > 25

"""Tests of descriptors that are pooled into one vector."""

import numpy as np

from petmood.data.duplicates.comparison import describe_photo
from petmood.data.duplicates.pooled_descriptors import fit_pool
from tests.support.images import photo_like

PHOTOS = [photo_like(96, 96, seed=seed) for seed in range(6)]


def test_a_copy_is_nearer_than_other_photos_as_it_is_and_mirrored() -> None:
    described = [describe_photo(photo) for photo in PHOTOS]
    pool = fit_pool(described)
    vectors = np.stack([pool(one) for one in described])
    copy = pool(describe_photo(np.ascontiguousarray(PHOTOS[2][8:-8, 8:-8])))
    mirrored = pool(describe_photo(np.ascontiguousarray(PHOTOS[2][:, ::-1])))
    assert int((vectors[:, 0] @ copy[0]).argmax()) == 2
    assert int((vectors[:, 1] @ mirrored[0]).argmax()) == 2
    assert np.allclose(np.linalg.norm(vectors, axis=2), 1, atol=1e-5)


def test_a_photo_without_keypoints_has_the_vector_0() -> None:
    flat = describe_photo(np.full((50, 50, 3), 90, np.uint8))
    pool = fit_pool([*(describe_photo(photo) for photo in PHOTOS), flat])
    assert not pool(flat).any()


def test_photos_with_hardly_any_keypoints_are_pooled_too() -> None:
    flat = describe_photo(np.full((50, 50, 3), 90, np.uint8))
    assert not fit_pool([flat, flat])(flat).any()
    assert not fit_pool([])(flat).any()

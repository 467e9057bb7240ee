"""Tests of the features of many photos in temporary files."""

from pathlib import Path

import numpy as np
import pytest

from petmood.core.errors import OutputError
from petmood.data.duplicates.comparison import PhotoFeatures, describe_photo
from petmood.data.duplicates.photo_store import PhotosByNumber, PhotoStore
from tests.support.embedding import GridEmbedder
from tests.support.images import photo_like

WIDTH = GridEmbedder.width
PHOTOS = [photo_like(80, 60, seed=1), np.zeros((50, 50, 3), np.uint8), photo_like(64, 64, seed=2)]


@pytest.fixture(scope="module")
def described() -> list[PhotoFeatures]:
    return [describe_photo(photo) for photo in PHOTOS]


def filled(folder: Path, described: list[PhotoFeatures]) -> PhotoStore:
    store = PhotoStore(folder=folder, width=WIDTH)
    for photo, features in zip(PHOTOS, described, strict=True):
        store.add(features, GridEmbedder()(photo))
    return store


def test_features_are_read_as_they_were_added_in_any_order(tmp_path: Path, described: list[PhotoFeatures]) -> None:
    with filled(tmp_path, described) as store:
        assert len(store) == 3
        for number in (2, 0, 1):
            read, added = store[number], described[number]
            assert np.array_equal(read.keypoints.positions, added.keypoints.positions)
            assert np.array_equal(read.keypoints.descriptors, added.keypoints.descriptors)
            assert (read.keypoints.width, read.keypoints.height) == (added.keypoints.width, added.keypoints.height)
            assert np.array_equal(read.thumb, added.thumb)
            assert np.array_equal(read.edges, added.edges)
            assert store.keypoint_count(number) == len(added.keypoints.positions)
        assert store.keypoint_count(1) == 0


def test_embeddings_are_read_in_half_precision(tmp_path: Path, described: list[PhotoFeatures]) -> None:
    with filled(tmp_path, described) as store:
        read = store.embeddings([2, 0])
    assert read.dtype == np.float32
    assert np.allclose(read, [GridEmbedder()(PHOTOS[2]), GridEmbedder()(PHOTOS[0])], atol=1e-3)


def test_equal_photos_are_found_and_the_order_is_that_of_the_content(
    tmp_path: Path, described: list[PhotoFeatures]
) -> None:
    vectors = np.zeros((2, WIDTH), np.float32)
    orders = ([0, 1, 0, 2], [2, 0, 1, 0])
    found = []
    for order in orders:
        with PhotoStore(folder=tmp_path, width=WIDTH) as store:
            for number in order:
                store.add(described[number], vectors)
            firsts, equal = store.by_content()
        found.append([order[first] for first in firsts])
        assert equal == [(order.index(0), len(order) - 1 - order[::-1].index(0))]
    assert found[0] == found[1]


def test_of_photos_with_equal_features_the_embeddings_choose_the_first_one_in_any_order(
    tmp_path: Path, described: list[PhotoFeatures]
) -> None:
    """A photo and its gray copy have equal keypoints and thumbnails, and other embeddings."""
    both = [np.full((2, WIDTH), value, np.float32) for value in (0.25, 0.5)]
    chosen = []
    for order in ([0, 1], [1, 0]):
        with PhotoStore(folder=tmp_path, width=WIDTH) as store:
            for number in order:
                store.add(described[0], both[number])
            ((first,), _) = store.by_content()
        chosen.append(order[first])
    assert chosen[0] == chosen[1]


@pytest.mark.parametrize("limit", [4096, 12288, 70_000])
def test_a_full_disk_is_one_line_that_closing_the_files_does_not_replace(
    tmp_path: Path, described: list[PhotoFeatures], limit: int
) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no limit of the size of files")

    def fill() -> None:
        with PhotoStore(folder=tmp_path, width=WIDTH) as store:
            for _ in range(100):
                store.add(described[1], np.zeros((2, WIDTH), np.float32))

    own = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, own[1]))
    try:
        with pytest.raises(OutputError, match="can't be written"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, own)


def test_an_empty_store_has_no_photos(tmp_path: Path) -> None:
    with PhotoStore(folder=tmp_path, width=WIDTH) as store:
        assert store.by_content() == ([], [])


def test_photos_by_number_are_read_when_they_are_asked_for(tmp_path: Path, described: list[PhotoFeatures]) -> None:
    with filled(tmp_path, described) as store:
        part = PhotosByNumber(store, [2, 1])
        assert len(part) == 2
        assert np.array_equal(part[0].thumb, described[2].thumb)
        assert [len(one.keypoints.positions) for one in part[1:]] == [0]


def test_no_file_has_a_name_that_a_kill_would_leave(tmp_path: Path, described: list[PhotoFeatures]) -> None:
    with filled(tmp_path, described):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_one_line_before_any_photo(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"among 1,000,000,000,000 photos needs [\d.]+ GB .* has [\d.]+ GB free\."):
        PhotoStore(folder=tmp_path, width=WIDTH, expected=10**12)


def test_a_folder_that_is_missing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"can't be written in .*missing"):
        PhotoStore(folder=tmp_path / "missing", width=WIDTH)

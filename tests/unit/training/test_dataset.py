"""Selection and order of training and evaluation photos."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from petmood.configs.schema import Config
from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import DataIndex, Role, Split, read_index
from petmood.training.dataset import PhotoSet, evaluation_rows, open_index, open_photo_set, training_rows


@pytest.fixture(scope="module")
def index(small_set: Path) -> DataIndex:
    """Return the small set's index."""
    return read_index(small_set)


def test_copies_are_learned_from_if_kept_and_never_evaluated_on(index: DataIndex) -> None:
    assert len(training_rows(index.rows, include_copies=False)) == 32
    assert len(training_rows(index.rows, include_copies=True)) == 36
    for split in (Split.VALID, Split.TEST):
        assert sum(row.split == split and row.role == Role.NEAR_DUPLICATE for row in index) == 3
        assert {row.role for row in evaluation_rows(index.rows, split)} == {Role.ORIGINAL}
        assert len(evaluation_rows(index.rows, split)) == 16


def test_a_photo_set_keeps_rows_images_and_labels_in_one_order(photo_sets: tuple[PhotoSet, PhotoSet]) -> None:
    train, _ = photo_sets
    some = train.take([5, 2])
    assert [row.path for row in some.rows] == [train.rows[5].path, train.rows[2].path] == list(some.cache.paths)
    np.testing.assert_array_equal(some.cache.pixels, train.cache.pixels[[5, 2]])
    np.testing.assert_array_equal(some.labels, train.labels[[5, 2]])


def test_a_large_set_is_mapped_from_disk(small_set: Path, index: DataIndex, settings: Callable[..., Config]) -> None:
    config = settings("data.memory_mb=0.01")
    rows = evaluation_rows(index.rows, Split.TEST)
    mapped = open_photo_set(
        small_set, rows, classes=DEFAULT_CLASSES, image=config.model.image_spec(), memory_mb=config.data.memory_mb
    )
    plain = open_photo_set(small_set, rows, classes=DEFAULT_CLASSES, image=config.model.image_spec())
    assert isinstance(mapped.cache.pixels, np.memmap)
    np.testing.assert_array_equal(mapped.cache.pixels, plain.cache.pixels)
    np.testing.assert_array_equal(mapped.take([1]).cache.pixels, plain.take([1]).cache.pixels)


def test_another_version_of_the_data_is_refused(small_set: Path, index: DataIndex) -> None:
    assert open_index(small_set, expected_hash=index.hash) == index
    with pytest.raises(DataError, match=rf"Expected data version ffffffffffff in .*, got {index.hash[:12]}\."):
        open_index(small_set, expected_hash="f" * 64)

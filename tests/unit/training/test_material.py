"""Are the right photos learned from and judged by, in one order?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from petmood.configs.schema import Config
from petmood.core.errors import DataError
from petmood.core.moods import MOODS
from petmood.data.index import DataIndex, read_index
from petmood.training.material import Material, labels_of, open_index, open_material, rows_to_judge, rows_to_learn


@pytest.fixture(scope="module")
def index(small_set: Path) -> DataIndex:
    """Return the small set's index."""
    return read_index(small_set)


def test_copies_are_learned_from_if_kept_and_never_judged_by(index: DataIndex) -> None:
    assert len(rows_to_learn(index.rows, keep_copies=False)) == 32
    assert len(rows_to_learn(index.rows, keep_copies=True)) == 36
    assert {row.role for row in rows_to_judge(index.rows, "valid")} == {"original"}
    assert len(rows_to_judge(index.rows, "test")) == 16


def test_labels_are_places_among_the_moods(index: DataIndex) -> None:
    rows = index.rows[:7]
    assert [MOODS[label] for label in labels_of(rows)] == [row.mood for row in rows]
    assert labels_of([]).dtype == np.int64


def test_material_keeps_rows_pictures_and_labels_in_one_order(materials: tuple[Material, Material]) -> None:
    train, _ = materials
    some = train.take([5, 2])
    assert [row.path for row in some.rows] == [train.rows[5].path, train.rows[2].path] == list(some.bank.paths)
    np.testing.assert_array_equal(some.bank.pixels, train.bank.pixels[[5, 2]])
    np.testing.assert_array_equal(some.labels, train.labels[[5, 2]])


def test_a_large_set_is_mapped_from_disk(small_set: Path, index: DataIndex, settings: Callable[..., Config]) -> None:
    config = settings("data.memory_mb=0.01")
    rows = rows_to_judge(index.rows, "test")
    mapped = open_material(small_set, rows, config=config, image=config.model.image_spec())
    plain = open_material(small_set, rows, config=settings(), image=config.model.image_spec())
    assert isinstance(mapped.bank.pixels, np.memmap)
    np.testing.assert_array_equal(mapped.bank.pixels, plain.bank.pixels)
    np.testing.assert_array_equal(mapped.take([1]).bank.pixels, plain.take([1]).bank.pixels)


def test_another_version_of_the_data_is_refused(small_set: Path, index: DataIndex) -> None:
    assert open_index(small_set, expected_hash=index.hash) == index
    with pytest.raises(DataError, match=rf"holds data version {index.hash[:12]}, expected ffffffffffff"):
        open_index(small_set, expected_hash="f" * 64)

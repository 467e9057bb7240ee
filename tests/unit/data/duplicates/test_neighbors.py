"""Tests of the search for near vectors."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.data.duplicates import neighbors
from petmood.data.duplicates.neighbors import ends_of, nearest_pairs

Floats = NDArray[np.float32]


class Vectors:
    """Drawn vectors, of which every odd one is a changed copy of the one before: of itself or of its mirror image."""

    def __init__(self, count: int, *, width: int = 24, noise: float = 0.1) -> None:
        rng = np.random.default_rng(3)
        self.values = rng.standard_normal((count, 2, width)).astype(np.float32)
        changed = self.values[::2][: count // 2].copy()
        changed[::2] = changed[::2, ::-1]
        self.values[1::2] = changed + noise * rng.standard_normal(changed.shape).astype(np.float32)

    def __call__(self, numbers: Sequence[int]) -> Floats:
        return self.values[np.asarray(numbers, np.int64)]

    def copies_found(self, pairs: NDArray[np.int64]) -> float:
        found = {(a, b) for a, b in ends_of(pairs).tolist()}
        true = [(number, number + 1) for number in range(0, len(self.values) - 1, 2)]
        return sum(pair in found for pair in true) / len(true)


def test_copies_of_photos_and_of_mirror_images_are_pairs() -> None:
    vectors = Vectors(400)
    pairs = nearest_pairs(400, vectors, neighbors=1, threads=1)
    assert vectors.copies_found(pairs) == 1.0
    ends = ends_of(pairs)
    assert (ends[:, 0] < ends[:, 1]).all()
    assert len(pairs) <= 3 * 400
    assert sorted(pairs.tolist()) == pairs.tolist()


def test_threads_change_nothing() -> None:
    vectors = Vectors(600)
    one, three = (nearest_pairs(600, vectors, neighbors=5, threads=threads) for threads in (1, 3))
    assert np.array_equal(one, three)


def test_many_photos_are_searched_in_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = Vectors(1600)
    monkeypatch.setattr(neighbors, "EXACT_UP_TO", 500)
    one, two = (nearest_pairs(1600, vectors, neighbors=4, threads=threads) for threads in (1, 2))
    assert np.array_equal(one, two)
    assert vectors.copies_found(one) >= 0.99


@pytest.mark.parametrize("width", [4, 2000])
def test_vectors_may_have_fewer_or_more_values_than_there_are_photos(width: int) -> None:
    vectors = Vectors(40, width=width)
    assert vectors.copies_found(nearest_pairs(40, vectors, neighbors=3, threads=1)) == 1.0


def test_one_photo_has_no_pair() -> None:
    assert len(nearest_pairs(1, Vectors(1), neighbors=3, threads=1)) == 0
    assert nearest_pairs(2, Vectors(2), neighbors=3, threads=1).tolist() == [1]


def test_equal_vectors_are_no_error() -> None:
    pairs = nearest_pairs(5, lambda numbers: np.zeros((len(numbers), 2, 8), np.float32), neighbors=2, threads=1)
    assert len(pairs) > 0

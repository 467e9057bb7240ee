"""Tests of the MMD: against its definition, its p-value under no change, and the witness function."""

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.monitoring.drift.kernel import mmd_test, witness


def normal(count: int, *, seed: int, width: int = 5, shift: float = 0.0) -> NDArray[np.float32]:
    """Return normal rows."""
    return (np.random.default_rng([seed, count]).normal(size=(count, width)) + shift).astype(np.float32)


def defined_mmd(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the unbiased squared MMD from its definition, pair by pair, in float64."""
    pooled = np.concatenate([first, second]).astype(np.float64)
    squared = ((pooled[:, None] - pooled[None]) ** 2).sum(axis=2)
    kernel = np.exp(-squared / np.median(squared))
    np.fill_diagonal(kernel, 0)
    n, m = len(first), len(second)
    inside = kernel[:n, :n].sum() / (n * (n - 1)) + kernel[n:, n:].sum() / (m * (m - 1))
    return float(inside - 2 * kernel[:n, n:].mean())


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_the_statistic_is_that_of_the_definition(shift: float) -> None:
    first, second = normal(60, seed=0), normal(40, seed=1, shift=shift)
    found = mmd_test(first, second, permutations=199, rng=np.random.default_rng(0))
    assert found.squared == pytest.approx(defined_mmd(first, second), abs=2e-6)


def test_a_large_offset_of_all_values_changes_nothing() -> None:
    first, second = normal(60, seed=0), normal(40, seed=1, shift=0.7)
    far = mmd_test(first + 1000, second + 1000, permutations=199, rng=np.random.default_rng(0))
    near = mmd_test(first, second, permutations=199, rng=np.random.default_rng(0))
    assert far.squared == pytest.approx(near.squared, abs=1e-4)
    assert far.p_value == near.p_value == pytest.approx(1 / 200)


def test_p_values_of_equal_samples_are_uniform_where_they_decide() -> None:
    """400 pairs: a level of 5% is exceeded 20 times, with a standard deviation of 4.4; of 20%, 80 times (8)."""
    p_values = np.array(
        [
            mmd_test(
                normal(60, seed=2 * k), normal(50, seed=2 * k + 1), permutations=199, rng=np.random.default_rng(k)
            ).p_value
            for k in range(400)
        ]
    )
    assert 7 <= (p_values <= 0.05).sum() <= 33
    assert 56 <= (p_values <= 0.2).sum() <= 104


def test_a_change_of_spread_is_found_too() -> None:
    first, second = normal(200, seed=0), 2 * normal(200, seed=1)
    assert mmd_test(first, second, permutations=999, rng=np.random.default_rng(0)).p_value == pytest.approx(0.001)


def test_the_effect_grows_with_the_change_and_not_with_the_number_of_rows() -> None:
    def effect(count: int, shift: float) -> float:
        pair = normal(count, seed=0), normal(count, seed=1, shift=shift)
        return mmd_test(*pair, permutations=19, rng=np.random.default_rng(0)).effect

    assert effect(100, 0.0) < 0.1 < effect(100, 0.5) < effect(100, 1.0)
    assert effect(400, 0.5) == pytest.approx(effect(100, 0.5), rel=0.3)


def test_the_p_value_is_known_to_be_large_before_all_permutations_are_drawn() -> None:
    """The p-value is 20 over the number drawn, which is no multiple of 1 / 10,000."""
    found = mmd_test(normal(50, seed=0), normal(50, seed=1), permutations=9_999, rng=np.random.default_rng(0))
    drawn = 20 / found.p_value
    assert found.p_value > 0.02
    assert drawn == pytest.approx(round(drawn))
    assert drawn < 1000


def test_equal_rows_have_a_p_value_of_one_and_no_effect() -> None:
    rows = np.ones((60, 3), dtype=np.float32)
    found = mmd_test(rows, rows[:50], permutations=199, rng=np.random.default_rng(0))
    assert (found.p_value, found.effect) == (1.0, 0.0)


def test_mostly_equal_rows_still_show_a_change() -> None:
    """More than half of the distances are 0, so their median is no bandwidth."""
    first, second = np.zeros((100, 2), np.float32), np.zeros((60, 2), np.float32)
    first[0] = 1
    second[:30] = 5
    assert mmd_test(first, second, permutations=199, rng=np.random.default_rng(0)).p_value == pytest.approx(1 / 200)


def test_the_witness_is_highest_where_the_second_sample_has_more() -> None:
    first, second = normal(200, seed=0), normal(100, seed=1)
    second[:30] += 4
    values = witness(second, first, second)
    assert set(np.argsort(-values)[:20]) <= set(range(30))
    assert values[30:].max() < values[:30].mean()

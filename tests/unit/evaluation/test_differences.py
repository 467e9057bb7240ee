"""Tests of the mean difference of two predictions and its interval; promotion's test_differences.py has the others."""

import math

import numpy as np
import pytest

from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.differences import estimate_difference, widened


def test_shares_of_a_photo_count_as_such() -> None:
    """A fall of a half in 10 of 60 photos: Agresti and Min with a sum of 5, squares of 2.5, and 62 groups."""
    apart = np.where(np.arange(60) < 10, 0.5, 0.0)
    found = estimate_difference(apart, np.arange(60))
    middle = 5 / 62
    reach = 1.959964 * math.sqrt(2.5 + 1 - 62 * middle**2) / 62
    assert found.value == pytest.approx(1 / 12)
    assert found.n == 60
    assert found.low == pytest.approx(middle - reach, abs=0.005)
    assert found.low <= middle - reach + 1e-6
    assert found.high >= middle + reach - 1e-6


def test_photos_of_one_group_count_once() -> None:
    apart = np.where(np.arange(60) < 12, 1.0, 0.0)
    alone, together = (estimate_difference(apart, np.arange(60) // size) for size in (1, 6))
    assert alone.value == together.value
    assert together.low < 0 < alone.low


def test_an_interval_is_stretched_like_one_of_the_normal_distribution() -> None:
    """2.575829 / 1.959964 = 1.314222 for 99%."""
    found = widened(Estimate(0.5, 0.4, 0.7, n=10), confidence=0.99)
    assert [found.value, found.low, found.high] == pytest.approx([0.5, 0.5 - 0.1314222, 0.5 + 0.2628444], abs=1e-6)
    assert found.n == 10
    same = widened(Estimate(0.5, 0.4, 0.7, n=10), confidence=0.95)
    assert [same.low, same.high] == pytest.approx([0.4, 0.7])

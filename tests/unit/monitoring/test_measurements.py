"""Tests of what measurements of photos accept."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.errors import DataError
from tests.support.drift import drift_reference, drift_window, measurements


def test_measurements_count_their_photos() -> None:
    assert len(drift_reference(70)) == 70
    assert len(drift_reference(0)) == 0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("statistics", np.zeros((9, 4)), "statistics to be float32 .* got float64"),
        ("statistics", np.zeros((9, 3), np.float32), r"\(9, 4\), got float32 of \(9, 3\)"),
        ("embedding", np.zeros((8, 8), np.float16), r"\(9, any\), got float16 of \(8, 8\)"),
        ("embedding", np.zeros(9, np.float16), r"\(9, any\)"),
        ("embedding", np.full((9, 2), np.inf, np.float16), "finite embedding"),
        ("residual", np.zeros((9, 1), np.float32), r"shape \(9\)"),
        ("residual", np.full(9, np.nan, np.float32), "finite residual"),
        ("probabilities", np.zeros((9, 3), np.float32), r"\(9, 4\), got float32 of \(9, 3\)"),
        ("confident", np.zeros(9, np.float32), "confident .* bool"),
        ("in_domain", np.zeros(7, np.bool_), r"got bool of \(7,\)"),
        ("correct", np.zeros(9, np.int64), "correct to be int8"),
    ],
)
def test_a_wrong_array_is_named_with_what_was_expected(name: str, value: NDArray[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        drift_reference(**{**measurements(9, seed=0), name: value})


def test_chosen_rows_keep_measurements_and_places_together() -> None:
    window = drift_window(10)
    part = window.rows(np.array([3, 5]))
    assert [place.request_id for place in part.places] == ["r3", "r5"]
    assert (part.embedding == window.embedding[[3, 5]]).all()
    assert (part.in_domain == window.in_domain[[3, 5]]).all()
    assert len(part) == 2
    assert drift_reference(10).rows(np.array([1])).places == ()


def test_missing_places_are_refused() -> None:
    with pytest.raises(DataError, match="each of 10 photos, got 9"):
        drift_window(10, places=drift_window(9).places)

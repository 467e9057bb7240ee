"""Tests of what a reference accepts."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.errors import DataError
from tests.support.drift import drift_reference, measurements


def test_a_reference_counts_its_photos() -> None:
    assert len(drift_reference(70)) == 70
    assert len(drift_reference(0)) == 0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("statistics", np.zeros((9, 4)), "statistics of the drift reference to be float32 .* got float64"),
        ("statistics", np.zeros((9, 3), np.float32), r"\(9, 4\), got float32 of shape \(9, 3\)"),
        ("embedding", np.zeros((8, 8), np.float32), r"\(9, any\), got float32 of shape \(8, 8\)"),
        ("embedding", np.zeros(9, np.float32), r"\(9, any\)"),
        ("residual", np.zeros((9, 1), np.float32), r"shape \(9\)"),
        ("residual", np.full(9, np.nan, np.float32), "finite residual"),
        ("probabilities", np.zeros((9, 3), np.float32), "4 classes .* got 3"),
        ("confident", np.zeros(9, np.float32), "confident .* bool"),
        ("in_domain", np.zeros(7, np.bool_), r"shape \(7,\)"),
    ],
)
def test_a_wrong_array_is_named_with_what_was_expected(name: str, value: NDArray[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        drift_reference(**{**measurements(9, seed=0), name: value})

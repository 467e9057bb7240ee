"""Tests of windows of logged photos."""

import numpy as np
import pytest

from petmood.core.errors import DataError
from tests.support.drift import drift_window


def test_a_slice_keeps_rows_and_request_ids_together() -> None:
    window = drift_window(10)
    part = window.rows(slice(3, 5))
    assert part.request_ids == ("r3", "r4")
    assert (part.embedding == window.embedding[3:5]).all()
    assert (part.in_domain == window.in_domain[3:5]).all()
    assert len(part) == 2


def test_wrong_arrays_and_missing_request_ids_are_refused() -> None:
    with pytest.raises(DataError, match="request id for each of 10 rows, got 9"):
        drift_window(10, request_ids=tuple("abcdefghi"))
    with pytest.raises(DataError, match="residual of the window"):
        drift_window(10, residual=np.zeros(9, np.float32))

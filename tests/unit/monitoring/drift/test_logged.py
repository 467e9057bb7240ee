"""Tests of the windows of drift tests from logged rows."""

from pathlib import Path

import numpy as np

from petmood.monitoring.drift.logged import measured_rows
from petmood.monitoring.prediction_log.reader import read_window
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import BUNDLE, row, sqlite


def test_measurements_come_back_in_the_order_of_time(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    LogStore(engine).insert([row(number) for number in (3, 1, 2)])
    found = measured_rows(read_window(engine, BUNDLE), columns=3)
    engine.dispose()
    assert found.request_ids == ("request-1", "request-2", "request-3")
    assert found.embedding.tolist() == [[number] * 3 for number in (1, 2, 3)]
    assert found.embedding.dtype == np.float32
    assert found.residual.tolist() == [np.float32(number / 100) for number in (1, 2, 3)]


def test_rows_without_a_measurement_are_left_out(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    infinite = np.array([1, np.inf, 1], "<f2").tobytes()
    LogStore(engine).insert(
        [row(1), row(2, residual=None), row(3, statistics=None), row(4, embedding=infinite), row(5)]
    )
    found = measured_rows(read_window(engine, BUNDLE), columns=3)
    assert found.request_ids == ("request-1", "request-5")
    assert len(measured_rows(read_window(engine, BUNDLE), columns=4)) == 0
    LogStore(engine).insert([row(6, embedding=None)])
    assert measured_rows(read_window(engine, BUNDLE), columns=3).request_ids == ("request-1", "request-5")
    assert measured_rows(read_window(engine, BUNDLE, last=1), columns=3).embedding.shape == (0, 3)
    engine.dispose()


def test_a_photo_that_is_sent_again_counts_once(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    LogStore(engine).insert([row(2), row(1), *(row(1, request_id=f"again-{number}") for number in range(3))])
    found = measured_rows(read_window(engine, BUNDLE), columns=3)
    engine.dispose()
    assert len(found) == 2
    assert "request-2" in found.request_ids

"""Tests of windows of logged rows: what is measured of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from petmood.core.errors import ConfigError
from petmood.monitoring.measurements import Measurements
from petmood.monitoring.prediction_log.reader import read_window
from petmood.monitoring.prediction_log.rows import LoggedBundle, PhotoKey
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import BUNDLE, row, sqlite


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Return an empty log."""
    made = sqlite(tmp_path)
    LogStore(made).prepare()
    yield made
    made.dispose()


def ids(found: Measurements) -> list[str]:
    """Return the ids of the requests."""
    return [place.request_id for place in found.places]


def test_measurements_come_in_the_order_of_the_log(engine: Engine) -> None:
    LogStore(engine).insert([row(number) for number in (3, 1, 2)])
    found = read_window(engine, BUNDLE, columns=3).measured
    assert ids(found) == ["request-1", "request-2", "request-3"]
    assert found.places[0].key == PhotoKey("request-1", 0)
    assert found.classes == BUNDLE.classes
    assert found.embedding.tolist() == [[number] * 3 for number in (1, 2, 3)]
    assert found.residual.tolist() == [np.float32(number / 100) for number in (1, 2, 3)]
    assert found.probabilities.tolist() == [[0.25, 0.75]] * 3
    assert found.confident.tolist() == [False, True, False]
    assert found.statistics == pytest.approx(np.array([[n / 1000, 0.2, 0.3, 0.4] for n in (1, 2, 3)]))


def test_rows_without_a_measurement_have_a_place_alone(engine: Engine) -> None:
    infinite = np.array([1, np.inf, 1], "<f2").tobytes()
    LogStore(engine).insert(
        [row(1), row(2, residual=None), row(3, statistics=None), row(4, embedding=infinite), row(5)]
    )
    found = read_window(engine, BUNDLE, columns=3)
    assert (ids(found.measured), len(found.places)) == (["request-1", "request-5"], 5)
    assert len(read_window(engine, BUNDLE, columns=4).measured) == 0
    LogStore(engine).insert([row(6, embedding=None)])
    last = read_window(engine, BUNDLE, columns=3, last=1)
    assert (last.measured.embedding.shape, len(last.places)) == ((0, 3), 1)


def test_a_photo_that_is_sent_again_counts_once(engine: Engine) -> None:
    LogStore(engine).insert([row(2), row(1), *(row(1, request_id=f"again-{number}") for number in range(3))])
    found = read_window(engine, BUNDLE, columns=3)
    assert (ids(found.measured), len(found.places)) == (["again-0", "request-2"], 5)


def test_without_domain_scores_all_photos_count_as_in_the_domain(engine: Engine) -> None:
    LogStore(engine).insert([row(1, in_domain=None, novelty=None, label=None), row(2, in_domain=False)])
    assert read_window(engine, BUNDLE, columns=3).measured.in_domain.tolist() == [True, False]


def test_an_empty_window_has_empty_arrays_of_the_right_shape(engine: Engine) -> None:
    found = read_window(engine, BUNDLE, columns=3)
    measured = found.measured
    assert (found.places, len(measured)) == ((), 0)
    assert (measured.probabilities.shape, measured.statistics.shape, measured.embedding.shape) == (
        (0, 2),
        (0, 4),
        (0, 3),
    )


def test_rows_with_another_number_of_classes_are_refused(engine: Engine) -> None:
    LogStore(engine).insert([row(1)])
    wrong = LoggedBundle(BUNDLE.sha256, BUNDLE.name, BUNDLE.version, ("angry", "happy", "sad"))
    with pytest.raises(ConfigError, match="another number of classes than its 3"):
        read_window(engine, wrong, columns=3)

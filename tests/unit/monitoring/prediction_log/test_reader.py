"""Tests of reading the prediction log."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from petmood.core.errors import ConfigError
from petmood.monitoring.prediction_log.reader import export_parquet, read_next, read_window, rows_by_bundle
from petmood.monitoring.prediction_log.rows import LoggedBundle
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import BUNDLE, START_US, row, sqlite

OTHER = LoggedBundle("cd" * 32, "pets", "2", ("angry", "happy", "sad"))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Return a log with ten rows of one bundle and one of another."""
    made = sqlite(tmp_path)
    LogStore(made).insert(
        [*(row(number) for number in range(10)), row(99, bundle=OTHER, probabilities=(0.1, 0.2, 0.7), embedding=None)]
    )
    yield made
    made.dispose()


def test_bundles_are_listed_latest_first(engine: Engine) -> None:
    found = rows_by_bundle(engine)
    assert [(one.bundle, one.rows) for one in found] == [(OTHER, 1), (BUNDLE, 10)]
    assert (found[1].first_us, found[1].last_us) == (START_US, START_US + 9_000_000)


def test_the_last_rows_of_a_bundle_come_oldest_first(engine: Engine) -> None:
    found = read_window(engine, BUNDLE, last=3)
    assert found.request_ids == ("request-7", "request-8", "request-9")
    assert len(found) == 3
    assert found.time_us.tolist() == [START_US + 1_000_000 * number for number in (7, 8, 9)]
    assert found.probabilities.tolist() == [[0.25, 0.75]] * 3
    assert found.confident.tolist() == [False, True, False]
    assert found.statistics == pytest.approx(np.array([[n / 1000, 0.2, 0.3, 0.4] for n in (7, 8, 9)]))
    assert found.embedding is not None
    assert found.embedding.tolist() == [[number] * 3 for number in (7, 8, 9)]
    assert found.novelty.tolist() == [0.5] * 3
    assert found.residual == pytest.approx(np.array([0.07, 0.08, 0.09]))


def test_rows_since_a_time_and_all_rows(engine: Engine) -> None:
    assert read_window(engine, BUNDLE, since_us=START_US + 8_000_000).request_ids == ("request-8", "request-9")
    assert len(read_window(engine, BUNDLE)) == 10


def test_the_next_rows_after_a_place_come_once_each_in_the_order_of_the_log(engine: Engine) -> None:
    LogStore(engine).insert([row(4, request_id="request-4", position=1), row(4, request_id="another")])
    seen: list[tuple[str, int]] = []
    after = None
    while len(found := read_next(engine, BUNDLE, after=after, count=5)):
        seen += zip(found.request_ids, found.positions, strict=True)
        after = found.last_row
    names = [f"request-{number}" for number in range(10)]
    assert seen == [(name, 0) for name in names[:4]] + [("another", 0), ("request-4", 0), ("request-4", 1)] + [
        (name, 0) for name in names[5:]
    ]
    assert after == (START_US + 9_000_000, "request-9", 0)


def test_rows_are_passed_over_and_no_row_has_no_place(engine: Engine) -> None:
    assert read_next(engine, BUNDLE, after=None, count=2, skip=7).request_ids == ("request-7", "request-8")
    assert read_next(engine, BUNDLE, after=None, count=2, skip=10).last_row is None


def test_an_empty_window_has_empty_arrays_of_the_right_shape(engine: Engine) -> None:
    found = read_window(engine, BUNDLE, since_us=START_US * 2)
    assert (len(found), found.probabilities.shape, found.statistics.shape, found.embedding) == (0, (0, 2), (0, 4), None)


def test_what_some_rows_lack_is_nan_or_none(engine: Engine) -> None:
    LogStore(engine).insert(
        [row(20, embedding=None, residual=None, statistics=None, novelty=None, in_domain=None, label=None)]
    )
    found = read_window(engine, BUNDLE, last=2)
    assert found.embedding is not None
    assert np.isnan(found.embedding).all(axis=1).tolist() == [False, True]
    assert read_window(engine, BUNDLE, last=1).embedding is None
    assert np.isnan(found.statistics[1]).all()
    assert np.isnan(found.novelty[1])
    assert np.isnan(found.residual).tolist() == [False, True]
    assert found.in_domain.tolist() == [True, True]
    assert found.labels == ("happy", None)


def test_rows_with_another_number_of_classes_are_refused(engine: Engine) -> None:
    wrong = LoggedBundle(OTHER.sha256, OTHER.name, OTHER.version, ("angry", "happy"))
    with pytest.raises(ConfigError, match="another number of classes than its 2"):
        read_window(engine, wrong)


def test_an_export_holds_every_row_with_readable_columns(engine: Engine, tmp_path: Path) -> None:
    assert export_parquet(engine, tmp_path / "log.parquet") == 11
    table = pq.read_table(tmp_path / "log.parquet")
    rows = {one["request_id"]: one for one in table.to_pylist()}
    found, other = rows["request-9"], rows["request-99"]
    assert found["time"] == datetime.fromtimestamp(START_US / 1e6, tz=UTC) + timedelta(seconds=9)
    assert (found["bundle"], found["bundle_name"], found["bundle_version"]) == (BUNDLE.sha256, "pets", "1")
    assert (found["classes"], found["probabilities"]) == (["angry", "happy"], [0.25, 0.75])
    assert (found["label"], found["confident"], found["in_domain"]) == ("happy", False, True)
    assert found["brightness"] == pytest.approx(0.009)
    assert found["embedding"] == [9, 9, 9]
    assert found["residual"] == pytest.approx(0.09)
    assert other["embedding"] is None
    assert other["probabilities"] == pytest.approx([0.1, 0.2, 0.7])


def test_an_export_of_a_window_and_one_in_place_of_a_file(engine: Engine, tmp_path: Path) -> None:
    target = tmp_path / "log.parquet"
    target.write_text("old")
    assert export_parquet(engine, target, last=2) == 2
    assert {one["request_id"] for one in pq.read_table(target).to_pylist()} == {"request-99", "request-9"}
    assert export_parquet(engine, target, since_us=START_US * 2) == 0
    assert pq.read_table(target).num_rows == 0

"""Tests of reading the prediction log."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from petmood.monitoring.prediction_log.reader import (
    export_parquet,
    logged_keys,
    place_before,
    read_next,
    read_window,
    rows_by_bundle,
)
from petmood.monitoring.prediction_log.rows import LoggedBundle, PhotoKey, RowPlace
from petmood.monitoring.prediction_log.store import LogStore
from petmood.monitoring.prediction_log.window import LoggedWindow
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


def ids(window: LoggedWindow) -> list[str]:
    """Return the ids of the requests of all rows."""
    return [place.request_id for place in window.places]


def test_the_last_rows_of_a_bundle_come_oldest_first(engine: Engine) -> None:
    found = read_window(engine, BUNDLE, columns=3, last=3)
    assert ids(found) == ["request-7", "request-8", "request-9"]
    assert [place.time_us for place in found.places] == [START_US + 1_000_000 * number for number in (7, 8, 9)]
    assert found.measured.places == found.places


def test_rows_since_a_time_and_all_rows(engine: Engine) -> None:
    since = read_window(engine, BUNDLE, columns=3, since_us=START_US + 8_000_000)
    assert ids(since) == ["request-8", "request-9"]
    assert ids(read_window(engine, BUNDLE, columns=3, since_us=START_US * 2)) == []
    assert len(read_window(engine, BUNDLE, columns=3).places) == 10


def test_the_next_rows_after_a_place_come_once_each_in_the_order_of_the_log(engine: Engine) -> None:
    LogStore(engine).insert([row(4, request_id="request-4", position=1), row(4, request_id="another")])
    seen: list[RowPlace] = []
    while found := read_next(engine, BUNDLE, columns=3, after=seen[-1] if seen else None, count=5).places:
        seen += found
    names = [f"request-{number}" for number in range(10)]
    assert [(one.request_id, one.position) for one in seen] == [
        *((name, 0) for name in names[:4]),
        *(("another", 0), ("request-4", 0), ("request-4", 1)),
        *((name, 0) for name in names[5:]),
    ]
    assert seen[-1] == (START_US + 9_000_000, "request-9", 0)


def test_the_place_before_the_last_rows_is_that_after_which_they_are_read(engine: Engine) -> None:
    before = place_before(engine, BUNDLE, 3)
    assert ids(read_next(engine, BUNDLE, columns=3, after=before, count=5)) == ["request-7", "request-8", "request-9"]
    assert before is not None
    earlier = place_before(engine, BUNDLE, 2, up_to=before)
    assert earlier == (START_US + 4_000_000, "request-4", 0)
    assert place_before(engine, BUNDLE, 10) is None


def test_the_last_rows_up_to_a_place_are_in_the_order_of_the_log(engine: Engine) -> None:
    LogStore(engine).insert([row(4, request_id="another")])
    place = RowPlace(START_US + 4_000_000, "another", 0)
    assert ids(read_window(engine, BUNDLE, columns=3, last=2, up_to=place)) == ["request-3", "another"]
    after = place._replace(request_id="request-4")
    assert ids(read_window(engine, BUNDLE, columns=3, last=2, up_to=after)) == ["another", "request-4"]
    assert ids(read_window(engine, OTHER, columns=3, last=2, up_to=place)) == []


def test_keys_are_told_from_those_that_are_not_in_the_log(engine: Engine) -> None:
    here = {PhotoKey("request-1"), PhotoKey("request-9")}
    assert logged_keys(engine, [*here, PhotoKey("request-1", 1), PhotoKey("gone")]) == here
    assert logged_keys(engine, []) == set()


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

"""Tests of feedback in the prediction log: one for each photo and visitor, deleted with its prediction."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from petmood.core.errors import LogUnavailable
from petmood.monitoring.feedback.records import Feedback, LoggedPrediction
from petmood.monitoring.feedback.store import FeedbackStore, read_feedback
from petmood.monitoring.prediction_log.database import reading
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.monitoring.prediction_log.store import LogStore
from petmood.monitoring.prediction_log.tables import FEEDBACK
from tests.support.logged import BUNDLE, START_US, row, sqlite

WRONG = Feedback(PhotoKey("request-1"), "a" * 64, "angry", "ears back", START_US)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogStore]:
    """Return the store of a log with two predictions of "happy", and one without a label."""
    made = LogStore(sqlite(tmp_path))
    made.insert([row(1), row(2), row(3, label=None, in_domain=False)])
    yield made
    made.close()


@pytest.fixture
def store(log: LogStore, tmp_path: Path) -> Iterator[FeedbackStore]:
    """Return the store of feedback on that log."""
    assert log is not None
    made = FeedbackStore(sqlite(tmp_path))
    yield made
    made.close()


def stored(folder: Path) -> int:
    """Return the number of rows of feedback."""
    engine = sqlite(folder)
    with reading(engine) as connection:
        found = connection.execute(select(func.count()).select_from(FEEDBACK)).scalar_one()
    engine.dispose()
    return int(found)


def test_a_prediction_is_found_by_request_and_position(store: FeedbackStore) -> None:
    assert store.prediction(PhotoKey("request-1")) == LoggedPrediction("happy", BUNDLE, 0.75)
    assert store.prediction(PhotoKey("request-1", 1)) is None
    assert store.prediction(PhotoKey("unknown")) is None


def test_the_last_feedback_of_a_visitor_wins_and_another_visitor_has_one_too(
    store: FeedbackStore, tmp_path: Path
) -> None:
    assert store.write(WRONG) is False
    assert store.write(replace(WRONG, label=None, note=None, time_us=START_US + 1)) is True
    assert store.write(replace(WRONG, visitor="b" * 64, time_us=START_US + 2)) is False
    first, second = read_feedback(sqlite(tmp_path))
    assert (first.feedback.label, first.feedback.note, first.right_label, first.is_correction) == (
        None,
        None,
        "happy",
        False,
    )
    assert (second.feedback.visitor, second.right_label, second.is_correction) == ("b" * 64, "angry", True)
    assert (second.prediction.bundle, second.predicted_us) == (BUNDLE, row(1).time_us)
    assert [one.feedback.visitor for one in read_feedback(sqlite(tmp_path), since_us=START_US + 2)] == ["b" * 64]


def test_the_predicted_label_as_a_correction_means_right(store: FeedbackStore, tmp_path: Path) -> None:
    store.write(replace(WRONG, label="happy"))
    (found,) = read_feedback(sqlite(tmp_path))
    assert (found.feedback.label, found.is_correction) == (None, False)


def test_a_photo_out_of_the_domain_has_no_right_label_unless_one_is_given(store: FeedbackStore, tmp_path: Path) -> None:
    store.write(replace(WRONG, key=PhotoKey("request-3"), label=None))
    store.write(replace(WRONG, key=PhotoKey("request-3"), visitor="b" * 64, time_us=START_US + 1))
    assert [one.right_label for one in read_feedback(sqlite(tmp_path))] == [None, "angry"]


def test_feedback_on_a_prediction_that_is_gone_is_not_written(
    store: FeedbackStore, log: LogStore, tmp_path: Path
) -> None:
    log.delete_requests(["request-1"])
    assert store.write(WRONG) is None
    assert stored(tmp_path) == 0


def test_feedback_is_deleted_with_its_prediction(store: FeedbackStore, log: LogStore, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        store.write(replace(WRONG, key=PhotoKey(f"request-{number}")))
    log.delete_requests(["request-2"])
    assert stored(tmp_path) == 2
    log.delete_before(START_US + 3_000_000)
    assert [one.feedback.key.request_id for one in read_feedback(sqlite(tmp_path))] == ["request-3"]
    assert stored(tmp_path) == 1


def test_visitors_write_at_once_and_none_is_lost(store: FeedbackStore, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        given = [replace(WRONG, visitor=f"{number % 20:064}") for number in range(60)]
        results = list(threads.map(store.write, given))
    assert sorted(map(bool, results)) == [False] * 20 + [True] * 40
    assert stored(tmp_path) == 20


def test_a_database_without_its_tables_is_unavailable(tmp_path: Path) -> None:
    store = FeedbackStore(sqlite(tmp_path))
    with pytest.raises(LogUnavailable, match="no such table"):
        store.prediction(PhotoKey("request-1"))
    store.close()


def test_a_log_that_is_moved_and_begun_anew_is_the_new_one(store: FeedbackStore, log: LogStore, tmp_path: Path) -> None:
    assert store.prediction(PhotoKey("request-1")) is not None
    log.close()
    for path in tmp_path.glob("log.db*"):
        path.rename(path.with_name(f"old-{path.name}"))
    anew = LogStore(sqlite(tmp_path))
    anew.insert([row(7)])
    assert store.prediction(PhotoKey("request-1")) is None
    assert store.prediction(PhotoKey("request-7")) is not None
    anew.close()

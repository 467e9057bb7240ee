"""Rows of a prediction log for tests."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, RowMapping, select

from petmood.core.domain import DomainRule, DomainScores
from petmood.core.prediction import DecisionRule, Measured, Prediction, decide
from petmood.core.schemas import ModelInfo
from petmood.monitoring.feedback.records import REVIEWER, Feedback
from petmood.monitoring.feedback.store import FeedbackStore
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.monitoring.metric_names import LogResult
from petmood.monitoring.prediction_log.database import connect, database_url, reading
from petmood.monitoring.prediction_log.rows import LoggedBundle, LogRow, PhotoKey
from petmood.monitoring.prediction_log.store import LogStore
from petmood.monitoring.prediction_log.tables import PREDICTIONS
from tests.support.images import jpeg, photo_like

BUNDLE = LoggedBundle("ab" * 32, "pets", "1", ("angry", "happy"))
START_US = 1_790_000_000_000_000


def row(number: int, **changes: Any) -> LogRow:  # noqa: ANN401 - the row's own fields
    """Return a row; its id, time, probabilities and brightness follow from its number."""
    made = LogRow(
        request_id=f"request-{number}",
        position=0,
        time_us=START_US + number * 1_000_000,
        bundle=BUNDLE,
        label="happy",
        probabilities=(0.25, 0.75),
        confident=number % 2 == 0,
        in_domain=True,
        domain_warning=None,
        novelty=0.5,
        animal_score=0.9,
        latency_ms=12.5,
        statistics=(number / 1000, 0.2, 0.3, 0.4),
        embedding=np.full(3, number, "<f2").tobytes(),
        residual=number / 100,
    )
    return replace(made, **changes)


def prediction(*, measured: bool = True) -> Prediction:
    """Return a prediction of a bundle with domain scores."""
    rule = DomainRule(features="test", animal_threshold=0.5, target_false_alarms=0.02)
    return decide(
        np.array([0.0, 2.0]),
        DecisionRule(("angry", "happy"), 0.5, 0.9, rule),
        model=ModelInfo(name="pets", version="1", sha256="ab" * 32),
        scores=DomainScores(0.5, 0.9),
        measured=Measured((0.1, 0.2, 0.3, 0.4), np.array([1.0, 2.0, 3.0], np.float32), 0.25) if measured else None,
    )


def sqlite(folder: Path) -> Engine:
    """Return the engine of a log in a folder, without its schema."""
    return connect(database_url(f"sqlite:///{folder / 'log.db'}"))


def kept_feedback(folder: Path, given: Mapping[int, tuple[str, str | None]]) -> dict[int, str]:
    """Write a log of predictions of "happy", with kept photos and the feedback of a visitor on each.

    ``given`` has the visitor and the label by the number of the row; None means right. Returns the SHA-256 of the
    photos by number.
    """
    rows, store, photos = LogStore(sqlite(folder)), FeedbackStore(sqlite(folder)), KeptPhotos(folder / "log.db.photos")
    photos.create(days=30)
    rows.insert([row(number) for number in given])
    hashes = {}
    for number, (visitor, label) in given.items():
        key, photo = PhotoKey(f"request-{number}"), jpeg(photo_like(64, 48, seed=number))
        photos.write(key, photo)
        chosen = "random" if visitor == REVIEWER else None
        store.write(Feedback(key, visitor, label, None, START_US + number, chosen=chosen))
        hashes[number] = hashlib.sha256(photo).hexdigest()
    rows.close()
    store.close()
    return hashes


def request_ids(engine: Engine) -> list[str]:
    """Return the ids in a log, sorted."""
    with reading(engine) as connection:
        return sorted(connection.execute(select(PREDICTIONS.c.request_id)).scalars())


def logged_rows(engine: Engine) -> list[RowMapping]:
    """Return all rows of a log as the table has them, oldest first."""
    with reading(engine) as connection:
        return [*connection.execute(select(PREDICTIONS).order_by(PREDICTIONS.c.time_us)).mappings()]


class Counts(Counter[LogResult]):
    """Numbers of rows by result, as a service counts them."""

    def add(self, result: LogResult, number: int) -> None:
        """Count rows."""
        if number:
            self[result] += number

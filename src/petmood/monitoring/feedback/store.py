"""Feedback in the prediction log's database: written once for each photo and visitor, and read with its prediction."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from sqlalchemy import Connection, Engine, and_, delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite

from petmood.monitoring.feedback.records import Feedback, GivenFeedback, LoggedPrediction
from petmood.monitoring.prediction_log.database import reaching, reading
from petmood.monitoring.prediction_log.rows import LoggedBundle, PhotoKey
from petmood.monitoring.prediction_log.tables import BUNDLES, FEEDBACK, PREDICTIONS

__all__ = ["FeedbackStore", "delete_orphans", "read_feedback"]

BUNDLE_COLUMNS: Final = (BUNDLES.c.sha256, BUNDLES.c.name, BUNDLES.c.version, BUNDLES.c.classes)
SAME_PHOTO: Final = and_(
    PREDICTIONS.c.request_id == FEEDBACK.c.request_id, PREDICTIONS.c.position == FEEDBACK.c.position
)


class FeedbackStore:
    """Reads predictions of a log and writes feedback on them; thread-safe, as each call has its own connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._dialect = {"postgresql": postgresql, "sqlite": sqlite}[engine.dialect.name]

    def prediction(self, key: PhotoKey) -> LoggedPrediction | None:
        """Return the logged prediction of a photo, or None if there is none.

        Raises:
            LogUnavailable: the database can't be used.
        """
        with self._used(), reading(self._engine) as connection:
            return _prediction(connection, key)

    def write(self, feedback: Feedback) -> bool | None:
        """Write feedback in place of the visitor's earlier one; a label that is the predicted one means right.

        Return whether there was feedback before, or None if the prediction was deleted meanwhile: then nothing is
        written.

        Raises:
            LogUnavailable: the database can't be used.
        """
        key = feedback.key
        with self._used(), reaching(self._engine), self._engine.begin() as connection:
            found = _prediction(connection, key)
            if found is None:
                return None
            given = {
                "label": None if feedback.label == found.label else feedback.label,
                "note": feedback.note,
                "time_us": feedback.time_us,
                "chosen": feedback.chosen,
                "bundle": found.bundle.sha256,
            }
            primary = {"request_id": key.request_id, "position": key.position, "visitor": feedback.visitor}
            before = exists().where(*(FEEDBACK.c[name] == value for name, value in primary.items()))
            is_known = bool(connection.execute(select(before)).scalar())
            insert = self._dialect.insert(FEEDBACK).values(primary | given)
            connection.execute(insert.on_conflict_do_update(index_elements=[*primary], set_=given))
            return is_known

    def delete(self, key: PhotoKey, visitor: str) -> bool:
        """Delete the feedback of a visitor on a photo; return whether there was any.

        Raises:
            LogUnavailable: the database can't be used.
        """
        given = {"request_id": key.request_id, "position": key.position, "visitor": visitor}
        chosen = [FEEDBACK.c[name] == value for name, value in given.items()]
        with reaching(self._engine), self._engine.begin() as connection:
            return connection.execute(delete(FEEDBACK).where(*chosen)).rowcount > 0

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _used(self) -> Iterator[None]:
        """Close connections to a file after use: an open one would stay with a file that is moved away."""
        try:
            yield
        finally:
            if self._engine.dialect.name == "sqlite":
                self._engine.dispose()


def read_feedback(engine: Engine, *, since_us: int | None = None) -> list[GivenFeedback]:
    """Return the feedback with its predictions, oldest first; only that since a time in microseconds since 1970.

    Raises:
        LogUnavailable: the database can't be used.
    """
    query = (
        select(
            FEEDBACK,
            PREDICTIONS.c.label.label("predicted"),
            PREDICTIONS.c.probabilities,
            PREDICTIONS.c.photo_sha256,
            PREDICTIONS.c.time_us.label("predicted_us"),
            *BUNDLE_COLUMNS,
        )
        .join(PREDICTIONS, SAME_PHOTO)
        .join(BUNDLES, BUNDLES.c.sha256 == PREDICTIONS.c.bundle)
        .order_by(FEEDBACK.c.time_us, FEEDBACK.c.request_id, FEEDBACK.c.position, FEEDBACK.c.visitor)
    )
    if since_us is not None:
        query = query.where(FEEDBACK.c.time_us >= since_us)
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
    return [
        GivenFeedback(
            Feedback(
                PhotoKey(row["request_id"], row["position"]),
                row["visitor"],
                row["label"],
                row["note"],
                row["time_us"],
                row["chosen"],
            ),
            LoggedPrediction(
                row["predicted"],
                _bundle(row["sha256"], row["name"], row["version"], row["classes"]),
                _highest(row["probabilities"]),
                row["photo_sha256"],
            ),
            row["predicted_us"],
        )
        for row in rows
    ]


def delete_orphans(connection: Connection) -> None:
    """Delete the feedback on predictions that are no longer in the log."""
    connection.execute(delete(FEEDBACK).where(~exists().where(SAME_PHOTO).correlate(FEEDBACK)))


def _prediction(connection: Connection, key: PhotoKey) -> LoggedPrediction | None:
    query = (
        select(PREDICTIONS.c.label, PREDICTIONS.c.probabilities, PREDICTIONS.c.photo_sha256, *BUNDLE_COLUMNS)
        .join(BUNDLES, BUNDLES.c.sha256 == PREDICTIONS.c.bundle)
        .where(PREDICTIONS.c.request_id == key.request_id, PREDICTIONS.c.position == key.position)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else LoggedPrediction(row[0], _bundle(*row[3:]), _highest(row[1]), row[2])


def _highest(probabilities: bytes) -> float:
    return float(np.frombuffer(probabilities, dtype="<f4").max())


def _bundle(sha256: str, name: str, version: str, classes: str) -> LoggedBundle:
    return LoggedBundle(sha256, name, version, tuple(json.loads(classes)))

"""Writes to the prediction log's database: rows that are new, and the end of their retention."""

import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import StatementError

from petmood.core.errors import LogUnavailable
from petmood.core.image_statistics import STATISTICS
from petmood.core.redact import one_line
from petmood.monitoring.prediction_log.database import migrate, reaching
from petmood.monitoring.prediction_log.rows import LogRow
from petmood.monitoring.prediction_log.tables import BUNDLES, PREDICTIONS

__all__ = ["Inserted", "LogStore"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inserted:
    """Numbers of rows that were written, that were in the log already, and that the database refused."""

    written: int = 0
    repeated: int = 0
    refused: int = 0


class LogStore:
    """Writes rows into the database of an engine; its schema is brought up to date before the first write.

    Not thread-safe.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        dialect = {"postgresql": postgresql, "sqlite": sqlite}[engine.dialect.name]
        self._insert = dialect.insert(PREDICTIONS).on_conflict_do_nothing().returning(PREDICTIONS.c.position)
        self._insert_bundle = dialect.insert(BUNDLES).on_conflict_do_nothing()
        self._has_schema = False

    def prepare(self) -> None:
        """Bring the schema up to date.

        Raises:
            ConfigError: the database was written by a newer petmood, or isn't a prediction log.
            LogUnavailable: the database can't be reached.
        """
        if not self._has_schema:
            migrate(self._engine)
            self._has_schema = True

    def insert(self, rows: Sequence[LogRow]) -> Inserted:
        """Write rows in one transaction; a row whose key is in the log already is passed over.

        If the database refuses a row, all others are written one by one.

        Raises:
            ConfigError: as ``prepare``.
            LogUnavailable: the database can't be reached; none of the rows is written.
        """
        self.prepare()
        try:
            with reaching(self._engine), self._engine.begin() as connection:
                return self._inserted(connection, rows)
        except LogUnavailable:
            self._has_schema = False  # the database that comes back may be another one
            raise
        except (StatementError, TypeError, ValueError, OverflowError) as error:
            if len(rows) == 1:
                logger.error("prediction log: the database refuses a row: %s", one_line(error))  # noqa: TRY400 - no traceback a row
                return Inserted(refused=1)
            found = [self.insert([row]) for row in rows]
            return Inserted(*(sum(getattr(one, name) for one in found) for name in ("written", "repeated", "refused")))

    def delete_older(self, days: float) -> int:
        """Delete the rows that are older than some days; return their number.

        Raises:
            LogUnavailable: the database can't be used.
        """
        return self.delete_before(int((time.time() - 86_400 * days) * 1e6))

    def delete_before(self, time_us: int) -> int:
        """Delete the rows of before a time, in microseconds since 1970; return their number.

        Raises:
            LogUnavailable: the database can't be reached.
        """
        self.prepare()
        with reaching(self._engine), self._engine.begin() as connection:
            return connection.execute(delete(PREDICTIONS).where(PREDICTIONS.c.time_us < time_us)).rowcount

    def delete_requests(self, request_ids: Iterable[str]) -> int:
        """Delete the rows of requests; return their number.

        Raises:
            LogUnavailable: the database can't be reached.
        """
        self.prepare()
        with reaching(self._engine), self._engine.begin() as connection:
            return sum(
                connection.execute(delete(PREDICTIONS).where(PREDICTIONS.c.request_id == one)).rowcount
                for one in request_ids
            )

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _inserted(self, connection: Connection, rows: Sequence[LogRow]) -> Inserted:
        bundles = {row.bundle.sha256: row.bundle for row in rows}
        found = [
            {"sha256": one.sha256, "name": one.name, "version": one.version, "classes": json.dumps(one.classes)}
            for one in bundles.values()
        ]
        connection.execute(self._insert_bundle, found)
        # By the rows that come back: psycopg has no row count of several statements.
        written = len(connection.execute(self._insert, [_values(row) for row in rows]).all())
        return Inserted(written, repeated=len(rows) - written)


def _values(row: LogRow) -> Mapping[str, Any]:
    return {
        "request_id": row.request_id,
        "position": row.position,
        "time_us": row.time_us,
        "bundle": row.bundle.sha256,
        "label": row.label,
        "probabilities": np.asarray(row.probabilities, dtype="<f4").tobytes(),
        "confident": row.confident,
        "in_domain": row.in_domain,
        "domain_warning": row.domain_warning,
        "novelty": row.novelty,
        "animal_score": row.animal_score,
        "latency_ms": row.latency_ms,
        **dict(zip(STATISTICS, row.statistics or (None,) * len(STATISTICS), strict=True)),
        "embedding": row.embedding,
        "residual": row.residual,
    }

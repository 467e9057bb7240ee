"""Writes to the prediction log's database: rows that are new, and the end of their retention."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Engine, delete, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import StatementError

from petmood.core.errors import LogUnavailable
from petmood.core.image_statistics import STATISTICS
from petmood.core.redact import one_line
from petmood.monitoring.feedback.store import delete_orphans
from petmood.monitoring.photo_folders import remember_photo_folder, remembered_photo_folders
from petmood.monitoring.prediction_log.database import empty_wal, file_key, migrate, reaching, shown_address
from petmood.monitoring.prediction_log.rows import LogRow
from petmood.monitoring.prediction_log.tables import BUNDLES, DRIFT_STATES, PREDICTIONS

__all__ = ["DELETED_ROWS", "Inserted", "LogStore", "cut_us"]

logger = logging.getLogger(__name__)

DELETED_ROWS: Final = 5_000
"""Rows that one transaction deletes: PostgreSQL ends long statements, and SQLite has one writer at a time."""


@dataclass(frozen=True, slots=True)
class Inserted:
    """Numbers of rows that were written, that were in the log already, and that the database refused."""

    written: int = 0
    repeated: int = 0
    refused: int = 0


class LogStore:
    """Writes rows into the database of an engine; its schema is brought up to date before the first write.

    ``photo_folder`` is where photos of the rows are kept; its name is written into the log. Not thread-safe.
    """

    def __init__(self, engine: Engine, *, photo_folder: Path | None = None) -> None:
        self._engine, self._photo_folder = engine, photo_folder
        dialect = {"postgresql": postgresql, "sqlite": sqlite}[engine.dialect.name]
        self._insert = dialect.insert(PREDICTIONS).on_conflict_do_nothing().returning(PREDICTIONS.c.position)
        self._insert_bundle = dialect.insert(BUNDLES).on_conflict_do_nothing()
        self._has_schema = False
        self._file: tuple[int, int] | None = None

    def prepare(self) -> None:
        """Bring the schema up to date, before the first use and when there is another file at the path of SQLite's.

        Raises:
            ConfigError: the database was written by a newer petmood, or isn't a prediction log.
            LogUnavailable: the database can't be reached.
        """
        self.close_if_moved()
        if not self._has_schema:
            self._engine.dispose()  # a connection could have a file that has been moved meanwhile
            migrate(self._engine)
            if self._photo_folder is not None:
                remember_photo_folder(self._engine, self._photo_folder)
            self._has_schema, self._file = True, file_key(self._engine)

    def close_if_moved(self) -> None:
        """Close the file of SQLite if it was moved or removed: writes to it would be lost, or take disk space."""
        if self._has_schema and file_key(self._engine) != self._file:
            where = shown_address(self._engine.url)
            logger.warning("prediction log: the file of %s was moved or removed. A new one is made there.", where)
            empty_wal(self._engine)
            self._engine.dispose()
            self._has_schema = False

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

    def delete_before(self, time_us: int) -> int:
        """Delete the rows of before a time, in microseconds since 1970, with their feedback; return their number.

        Raises:
            LogUnavailable: the database can't be reached.
        """
        deleted = sum(self.deleting_before(time_us))
        empty_wal(self._engine)
        return deleted

    def deleting_before(self, time_us: int) -> Iterator[int]:
        """Yield the numbers of deleted rows of before a time, oldest first; each number is one transaction.

        So the caller decides when the next ``DELETED_ROWS`` rows are deleted.

        Raises:
            LogUnavailable: the database can't be reached.
        """
        self.prepare()
        key, is_old = tuple_(PREDICTIONS.c.request_id, PREDICTIONS.c.position), PREDICTIONS.c.time_us < time_us
        oldest = select(PREDICTIONS.c.request_id, PREDICTIONS.c.position).where(is_old)
        oldest = oldest.order_by(PREDICTIONS.c.time_us).limit(DELETED_ROWS)
        while True:
            with reaching(self._engine), self._engine.begin() as connection:
                if connection.scalar(select(PREDICTIONS.c.time_us).where(is_old).limit(1)) is None:
                    return
                deleted = connection.execute(delete(PREDICTIONS).where(key.in_(oldest))).rowcount
                delete_orphans(connection)
            yield deleted

    def delete_requests(self, request_ids: Iterable[str]) -> int:
        """Delete the rows of requests, with their feedback; return their number.

        Raises:
            LogUnavailable: the database can't be reached.
        """
        self.prepare()
        deleted, named = 0, DRIFT_STATES.c.request_id
        with reaching(self._engine), self._engine.begin() as connection:
            for one in request_ids:
                deleted += connection.execute(delete(PREDICTIONS).where(PREDICTIONS.c.request_id == one)).rowcount
                connection.execute(update(DRIFT_STATES).where(named == one).values(request_id=""))
            delete_orphans(connection)
        empty_wal(self._engine)
        return deleted

    def photo_folders(self) -> list[Path]:
        """Return the folders in which services of the log have kept photos; some may be of other machines.

        Raises:
            ConfigError: as ``prepare``.
            LogUnavailable: the database can't be reached.
        """
        self.prepare()
        return remembered_photo_folders(self._engine)

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


def cut_us(days: float, *, now_s: float) -> int:
    """Return the time of some days before now, in microseconds since 1970; ``now_s`` is in seconds since 1970."""
    return int((now_s - 86_400 * days) * 1e6)


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
        "photo_sha256": row.photo_sha256,
    }

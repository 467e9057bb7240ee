"""Reading of the prediction log: windows of rows, numbers by bundle, and export to Parquet."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import Engine, RowMapping, Select, func, select, tuple_

from petmood.core.extras import require
from petmood.core.files import atomic_write_chunks
from petmood.core.image_statistics import STATISTICS
from petmood.monitoring.prediction_log.database import reading
from petmood.monitoring.prediction_log.rows import LoggedBundle, PhotoKey, RowPlace
from petmood.monitoring.prediction_log.tables import BUNDLES, PREDICTIONS
from petmood.monitoring.prediction_log.window import ORDER, WINDOW_COLUMNS, LoggedWindow, logged_window

__all__ = ["BundleRows", "export_parquet", "logged_keys", "place_before", "read_next", "read_window", "rows_by_bundle"]

CHUNK: Final = 10_000
COPIED_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class BundleRows:
    """A bundle in the log: number of its rows, and times of the first and the last, in microseconds since 1970."""

    bundle: LoggedBundle
    rows: int
    first_us: int
    last_us: int


def rows_by_bundle(engine: Engine) -> list[BundleRows]:
    """Return the bundles in the log with the numbers of their rows, the latest first.

    Raises:
        LogUnavailable: the database can't be reached.
    """
    times = PREDICTIONS.c.time_us
    count = func.count().label("count")
    query = (
        select(BUNDLES, count, func.min(times).label("first"), func.max(times).label("last"))
        .join(PREDICTIONS, PREDICTIONS.c.bundle == BUNDLES.c.sha256)
        .group_by(*BUNDLES.c)
        .order_by(func.max(times).desc())
    )
    with reading(engine) as connection:
        return [
            BundleRows(_bundle(row), row["count"], row["first"], row["last"])
            for row in connection.execute(query).mappings()
        ]


def read_window(
    engine: Engine,
    bundle: LoggedBundle,
    *,
    columns: int,
    last: int | None = None,
    since_us: int | None = None,
    up_to: RowPlace | None = None,
) -> LoggedWindow:
    """Return the last rows of a bundle, or those since a time in microseconds since 1970; all of them without either.

    ``columns`` are those of the embedding: rows with an embedding of another width are not measured. Rows after the
    place ``up_to`` are passed over.

    Raises:
        ConfigError: rows have another number of classes than the bundle.
        LogUnavailable: the database can't be reached.
    """
    query = select(*WINDOW_COLUMNS).where(PREDICTIONS.c.bundle == bundle.sha256)
    if since_us is not None:
        query = query.where(PREDICTIONS.c.time_us >= since_us)
    if up_to is not None:
        query = query.where(tuple_(*ORDER) <= tuple_(*up_to))
    newest_first = query.order_by(*(column.desc() for column in ORDER)).limit(last)
    with reading(engine) as connection:
        found = connection.execute(newest_first).all()
    return logged_window(bundle, found[::-1], columns=columns)


def read_next(
    engine: Engine, bundle: LoggedBundle, *, columns: int, after: RowPlace | None, count: int
) -> LoggedWindow:
    """Return at most ``count`` rows of a bundle after a place, or from its first row on, oldest first.

    ``columns`` are those of the embedding.

    Raises:
        ConfigError: rows have another number of classes than the bundle.
        LogUnavailable: the database can't be reached.
    """
    query = select(*WINDOW_COLUMNS).where(PREDICTIONS.c.bundle == bundle.sha256)
    if after is not None:
        query = query.where(tuple_(*ORDER) > tuple_(*after))
    with reading(engine) as connection:
        found = connection.execute(query.order_by(*ORDER).limit(count)).all()
    return logged_window(bundle, found, columns=columns)


def place_before(engine: Engine, bundle: LoggedBundle, rows: int, *, up_to: RowPlace | None = None) -> RowPlace | None:
    """Return the place of the row before the last ``rows`` rows of a bundle, or before the last ones up to a place.

    It is None if the bundle has no more rows. Time grows with ``rows``, not with the log.

    Raises:
        LogUnavailable: the database can't be reached.
    """
    query = select(*ORDER).where(PREDICTIONS.c.bundle == bundle.sha256)
    if up_to is not None:
        query = query.where(tuple_(*ORDER) <= tuple_(*up_to))
    with reading(engine) as connection:
        found = connection.execute(query.order_by(*(column.desc() for column in ORDER)).offset(rows).limit(1)).first()
    return None if found is None else RowPlace(*found)


def logged_keys(engine: Engine, keys: Iterable[PhotoKey]) -> set[PhotoKey]:
    """Return those of some keys whose rows are in the log now; they are asked for at once.

    Raises:
        LogUnavailable: the database can't be reached.
    """
    key = (PREDICTIONS.c.request_id, PREDICTIONS.c.position)
    wanted = [(one.request_id, one.position) for one in keys]
    if not wanted:
        return set()
    with reading(engine) as connection:
        return {PhotoKey(*row) for row in connection.execute(select(*key).where(tuple_(*key).in_(wanted)))}


def export_parquet(engine: Engine, target: Path, *, last: int | None = None, since_us: int | None = None) -> int:
    """Write rows of all bundles into a Parquet file, newest first; return their number.

    Columns are those of the table without ``photo_sha256``, with ``time`` as a timestamp. The bundle's name, version
    and classes are beside its hash. ``probabilities`` is a list of float32, ``embedding`` one of float16.

    Raises:
        LogUnavailable: the database can't be reached.
        MissingDependency: pyarrow is not installed.
        OSError: the file can't be written.
    """
    require("pyarrow", extra="monitor")
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    schema = pa.schema(
        [
            *(pa.field(name, pa.string()) for name in ("request_id",)),
            pa.field("position", pa.int32()),
            pa.field("time", pa.timestamp("us", tz="UTC")),
            *(pa.field(name, pa.string()) for name in ("bundle", "bundle_name", "bundle_version")),
            pa.field("classes", pa.list_(pa.string())),
            *(pa.field(name, pa.string()) for name in ("label", "domain_warning")),
            pa.field("probabilities", pa.list_(pa.float32())),
            *(pa.field(name, pa.bool_()) for name in ("confident", "in_domain")),
            *(
                pa.field(name, pa.float64())
                for name in ("novelty", "animal_score", "latency_ms", *STATISTICS, "residual")
            ),
            pa.field("embedding", pa.list_(pa.float16())),
        ]
    )
    query = select(PREDICTIONS, BUNDLES.c.name, BUNDLES.c.version, BUNDLES.c.classes).join(
        BUNDLES, PREDICTIONS.c.bundle == BUNDLES.c.sha256
    )
    if since_us is not None:
        query = query.where(PREDICTIONS.c.time_us >= since_us)
    written = 0
    with tempfile.TemporaryFile() as draft:
        with pq.ParquetWriter(draft, schema) as file:
            for rows in _chunks(engine, query.order_by(PREDICTIONS.c.time_us.desc()).limit(last)):
                file.write_table(pa.Table.from_pylist([_record(row) for row in rows], schema=schema))
                written += len(rows)
        draft.seek(0)
        atomic_write_chunks(target, iter(lambda: draft.read(COPIED_BYTES), b""))
    return written


def _chunks(engine: Engine, query: Select[Any]) -> Iterator[Sequence[RowMapping]]:
    with reading(engine) as connection:
        streamed = connection.execution_options(stream_results=True, yield_per=CHUNK).execute(query).mappings()
        yield from streamed.partitions(CHUNK)


def _record(row: RowMapping) -> dict[str, Any]:
    embedding = row["embedding"]
    renamed = {
        "time": row["time_us"],
        "bundle_name": row["name"],
        "bundle_version": row["version"],
        "classes": json.loads(row["classes"]),
        "probabilities": np.frombuffer(row["probabilities"], dtype="<f4"),
        "embedding": None if embedding is None else np.frombuffer(embedding, dtype="<f2"),
    }
    return dict(row) | renamed


def _bundle(row: RowMapping) -> LoggedBundle:
    return LoggedBundle(row["sha256"], row["name"], row["version"], tuple(json.loads(row["classes"])))

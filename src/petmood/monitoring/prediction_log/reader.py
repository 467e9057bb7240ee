"""Reading of the prediction log: rows of a window as arrays, numbers by bundle, and export to Parquet."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, Row, RowMapping, Select, func, select, tuple_

from petmood.core.errors import ConfigError
from petmood.core.extras import require
from petmood.core.files import atomic_write_chunks
from petmood.core.image_statistics import STATISTICS
from petmood.monitoring.prediction_log.database import reading
from petmood.monitoring.prediction_log.rows import LoggedBundle
from petmood.monitoring.prediction_log.tables import BUNDLES, PREDICTIONS

__all__ = ["BundleRows", "LoggedWindow", "RowPlace", "export_parquet", "read_next", "read_window", "rows_by_bundle"]

CHUNK: Final = 10_000
ORDER: Final = (PREDICTIONS.c.time_us, PREDICTIONS.c.request_id, PREDICTIONS.c.position)
COPIED_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class BundleRows:
    """A bundle in the log: number of its rows, and times of the first and the last, in microseconds since 1970."""

    bundle: LoggedBundle
    rows: int
    first_us: int
    last_us: int


class RowPlace(NamedTuple):
    """Place of a row in the order of the log: by time, and by key among rows of one microsecond."""

    time_us: int
    request_id: str
    position: int


@dataclass(frozen=True, slots=True, eq=False)
class LoggedWindow:
    """Rows of one bundle, oldest first.

    ``probabilities`` is float32 [N, K] in the order of ``bundle.classes``, ``confident`` bool [N], and ``in_domain``
    bool [N], True where a bundle has no domain scores. ``statistics`` float32 [N, 4], ``novelty`` and ``animal_score``
    float64 [N] and ``residual`` float32 [N] are NaN where they were not measured. ``embedding`` is float16 [N, D], NaN
    for rows without one, and None if no row has one.
    """

    bundle: LoggedBundle
    request_ids: tuple[str, ...]
    positions: tuple[int, ...]
    time_us: NDArray[np.int64]
    labels: tuple[str | None, ...]
    probabilities: NDArray[np.float32]
    confident: NDArray[np.bool_]
    in_domain: NDArray[np.bool_]
    novelty: NDArray[np.float64]
    animal_score: NDArray[np.float64]
    statistics: NDArray[np.float32]
    embedding: NDArray[np.float16] | None
    residual: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.request_ids)

    @property
    def last_row(self) -> RowPlace | None:
        """The place of the last row in the order of the log; None without rows."""
        return RowPlace(int(self.time_us[-1]), self.request_ids[-1], self.positions[-1]) if len(self) else None


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
    engine: Engine, bundle: LoggedBundle, *, last: int | None = None, since_us: int | None = None
) -> LoggedWindow:
    """Return the last rows of a bundle, or those since a time in microseconds since 1970; all of them without either.

    Raises:
        LogUnavailable: the database can't be reached.
    """
    query = select(PREDICTIONS).where(PREDICTIONS.c.bundle == bundle.sha256)
    if since_us is not None:
        query = query.where(PREDICTIONS.c.time_us >= since_us)
    newest_first = query.order_by(*(column.desc() for column in ORDER)).limit(last)
    with reading(engine) as connection:
        found = connection.execute(newest_first).all()
    return _window(bundle, found[::-1])


def read_next(
    engine: Engine, bundle: LoggedBundle, *, after: RowPlace | None, count: int, skip: int = 0
) -> LoggedWindow:
    """Return at most ``count`` rows of a bundle after a place, or from its first row on, oldest first.

    ``skip`` rows are passed over before them.

    Raises:
        LogUnavailable: the database can't be reached.
    """
    query = select(PREDICTIONS).where(PREDICTIONS.c.bundle == bundle.sha256)
    if after is not None:
        query = query.where(tuple_(*ORDER) > tuple_(*after))
    with reading(engine) as connection:
        found = connection.execute(query.order_by(*ORDER).offset(skip).limit(count)).all()
    return _window(bundle, found)


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


def _window(bundle: LoggedBundle, rows: Sequence[Row[Any]]) -> LoggedWindow:
    """Return rows of the table as arrays."""
    columns: dict[str, Sequence[Any]] = dict.fromkeys(PREDICTIONS.c.keys(), ())
    if rows:
        columns = dict(zip(PREDICTIONS.c.keys(), zip(*rows, strict=True), strict=True))

    def numbers(name: str) -> NDArray[np.float64]:
        return np.array(columns[name], dtype=np.float64)  # None becomes NaN

    chances = np.frombuffer(b"".join(columns["probabilities"]), dtype="<f4")
    if chances.size != len(columns["request_id"]) * len(bundle.classes):
        raise ConfigError(
            f"The prediction log has rows of the bundle {bundle.name} {bundle.version} with another number of classes "
            f"than its {len(bundle.classes)}. Export the log, and begin a new one."
        )
    return LoggedWindow(
        bundle=bundle,
        request_ids=tuple(columns["request_id"]),
        positions=tuple(columns["position"]),
        time_us=np.array(columns["time_us"], dtype=np.int64),
        labels=tuple(columns["label"]),
        probabilities=chances.reshape(-1, len(bundle.classes)),
        confident=np.array(columns["confident"], dtype=bool),
        in_domain=np.array([one is not False for one in columns["in_domain"]], dtype=bool),
        novelty=numbers("novelty"),
        animal_score=numbers("animal_score"),
        statistics=np.stack([numbers(name) for name in STATISTICS], axis=1).astype(np.float32),
        embedding=_embeddings(columns["embedding"]),
        residual=numbers("residual").astype(np.float32),
    )


def _embeddings(stored: Sequence[bytes | None]) -> NDArray[np.float16] | None:
    """Return the embeddings of rows as an array; those of another width than the last one count as missing."""
    known = [one for one in stored if one is not None]
    if not known:
        return None
    found = np.full((len(stored), len(known[-1]) // 2), np.nan, dtype=np.float16)
    for row, one in enumerate(stored):
        if one is not None and len(one) == len(known[-1]):
            found[row] = np.frombuffer(one, dtype="<f2")
    return found

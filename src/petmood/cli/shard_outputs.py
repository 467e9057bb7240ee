"""Counts of a prediction in shards, and its shards as one table."""

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from petmood.cli.output import csv_line
from petmood.cli.photo_answers import Tally
from petmood.core.errors import ConfigError, PetmoodError
from petmood.core.extras import require
from petmood.core.files import atomic_write_chunks, atomic_write_json
from petmood.core.prediction import Prediction
from petmood.core.schemas import ErrorResponse, PredictionResponse

if TYPE_CHECKING:
    from petmood.inference.base import Answer
    from petmood.inference.shard_plan import ShardPlan

__all__ = ["check_table", "write_summary", "write_table"]

CSV: Final = ".csv"
PARQUET: Final = ".parquet"
ROWS: Final = 10_000
"""Rows of a Parquet row group, and of what is in memory."""
COPIED_BYTES: Final = 1 << 20

Result = PredictionResponse | ErrorResponse


def check_table(target: Path | None) -> None:
    """Refuse a table of another kind than CSV and Parquet, and Parquet without pyarrow.

    Raises:
        ConfigError: the name ends in another suffix.
        MissingDependency: pyarrow is not installed.
        OutputError: the file can't be written.
    """
    if target is None:
        return
    from petmood.core.output_paths import resolve_file

    if target.suffix.lower() not in {CSV, PARQUET}:
        raise ConfigError(f"Expected a file that ends in {CSV} or {PARQUET} after --table, got {str(target)!r}.")
    if target.suffix.lower() == PARQUET:
        require("pyarrow", extra="monitor")
    resolve_file(target)


def write_summary(plan: "ShardPlan") -> Tally:
    """Count the results of all shards, write the counts into the folder and return those by kind of answer."""
    tally, labels, codes = Tally(), Counter[str](), Counter[str]()
    for result in _results(plan):
        tally.add(_answer(result))
        if isinstance(result, ErrorResponse):
            codes[result.code] += 1
        elif result.label is not None:
            labels[result.label] += 1
    found = {
        "bundle": plan.manifest.bundle.model_dump(mode="json"),
        "photos": plan.manifest.photos,
        "shards": plan.count,
        "answers": tally.counts,
        "labels": dict(sorted(labels.items())),
        "rejected": dict(sorted(codes.items())),
    }
    atomic_write_json(plan.summary, found)
    return tally


def write_table(plan: "ShardPlan", target: Path) -> None:
    """Write the results of all shards into one CSV or Parquet file, in the order of the photos.

    Columns of CSV are those of ``petmood predict --csv``. Parquet has the fields of the JSON lines.
    """
    if target.suffix.lower() == CSV:
        atomic_write_chunks(target, _csv_lines(_results(plan)))
    else:
        _write_parquet(plan, target)


def _results(plan: "ShardPlan") -> Iterator[Result]:
    for number in range(plan.count):
        yield from plan.results(number)


def _answer(result: Result) -> "Answer":
    if isinstance(result, PredictionResponse):
        return Prediction.from_response(result)
    error = PetmoodError(result.message)
    error.code = result.code
    return error


def _csv_lines(results: Iterable[Result]) -> Iterator[bytes]:
    from petmood.cli.tables import CSV_COLUMNS, answer_row

    yield f"{csv_line(CSV_COLUMNS)}\n".encode()
    for result in results:
        yield f"{csv_line(answer_row(result.photo or '', _answer(result)))}\n".encode()


def _write_parquet(plan: "ShardPlan", target: Path) -> None:
    require("pyarrow", extra="monitor")
    import pyarrow as pa
    import pyarrow.parquet as pq

    from petmood.core.bundle import read

    texts, lists = pa.string(), pa.list_(pa.string())
    schema = pa.schema(
        {
            **dict.fromkeys(("photo", "label"), texts),
            "probability": pa.float64(),
            "probabilities": pa.struct(dict.fromkeys(read(plan.bundle).classes, pa.float64())),
            **dict.fromkeys(("confident", "in_domain"), pa.bool_()),
            "domain_warning": texts,
            **dict.fromkeys(("novelty", "animal_score"), pa.float64()),
            **dict.fromkeys(("prediction_set", "scene_warnings", "warnings"), lists),
            **dict.fromkeys(("code", "message"), texts),
        }
    )
    with tempfile.TemporaryFile() as draft:
        with pq.ParquetWriter(draft, schema) as file:
            for rows in _chunks(_results(plan)):
                file.write_table(pa.Table.from_pylist(rows, schema=schema))
        draft.seek(0)
        atomic_write_chunks(target, iter(lambda: draft.read(COPIED_BYTES), b""))


def _chunks(results: Iterator[Result]) -> Iterator[list[dict[str, Any]]]:
    while rows := [result.model_dump(mode="json") for result in itertools.islice(results, ROWS)]:
        yield rows

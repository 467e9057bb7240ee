"""Records of measurements: the figures that a command left in a folder, with code version, data version and date.

python -m benchmarks.measured_records NAME FOLDER COMMAND [COMMAND ...] [--note NOTE]

FOLDER is a dataset, a bundle, the folder of a run, of its variants (``optimized``) or of a cross-validation, or a file
with the JSON lines of a benchmark.
Of several lines, the details are in the list ``lines``. COMMAND is what made it, as a reader would type it. The record
becomes docs/measured/NAME.json. A record without ``file`` was written by hand, and ``note`` says from what.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from petmood.core.bundle_files import MANIFEST
from petmood.core.files import atomic_write_json
from petmood.data.index import INDEX_NAME, Role, Split, read_index
from petmood.evaluation.fold_files import read_origin
from petmood.training.provenance import code_version

__all__ = ["RECORDS", "Record", "main", "read_records", "record_of"]

RECORDS: Final = Path("docs/measured")
CROSSVAL_FILE: Final = "crossval.json"
RUN_FILES: Final = ("evaluation.json", "run.json")
COMPARISON_NAME: Final = "optimize.json"
IMPORT_FILE: Final = "import.json"
BENCHMARK_LINE: Final = "JSON line of the benchmark"
_LEFT_OUT: Final = frozenset({"folds", "slices", "reliability"})
"""Long lists that no page shows."""


@dataclass(frozen=True, slots=True)
class Record:
    """Figures of one measurement; ``file`` is what the command left, None if that file was not kept.

    ``code`` is the version of petmood with its commit, ``data`` the hash of the data version; None if not known.
    """

    commands: tuple[str, ...]
    file: str | None
    code: str | None
    data: str | None
    date: str
    values: Mapping[str, Any]
    note: str = ""


def record_of(folder: Path, *, commands: tuple[str, ...]) -> Record:
    """Return the record of a dataset, a run, its variants, a cross-validation, a bundle or a benchmark.

    The code version is that of the file; where the file has none, the version that reads it.

    Raises:
        FileNotFoundError: the folder is none of these.
    """
    if folder.is_file():
        lines = [line for line in folder.read_text("utf-8").splitlines() if line.startswith('{"name"')]
        details = [json.loads(line)["details"] for line in lines]
        measured = details[0] if len(details) == 1 else {"lines": details}
        return Record(commands, BENCHMARK_LINE, code_version(), None, _date(folder), measured)
    if (folder / CROSSVAL_FILE).exists():
        left, found = CROSSVAL_FILE, _json(folder / CROSSVAL_FILE)
        data = found.get("data_hash") or (read_origin(folder) or {}).get("data")
        return Record(commands, left, found.get("code_version"), data, _date(folder / left), found)
    if all((folder / name).exists() for name in RUN_FILES):
        evaluation, run = (_json(folder / name) for name in RUN_FILES)
        kept = {name: run[name] for name in ("photos", "seconds", "epochs", "backbone", "created")}
        values = {**evaluation, "run": kept}
        return Record(
            commands, RUN_FILES[0], run["code_version"], run["data_hash"], _date(folder / RUN_FILES[0]), values
        )
    if (folder / COMPARISON_NAME).exists():
        found = _json(folder / COMPARISON_NAME)
        code, data = found["code_version"], found["data_hash"]
        return Record(commands, COMPARISON_NAME, code, data, _date(folder / COMPARISON_NAME), found)
    if (folder / MANIFEST).exists():
        manifest = _json(folder / MANIFEST)
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        code, data = manifest["code_version"], manifest["data_hash"]
        return Record(commands, MANIFEST, code, data, _date(folder / MANIFEST), {"bytes": sizes})
    return _of_dataset(folder, commands)


def _of_dataset(folder: Path, commands: tuple[str, ...]) -> Record:
    index = read_index(folder)
    imported = _json(folder / IMPORT_FILE)
    originals: dict[str, dict[str, int]] = {split: dict.fromkeys(index.classes, 0) for split in Split}
    for row in index:
        if row.role == Role.ORIGINAL:
            originals[row.split][row.label] += 1
    values = {
        "files": len(index),
        "classes": list(index.classes),
        "originals": originals,
        "counts": imported["counts"],
    }
    return Record(commands, INDEX_NAME, code_version(), index.hash, _date(folder / INDEX_NAME), values)


def read_records(folder: Path) -> dict[str, Record]:
    """Return all records of a folder by name."""
    found = {path.stem: _json(path) for path in sorted(folder.glob("*.json"))}
    return {name: Record(**{**one, "commands": tuple(one["commands"])}) for name, one in found.items()}


def main(arguments: list[str]) -> int:
    """Write a record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measured_records", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("commands", nargs="+")
    parser.add_argument("--note", default="")
    given = parser.parse_args(arguments)
    found = replace(record_of(given.folder, commands=tuple(given.commands)), note=given.note)
    atomic_write_json(Path(__file__).resolve().parents[1] / RECORDS / f"{given.name}.json", asdict(found))
    return 0


def _json(path: Path) -> dict[str, Any]:
    """Read a JSON object without the long lists."""
    return dict(_without(json.loads(path.read_text("utf-8"))))


def _without(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    if isinstance(value, dict):
        return {name: _without(part) for name, part in value.items() if name not in _LEFT_OUT}
    return value


def _date(path: Path) -> str:
    """Return the day on which a file was written, in UTC."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

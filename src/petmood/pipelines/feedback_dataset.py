"""Photos of a dataset beside those of exported feedback, so that one import makes the next data version."""

import csv
import io
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from petmood.core.errors import DataError
from petmood.core.files import atomic_write_text, sha256_of
from petmood.data.index import PHOTOS, IndexRow, Role, Split, read_index
from petmood.monitoring.feedback.export import TABLE_NAME, Export, export_feedback
from petmood.monitoring.kept_photos import PhotoReader

__all__ = ["FOLDER", "AddedDataset", "Disagreement", "add_dataset", "export_with_dataset"]

FOLDER: Final = "dataset"
"""Folder of the dataset's photos in that of the export."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A photo of a dataset, with its label there, whose bytes got another label by feedback."""

    path: str
    label: str
    feedback_label: str


@dataclass(frozen=True, slots=True)
class AddedDataset:
    """The files of a dataset's photos in the folder of an export, and the labels that feedback disagrees with."""

    files: tuple[str, ...]
    disagreements: tuple[Disagreement, ...]


def export_with_dataset(
    engine: Engine, photos: PhotoReader, target: Path, dataset: Path, *, since_us: int | None = None
) -> tuple[Export, AddedDataset]:
    """Export feedback with the photos of a dataset; the folder appears under its name when all of them are in it.

    Raises:
        As ``export_feedback`` and ``add_dataset``; nothing is written.
    """
    added: list[AddedDataset] = []

    def extend(folder: Path) -> Sequence[str]:
        added.append(add_dataset(folder, dataset))
        return added[0].files

    found = export_feedback(engine, photos, target, since_us=since_us, extend=extend)
    return found, added[0]


def add_dataset(export: Path, dataset: Path) -> AddedDataset:
    """Add the photos of a dataset to a folder of exported feedback and to its table.

    They keep their labels, splits, roles and species, so held-out photos stay held out, and originals stay the
    originals of their groups. Excluded photos are left out. Files are linked where the disk allows it, else copied.

    Photos with feedback are for training, unless a reviewer got them at random. The present model is wrong on most
    photos that were corrected or chosen as uncertain, so a test on them would favor any other model. One with the bytes
    of a photo of the dataset is left out, as that has a label.

    Raises:
        DataError: no dataset, or a photo of it is missing.
        OSError: the folder can't be written.
    """
    table = export / TABLE_NAME
    header, *rows = csv.reader(io.StringIO(table.read_text("utf-8")))
    columns = [*header, *(name for name in ("split", "role", "species") if name not in header)]
    index = [row for row in read_index(dataset) if row.role != Role.EXCLUDED]
    known = {row.sha256: row for row in index}
    cells, disagreements = list[Mapping[str, str]](), list[Disagreement]()
    for values in rows:
        photo = dict(zip(header, values, strict=True))
        same = known.get(sha256_of(export / photo["photo"]))
        if same is None:
            cells.append(photo | {"split": "" if photo["chosen"] == "random" else Split.TRAIN})
        elif same.label != photo["label"]:
            disagreements.append(Disagreement(same.path, same.label, photo["label"]))
    files = _names(index)
    for name, row in files.items():
        _link(dataset / row.path, export / name)
        cells.append(_cells(name, row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    atomic_write_text(table, text.getvalue())
    return AddedDataset(tuple(files), tuple(disagreements))


def _names(index: Sequence[IndexRow]) -> dict[str, IndexRow]:
    """Return the rows by the names of their photos in the export; names stay the same from version to version."""
    there = {row.path.removeprefix(f"{PHOTOS}/"): row for row in index}
    found = {}
    for name, row in there.items():
        before = name.removeprefix(f"{FOLDER}/")  # its name before an earlier export
        found[f"{FOLDER}/{name if before in there else before}"] = row
    return found


def _cells(name: str, row: IndexRow) -> Mapping[str, str]:
    return {"photo": name, "label": row.label, "split": row.split, "role": row.role, "species": row.species}


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise DataError(f"Expected the photo {source} of the dataset, found none. Import the dataset again.") from None
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)

"""Tests of the next data version: exported feedback and the photos of a dataset in one import."""

import csv
import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.importer import import_photos
from petmood.data.index import Role, Split, read_index
from petmood.data.sources import open_source
from petmood.monitoring.feedback.export import COLUMNS, TABLE_NAME
from petmood.monitoring.feedback.records import REVIEWER
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.pipelines.feedback_dataset import FOLDER, Disagreement, add_dataset, export_with_dataset
from tests.support.images import jpeg, photo_like
from tests.support.logged import kept_feedback, sqlite
from tests.support.small_sets import write_small_set


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Return a folder as `petmood feedback export` writes it: two corrected photos."""
    folder = tmp_path / "feedback"
    (folder / "photos").mkdir(parents=True)
    rows = []
    for number in range(2):
        name = f"photos/0-request-{number}.jpg"
        (folder / name).write_bytes(jpeg(photo_like(64, 64, seed=1000 + number)))
        chosen = "random" if number else "least_confident"
        cells = dict.fromkeys(COLUMNS, "x") | {"photo": name, "label": "sad", "chosen": chosen}
        rows.append([cells[column] for column in COLUMNS])
    with (folder / TABLE_NAME).open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return folder


def imported(folder: Path) -> Path:
    """Import ten different photos of each class; return the dataset's folder."""
    for place, label in enumerate(DEFAULT_CLASSES):
        (folder / "source" / label).mkdir(parents=True)
        for number in range(10):
            photo = jpeg(photo_like(64, 64, seed=100 * place + number))
            (folder / "source" / label / f"{number}.jpg").write_bytes(photo)
    import_photos(open_source("folder", folder / "source"), to=folder / "old")
    return folder / "old"


def test_one_import_has_both_and_old_photos_keep_their_splits(exported: Path, tmp_path: Path) -> None:
    dataset = imported(tmp_path)
    before = {row.sha256: row for row in read_index(dataset) if row.role != Role.EXCLUDED}
    assert len(add_dataset(exported, dataset).files) == len(before)
    import_photos(open_source("csv", exported / TABLE_NAME), to=tmp_path / "new")
    used = [row for row in read_index(tmp_path / "new") if row.role != Role.EXCLUDED]
    new = [row for row in used if row.sha256 not in before]
    assert [row.label for row in new] == ["sad", "sad"]
    kept = {row.sha256: (row.label, row.split) for row in used if row.sha256 in before}
    assert kept == {name: (row.label, row.split) for name, row in before.items()}
    assert {split for _, split in kept.values()} == set(Split)
    assert (exported / FOLDER).is_dir()


def test_photos_with_feedback_are_for_training_unless_they_were_drawn_at_random(exported: Path, tmp_path: Path) -> None:
    dataset = imported(tmp_path)
    known = next(row for row in read_index(dataset) if row.split == Split.TEST and row.label != "sad")
    (exported / "photos" / "0-request-0.jpg").write_bytes((dataset / known.path).read_bytes())
    with (exported / TABLE_NAME).open(newline="") as file:
        rows = list(csv.DictReader(file))
    (exported / "photos" / "third.jpg").write_bytes(jpeg(photo_like(64, 64, seed=5000)))
    rows.append(rows[0] | {"photo": "photos/third.jpg", "chosen": ""})
    with (exported / TABLE_NAME).open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    added = add_dataset(exported, dataset)
    assert added.disagreements == (Disagreement(known.path, known.label, "sad"),)
    with (exported / TABLE_NAME).open(newline="") as file:
        found = {row["photo"]: row for row in csv.DictReader(file)}
    assert "photos/0-request-0.jpg" not in found  # the dataset has a label for these bytes
    assert (found["photos/0-request-1.jpg"]["split"], found["photos/third.jpg"]["split"]) == ("", "train")


def test_a_photo_that_is_gone_and_a_folder_without_a_dataset_are_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"index\.csv"):
        add_dataset(exported, tmp_path)
    dataset = write_small_set(tmp_path / "old", train=8, valid=4, test=4)
    (dataset / next(iter(read_index(dataset))).path).unlink()
    with pytest.raises(DataError, match=r"Expected the photo .* of the dataset, found none"):
        add_dataset(exported, dataset)


def test_a_photo_of_the_dataset_stays_the_original_of_a_larger_copy_with_another_label(
    exported: Path, tmp_path: Path
) -> None:
    dataset = imported(tmp_path)
    known = next(row for row in read_index(dataset) if row.split == Split.TRAIN and row.label != "sad")
    with Image.open(dataset / known.path) as photo:
        larger = io.BytesIO()
        photo.resize((256, 256), Image.Resampling.BICUBIC).save(larger, "JPEG", quality=95)
    (exported / "photos" / "0-request-0.jpg").write_bytes(larger.getvalue())
    add_dataset(exported, dataset)
    report = import_photos(open_source("csv", exported / TABLE_NAME), to=tmp_path / "new")
    used = {row.sha256: row for row in read_index(tmp_path / "new")}
    copy = used[hashlib.sha256(larger.getvalue()).hexdigest()]
    assert copy.group_id == used[known.sha256].group_id, "they are near-duplicates"
    assert (used[known.sha256].role, copy.role) == (Role.ORIGINAL, Role.NEAR_DUPLICATE)
    assert (used[known.sha256].label, copy.label) == (known.label, "sad")
    assert report.conflicts == 1
    assert "1 group has photos with two labels" in report.summary()


def test_names_stay_short_when_each_version_is_the_dataset_of_the_next_export(exported: Path, tmp_path: Path) -> None:
    add_dataset(exported, imported(tmp_path))
    import_photos(open_source("csv", exported / TABLE_NAME), to=tmp_path / "new")
    again = tmp_path / "again"
    again.mkdir()
    (again / TABLE_NAME).write_text(",".join(COLUMNS) + "\n")
    names = add_dataset(again, tmp_path / "new").files
    assert {f"{FOLDER}/photos/0-request-0.jpg", f"{FOLDER}/sad/0.jpg"} <= set(names)
    assert not [name for name in names if name.startswith(f"{FOLDER}/{FOLDER}/")]
    assert len(set(names)) == len(names) == len([row for row in read_index(tmp_path / "new") if row.role != "excluded"])


def test_the_folder_appears_with_all_photos_or_not_at_all(tmp_path: Path) -> None:
    kept_feedback(tmp_path, {0: (REVIEWER, "angry")})
    engine, photos = sqlite(tmp_path), KeptPhotos(tmp_path / "log.db.photos")
    dataset = write_small_set(tmp_path / "pets", train=8, valid=4, test=4)
    found, added = export_with_dataset(engine, photos, tmp_path / "out", dataset)
    assert (len(found.photos), len(added.files), added.disagreements) == (1, 16, ())
    assert len((tmp_path / "out" / TABLE_NAME).read_text().splitlines()) == 18
    (dataset / next(iter(read_index(dataset))).path).unlink()
    with pytest.raises(DataError, match="found none"):
        export_with_dataset(engine, photos, tmp_path / "other", dataset)
    engine.dispose()
    assert not (tmp_path / "other").exists()
    assert not [path for path in tmp_path.iterdir() if "other" in path.name and path.is_dir()], "nor a part of it"

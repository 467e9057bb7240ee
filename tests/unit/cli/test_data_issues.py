"""Tests of `petmood data issues`: its page and table, and the way of a corrected table back into a dataset."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from petmood.data.index import read_index
from petmood.data.split import find_group_leaks
from petmood.monitoring.feedback.records import REVIEWER
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.monitoring.prediction_log.rows import PhotoKey
from tests.support.images import jpeg, photo_like
from tests.support.logged import kept_feedback
from tests.support.read_only import deny_writes


@pytest.fixture
def pets(petmood: Callable[..., Any], tmp_path: Path) -> Path:
    """Return a dataset of 48 photos in four classes, one of them dark, and one twice."""
    classes = ("angry", "happy", "other", "sad")
    for number in range(48):
        pixels = photo_like(120, 90, seed=50 + number)
        file = tmp_path / "in" / classes[number % 4] / f"{number:02d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg(pixels // 6 if number == 9 else pixels))
        if number == 10:
            (file.parent / "again.jpg").write_bytes(jpeg(pixels))
    done = petmood("data", "import", "folder", tmp_path / "in", "--output", tmp_path / "pets")
    assert done.code == 0
    return tmp_path / "pets"


def test_feedback_that_disagrees_with_a_label_is_listed_and_suggested(
    petmood: Callable[..., Any], pets: Path, tmp_path: Path
) -> None:
    kept_feedback(tmp_path, {0: (REVIEWER, "angry")})
    photo = KeptPhotos(tmp_path / "log.db.photos").path(PhotoKey("request-0"))
    photo.write_bytes((pets / "photos/happy/05.jpg").read_bytes())
    done = petmood("data", "issues", pets, "--log", f"sqlite:///{tmp_path}/log.db")
    assert done.code == 0
    assert re.search(r"^correction +1 +by feedback of a reviewer", done.out, re.MULTILINE)
    with (pets / "issues.csv").open(encoding="utf-8", newline="") as stream:
        first, *_ = csv.DictReader(stream)
    assert (first["photo"], first["label"], first["suggested_label"]) == ("photos/happy/05.jpg", "happy", "angry")
    assert "by a reviewer" in (pets / "issues.html").read_text("utf-8")


def test_a_corrected_table_is_imported_with_one_label_changed_and_one_photo_dropped(
    petmood: Callable[..., Any], pets: Path, tmp_path: Path
) -> None:
    done = petmood("data", "issues", pets)
    assert (done.code, done.err) == (0, "")
    assert f"Page: {pets}/issues.html\n" in done.out
    assert f"data import csv {pets}/issues.csv --output {pets}-2\n" in done.out
    with (pets / "issues.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    before = {row.path: row for row in read_index(pets)}
    assert {row["photo"]: row["label"] for row in rows} == {path: row.label for path, row in before.items()}
    assert next(row["issues"] for row in rows if row["photo"] == "photos/happy/09.jpg").split()[-1] == "dark"

    with (pets / "issues.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        for row in rows:
            corrected = {**row, "label": "sad"} if row["photo"] == "photos/happy/05.jpg" else row
            if row["photo"] != "photos/happy/09.jpg":
                writer.writerow(corrected)
    done = petmood("data", "import", "csv", pets / "issues.csv", "--output", tmp_path / "pets-2")
    assert (done.code, done.err) == (0, "")
    index = read_index(tmp_path / "pets-2")
    after = {row.path: row for row in index}
    assert before.keys() - after.keys() == {"photos/happy/09.jpg"}
    assert (before["photos/happy/05.jpg"].label, after["photos/happy/05.jpg"].label) == ("happy", "sad")
    assert {path for path in after if after[path].label != before[path].label} == {"photos/happy/05.jpg"}
    assert {path: row.split for path, row in after.items()} == {path: before[path].split for path in after}
    assert not find_group_leaks(index)
    assert after["photos/other/again.jpg"].role == before["photos/other/again.jpg"].role


def test_an_unchanged_table_gives_the_same_data_version(
    petmood: Callable[..., Any], pets: Path, tmp_path: Path
) -> None:
    assert petmood("data", "issues", pets, "--csv", pets / "table.csv").code == 0
    assert petmood("data", "import", "csv", pets / "table.csv", "--output", tmp_path / "same").code == 0
    assert read_index(tmp_path / "same").hash == read_index(pets).hash


def test_an_edited_table_is_refused_before_any_work_and_kept(petmood: Callable[..., Any], pets: Path) -> None:
    assert petmood("data", "issues", pets).code == 0
    (pets / "issues.html").unlink()
    text = (pets / "issues.csv").read_text().replace("photos/happy/05.jpg,happy,", "photos/happy/05.jpg,sad,")
    (pets / "issues.csv").write_text(text)
    done = petmood("data", "issues", pets)
    assert (done.code, done.out) == (2, "")
    assert "differs from the dataset (1 changed row, 0 missing photos) and may hold your work" in done.err
    assert (pets / "issues.csv").read_text() == text
    assert not (pets / "issues.html").exists()


def test_a_table_outside_of_the_dataset_and_a_folder_without_crossval_are_one_line(
    petmood: Callable[..., Any], pets: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    done = petmood("data", "issues", pets, "--csv", tmp_path / "elsewhere/a.csv")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "Expected --csv in the dataset" in done.err
    done = petmood("data", "issues", pets, "--crossval", tmp_path / "elsewhere")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "Expected a cross-validation with out_of_fold-0.npz" in done.err


def test_a_read_only_dataset_has_its_page_in_the_cache_and_no_table(
    petmood: Callable[..., Any], pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "user"))
    deny_writes(monkeypatch, pets)
    done = petmood("data", "issues", pets)
    assert done.code == 0
    (page,) = (tmp_path / "user").rglob("issues.html")
    assert f"Page: {page}\n" in done.out
    assert f"Table: none, since {pets} is read-only. Give --csv FILE in a folder above it." in done.out
    assert not (pets / "issues.csv").exists()

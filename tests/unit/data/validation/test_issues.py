"""Tests of dataset validation: blocking issues and notes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from petmood.core.errors import DataError
from petmood.data.index import IndexRow, Role, Split, read_index, write_index
from petmood.data.validation.issues import ValidationReport, validate_dataset
from tests.support.images import animated, cmyk_jpeg, exif, jpeg, photo_like
from tests.support.trees import SIDE_PX, bring_in, photo_bytes, put, tree


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    source = tree(tmp_path / "in")
    put(source, "sad/twin-of-angry.png", photo_bytes(0, mirrored=True))
    bring_in(source, to=tmp_path / "pets")
    return tmp_path / "pets"


def codes(report: ValidationReport) -> dict[str, bool]:
    return {finding.code: finding.is_blocking for finding in report.issues}


def rewrite(folder: Path, change: Callable[[IndexRow], IndexRow]) -> None:
    write_index(folder, [change(row) for row in read_index(folder)])


def test_a_fresh_import_is_fit_to_measure_on(pets: Path) -> None:
    report = validate_dataset(pets)
    assert not report.has_blocking_issues
    assert "small" in codes(report)
    assert "Verdict: valid." in report.summary()
    assert "pets: 17 photos: 16 originals, 1 near-duplicates, 0 excluded, 0 rejected at import" in report.summary()


def test_a_missing_a_changed_and_an_unknown_photo_are_found(pets: Path) -> None:
    (pets / "photos/happy/0.png").unlink()
    put(pets, "photos/happy/1.png", photo_bytes(50))
    put(pets, "photos/happy/new.png", photo_bytes(51))
    report = validate_dataset(pets)
    found = codes(report)
    assert (found["missing"], found["changed"], found["unindexed_file"]) == (True, True, False)
    by_code = {finding.code: finding.paths for finding in report.issues}
    assert by_code["missing"] == ("photos/happy/0.png",)
    assert by_code["changed"] == ("photos/happy/1.png",)
    assert by_code["unindexed_file"] == ("photos/happy/new.png",)
    assert report.has_blocking_issues
    assert "[BLOCKING] 1 photo in the index but not on disk: photos/happy/0.png" in report.summary()


def test_a_photo_that_no_longer_decodes_is_found_even_with_its_hash(pets: Path) -> None:
    data = b"never a photo"
    put(pets, "photos/happy/0.png", data)
    digest = __import__("hashlib").sha256(data).hexdigest()
    rewrite(pets, lambda row: replace(row, sha256=digest) if row.path == "photos/happy/0.png" else row)
    assert codes(validate_dataset(pets))["undecodable"]


def test_a_group_forced_apart_is_blocking_and_named(pets: Path) -> None:
    rewrite(
        pets,
        lambda row: replace(
            row,
            split=Split.VALID if "twin" in row.path else Split.TRAIN if row.path.endswith("angry/0.png") else row.split,
        ),
    )
    report = validate_dataset(pets)
    assert codes(report)["leak"]
    assert any("photos/sad/twin-of-angry.png" in finding.paths for finding in report.issues if finding.is_blocking)


def test_equal_bytes_in_different_splits_are_blocking_and_within_a_split_are_noted(pets: Path) -> None:
    rows = list(read_index(pets))
    trained = next(row for row in rows if row.split == "train" and row.label == "happy")
    for name, split in (("photos/x.png", Split.TEST), ("photos/y.png", Split.TRAIN)):
        data = (pets / trained.path).read_bytes()
        put(pets, name, data)
        rows.append(replace(trained, path=name, split=split, group_id=f"group-{name[-5]}"))
        write_index(pets, rows)
        report = validate_dataset(pets)
        kinds = {
            finding.message.split("another ")[1]: finding.is_blocking
            for finding in report.issues
            if finding.code == "duplicate"
        }
        if split == "train":
            assert kinds == {"in different splits": True}
    rows = [row for row in rows if row.path != "photos/x.png"]
    write_index(pets, rows)
    kinds = {
        finding.message.split("another ")[1]: finding.is_blocking
        for finding in validate_dataset(pets).issues
        if finding.code == "duplicate"
    }
    assert kinds == {"within a split": False}


def test_one_animal_under_two_classes_is_shown_with_the_pair_and_its_evidence(pets: Path) -> None:
    (conflict,) = validate_dataset(pets).conflicts
    assert {row.label for row in conflict.rows} == {"angry", "sad"}
    assert [(link.first, link.second) for link in conflict.relations] == [
        ("photos/angry/0.png", "photos/sad/twin-of-angry.png")
    ]
    assert codes(validate_dataset(pets))["label_conflict"] is False


def test_a_label_without_validation_photos_is_blocking(pets: Path) -> None:
    rewrite(pets, lambda row: replace(row, role=Role.EXCLUDED) if (row.label, row.split) == ("other", "valid") else row)
    report = validate_dataset(pets)
    assert codes(report)["empty_class"]
    assert "Class 'other' has no original in valid" in report.summary()
    assert codes(report)["excluded"] is False


def test_uneven_classes_and_a_missing_test_split_are_noted(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", each=1, splits=("train", "valid"))
    for k in range(8):
        put(source, f"train/happy/more{k}.png", photo_bytes(100 + k))
    bring_in(source, to=tmp_path / "pets")
    report = validate_dataset(tmp_path / "pets")
    assert codes(report)["class_imbalance"] is False
    assert codes(report)["no_test"] is False
    assert "10 'happy' against 2 'angry'" in report.summary()


def test_odd_files_are_noted_by_kind(tmp_path: Path) -> None:
    source = tree(tmp_path / "in")
    pixels = photo_like(120, 120)
    put(source, "sad/cmyk.jpg", cmyk_jpeg(pixels, adobe=True))
    put(source, "sad/turned.jpg", jpeg(pixels, exif=exif(3)))
    put(source, "sad/moving.gif", animated("GIF", frames=2, side_px=SIDE_PX))
    put(source, "sad/wide.jpg", jpeg(np.full((500, 4200, 3), 90, np.uint8)))
    put(source, "sad/none.jpg", b"")
    bring_in(source, to=tmp_path / "pets", skip_bad=True)
    report = validate_dataset(tmp_path / "pets")
    assert {"mode", "exif", "animated", "large", "small", "rejected"} <= set(codes(report))
    assert not report.has_blocking_issues


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="petmood data import"):
        validate_dataset(tmp_path)

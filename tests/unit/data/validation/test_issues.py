"""Tests of dataset validation: blocking issues and notes."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from petmood.core.errors import DataError
from petmood.data.duplicates.relations import RelationKind, RelationRow, relations_text
from petmood.data.duplicates.shared_region_file import SharedPhotos, shared_regions_text
from petmood.data.index import IndexRow, Role, Split, read_index, write_index
from petmood.data.validation.issues import Issue, ValidationReport, validate_dataset
from tests.support.images import animated, cmyk_jpeg, exif, jpeg, photo_like
from tests.support.progress import RecordedProgress
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
    digest = hashlib.sha256(data).hexdigest()
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


def dataset(folder: Path, *rows: IndexRow) -> Path:
    """Write an index of rows made by ``rows_of``, and their photos."""
    for seed, one in enumerate(rows):
        put(folder, one.path, photo_bytes(seed))
    write_index(folder, rows)
    return folder


def row(name: str, content: bytes, split: Split, group: str, *, role: Role = Role.ORIGINAL, note: str = "") -> IndexRow:
    """Return the row of a photo whose class is its folder."""
    digest, label = hashlib.sha256(content).hexdigest(), name.partition("/")[0]
    return IndexRow(f"photos/{name}", digest, label, split, group, role, 32, 32, "PNG", note=note)


def rows_of(**names: Split) -> list[IndexRow]:
    """Return rows of distinct photos by the letter of the class and a number, such as ``h1``; each is its own group."""
    classes = {"a": "angry", "h": "happy", "s": "surprised"}
    return [
        row(f"{classes[name[0]]}/{name[1:]}.png", photo_bytes(seed), split, name)
        for seed, (name, split) in enumerate(sorted(names.items()))
    ]


TRAIN, VALID, TEST = Split


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Return a dataset with every kind of finding; the classes are sorted as angry, happy, none, surprised."""
    same, twin = photo_bytes(50), photo_bytes(51)
    folder = tmp_path / "broken"
    rows = [
        row("angry/gone.png", photo_bytes(1), TRAIN, "a1"),
        row("angry/other.png", photo_bytes(2), TRAIN, "a2"),
        row("angry/text.png", b"text", TEST, "a3"),
        row("happy/leak-1.png", photo_bytes(4), TRAIN, "z-leak"),
        row("happy/leak-2.png", photo_bytes(5), VALID, "z-leak"),
        row("happy/same-1.png", same, TRAIN, "h3"),
        row("happy/same-2.png", same, TRAIN, "h4"),
        row("happy/twin-1.png", twin, TRAIN, "h5"),
        row("happy/twin-2.png", twin, TEST, "h6"),
        row("happy/two.png", photo_bytes(6), VALID, "y-two"),
        row("none/out.png", photo_bytes(7), TRAIN, "n1", role=Role.EXCLUDED, note="why"),
        row("none/one.png", photo_bytes(8), TRAIN, "b-one", role=Role.NEAR_DUPLICATE),
        row("surprised/one.png", photo_bytes(9), TRAIN, "b-one"),
        row("surprised/two.png", photo_bytes(10), VALID, "y-two"),
        row("surprised/two-more.png", photo_bytes(11), VALID, "y-two"),
    ]
    for one in rows:
        name = one.path.removeprefix("photos/")
        numbers = (*range(1, 12), 50, 51)
        held = {hashlib.sha256(data).hexdigest(): data for data in (b"text", *map(photo_bytes, numbers))}
        put(folder, f"photos/{name}", held[one.sha256])
    write_index(folder, rows)
    (folder / "photos/angry/gone.png").unlink()
    put(folder, "photos/angry/other.png", photo_bytes(60))
    put(folder, "photos/z/deep.png", b"x")
    put(folder, "photos/extra.txt", b"x")
    put(folder, "rejected.csv", b"path,reason,message\nb.jpg,empty_file,is empty\nc.jpg,empty_file,is empty\n")
    links = [
        RelationRow("photos/elsewhere.png", "photos/none/one.png", RelationKind.RELATED, "first is in no conflict"),
        RelationRow("photos/happy/two.png", "photos/elsewhere.png", RelationKind.RELATED, "second is in no conflict"),
        RelationRow("photos/happy/two.png", "photos/surprised/two.png", RelationKind.RELATED, "12 inliers"),
        RelationRow("photos/none/one.png", "photos/surprised/one.png", RelationKind.NEAR_DUPLICATE, "30 inliers"),
        RelationRow("photos/surprised/two.png", "photos/surprised/two-more.png", RelationKind.RELATED, "one class"),
    ]
    put(folder, "relations.csv", relations_text(links).encode())
    shared = [
        SharedPhotos("the top 20%", ("photos/angry/gone.png", "photos/happy/two.png", "photos/unknown.png")),
        SharedPhotos("the left 5%", ("photos/happy/two.png", "photos/happy/leak-1.png")),
    ]
    put(folder, "shared_regions.json", shared_regions_text(shared).encode())
    return folder


def test_every_finding_has_its_code_its_sentence_and_its_photos_in_order(damaged: Path) -> None:
    progress = RecordedProgress()
    report = validate_dataset(damaged, progress=progress)
    assert progress.loops == [(15, "checking photos")]
    blocking = [(one.code, one.message, one.paths) for one in report.issues if one.is_blocking]
    notes = [(one.code, one.message, one.paths) for one in report.issues if not one.is_blocking]
    assert blocking == [
        ("changed", "1 photo changed since the import", ("photos/angry/other.png",)),
        ("missing", "1 photo in the index but not on disk", ("photos/angry/gone.png",)),
        ("undecodable", "1 photo that can't be decoded", ("photos/angry/text.png",)),
        (
            "leak",
            "1 group has photos in several splits (group leakage)",
            ("photos/happy/leak-2.png", "photos/happy/leak-1.png"),
        ),
        (
            "duplicate",
            "2 photos identical to another in different splits",
            ("photos/happy/twin-1.png", "photos/happy/twin-2.png"),
        ),
        ("empty_class", "Class 'angry' has no original in valid", ()),
        ("empty_class", "Class 'none' has no original in train", ()),
        ("empty_class", "Class 'none' has no original in valid", ()),
    ]
    assert notes == [
        (
            "duplicate",
            "2 photos identical to another within a split",
            ("photos/happy/same-1.png", "photos/happy/same-2.png"),
        ),
        ("unindexed_file", "2 files in photos/ not in the index", ("photos/extra.txt", "photos/z/deep.png")),
        (
            "label_conflict",
            "2 groups have photos with two labels: correct one of them",
            (
                "photos/none/one.png",
                "photos/surprised/one.png",
                "photos/happy/two.png",
                "photos/surprised/two-more.png",
                "photos/surprised/two.png",
            ),
        ),
        (
            "shared_region",
            "3 photos of 2 classes share the same region: the top 20%; a model may learn it in place of the animal",
            ("photos/angry/gone.png", "photos/happy/two.png", "photos/unknown.png"),
        ),
        (
            "shared_region",
            "2 photos of 1 class share the same region: the left 5%; a model may learn it in place of the animal",
            ("photos/happy/two.png", "photos/happy/leak-1.png"),
        ),
        ("class_imbalance", "Class imbalance: 7 'happy' against 0 'none'", ()),
        (
            "small",
            "13 photos unusually small",
            tuple(
                one.path
                for one in read_index(damaged)
                if one.path not in {"photos/angry/gone.png", "photos/angry/text.png"}
            ),
        ),
        ("excluded", "1 photo excluded (see the notes)", ("photos/none/out.png",)),
        ("rejected", "2 files rejected at import", ("b.jpg", "c.jpg")),
    ]
    conflicts = [(one.group_id, [row.path for row in one.rows], one.relations) for one in report.conflicts]
    assert conflicts == [
        (
            "b-one",
            ["photos/none/one.png", "photos/surprised/one.png"],
            (
                RelationRow(
                    "photos/none/one.png", "photos/surprised/one.png", RelationKind.NEAR_DUPLICATE, "30 inliers"
                ),
            ),
        ),
        (
            "y-two",
            ["photos/happy/two.png", "photos/surprised/two-more.png", "photos/surprised/two.png"],
            (RelationRow("photos/happy/two.png", "photos/surprised/two.png", RelationKind.RELATED, "12 inliers"),),
        ),
    ]
    assert (report.name, len(report.relations), len(report.rejected), len(report.shared)) == ("broken", 5, 2, 2)


def test_the_whole_summary_of_a_damaged_dataset(damaged: Path) -> None:
    assert validate_dataset(damaged).summary() == (
        "broken: 15 photos: 13 originals, 1 near-duplicates, 1 excluded, 2 rejected at import\n"
        "originals       angry      happy       none  surprised\n"
        "train               2          4          0          1\n"
        "valid               0          2          0          2\n"
        "test                1          1          0          0\n"
        "[BLOCKING] 1 photo changed since the import: photos/angry/other.png\n"
        "[BLOCKING] 1 photo in the index but not on disk: photos/angry/gone.png\n"
        "[BLOCKING] 1 photo that can't be decoded: photos/angry/text.png\n"
        "[BLOCKING] 1 group has photos in several splits (group leakage): photos/happy/leak-2.png, "
        "photos/happy/leak-1.png\n"
        "[BLOCKING] 2 photos identical to another in different splits: photos/happy/twin-1.png, "
        "photos/happy/twin-2.png\n"
        "[BLOCKING] Class 'angry' has no original in valid\n"
        "[BLOCKING] Class 'none' has no original in train\n"
        "[BLOCKING] Class 'none' has no original in valid\n"
        "[note] 2 photos identical to another within a split: photos/happy/same-1.png, photos/happy/same-2.png\n"
        "[note] 2 files in photos/ not in the index: photos/extra.txt, photos/z/deep.png\n"
        "[note] 2 groups have photos with two labels: correct one of them: photos/none/one.png, "
        "photos/surprised/one.png, photos/happy/two.png, ...\n"
        "[note] 3 photos of 2 classes share the same region: the top 20%; a model may learn it in place of the animal: "
        "photos/angry/gone.png, photos/happy/two.png, photos/unknown.png\n"
        "[note] 2 photos of 1 class share the same region: the left 5%; a model may learn it in place of the animal: "
        "photos/happy/two.png, photos/happy/leak-1.png\n"
        "[note] Class imbalance: 7 'happy' against 0 'none'\n"
        "[note] 13 photos unusually small: photos/angry/other.png, photos/happy/leak-1.png, "
        "photos/happy/leak-2.png, ...\n"
        "[note] 1 photo excluded (see the notes): photos/none/out.png\n"
        "[note] 2 files rejected at import: b.jpg, c.jpg\n"
        "Verdict: blocking issues; fix them before training."
    )


def test_the_whole_summary_of_a_sound_dataset_with_short_class_names(tmp_path: Path) -> None:
    rows = rows_of(a1=TRAIN, a2=VALID, h1=TRAIN, h2=TRAIN, h3=TRAIN, h4=VALID, h5=TEST, h6=TEST)
    assert validate_dataset(dataset(tmp_path / "pets", *rows)).summary() == (
        "pets: 8 photos: 8 originals, 0 near-duplicates, 0 excluded, 0 rejected at import\n"
        "originals    angry   happy\n"
        "train            1       3\n"
        "valid            1       1\n"
        "test             0       2\n"
        "[note] 8 photos unusually small: photos/angry/1.png, photos/angry/2.png, photos/happy/1.png, ...\n"
        "Verdict: valid."
    )


@pytest.mark.parametrize(
    ("more", "noted"),
    [({"h4": TEST}, True), ({}, False), ({"a3": TEST, "h4": TEST, "h5": TEST}, False)],
    ids=["4 against 1", "3 against 1", "5 against 2"],
)
def test_classes_are_uneven_above_a_factor_of_three(tmp_path: Path, more: dict[str, Split], *, noted: bool) -> None:
    rows = rows_of(a1=TRAIN, h1=TRAIN, h2=VALID, h3=TRAIN, **more)
    found = {one.code: one.message for one in validate_dataset(dataset(tmp_path / "pets", *rows)).issues}
    assert ("class_imbalance" in found) is noted
    if noted:
        assert found["class_imbalance"] == "Class imbalance: 4 'happy' against 1 'angry'"
    assert found["empty_class"] == "Class 'angry' has no original in valid"


@pytest.mark.parametrize(
    ("names", "got"), [({"h1": TRAIN, "h2": VALID, "h3": TRAIN, "h4": TEST}, "'happy'"), ({}, "no photo")]
)
def test_a_dataset_of_one_class_or_none_is_blocked_by_that_alone(
    tmp_path: Path, names: dict[str, Split], got: str
) -> None:
    report = validate_dataset(dataset(tmp_path / "pets", *rows_of(**names)))
    blocking = [one for one in report.issues if one.is_blocking]
    assert blocking == [Issue("one_class", f"Expected photos of two classes or more, got {got}", (), is_blocking=True)]
    assert {one.code for one in report.issues} <= {"one_class", "small"}


def test_a_dataset_without_a_test_split_is_told_what_to_do(tmp_path: Path) -> None:
    rows = rows_of(a1=TRAIN, a2=VALID, h1=TRAIN, h2=VALID)
    issues = validate_dataset(dataset(tmp_path / "pets", *rows)).issues
    assert [one for one in issues if one.code == "no_test"] == [
        Issue("no_test", "There is no test split: use cross-validation for scores", ())
    ]
    assert len(issues) == 2

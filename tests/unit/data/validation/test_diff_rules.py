"""Tests of the rules on a new data version: planted violations are reported, normal growth is accepted."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import IndexRow, Role, Split, read_index, write_index
from petmood.data.validation.diff_rules import DatasetDiffReport, DiffLimits, check_diff, distinct
from tests.support.images import png
from tests.support.progress import RecordedProgress
from tests.support.small_sets import write_small_set


@pytest.fixture
def versions(tmp_path: Path) -> tuple[Path, Path]:
    """Return the previous version, and a new one with a few photos more."""
    return write_small_set(tmp_path / "last"), write_small_set(tmp_path / "new", test=28)


def rewrite(folder: Path, change: Callable[[IndexRow], IndexRow]) -> None:
    write_index(folder, [change(row) for row in read_index(folder)])


def codes(report: DatasetDiffReport) -> list[str]:
    return [reason.code for reason in report.violations]


@pytest.fixture
def same(tmp_path: Path) -> tuple[Path, Path]:
    """Return the same version twice."""
    return write_small_set(tmp_path / "last"), write_small_set(tmp_path / "new")


def test_a_first_version_is_checked_alone(same: tuple[Path, Path]) -> None:
    report = check_diff(same[1])
    assert not report.has_violations
    assert (report.old, report.drifts) == (None, ())
    assert len(report.diff.added) == 64
    assert "the first version: 64 photos added" in report.summary()
    assert "Verdict: accepted." in report.summary()


def test_honest_growth_passes(versions: tuple[Path, Path]) -> None:
    last, new = versions
    report = check_diff(new, against=last)
    assert codes(report) == []
    assert (len(report.diff.added), len(report.diff.kept)) == (12, 64)
    assert len(report.drifts) == 5


def test_a_blocking_issue_is_a_violation(same: tuple[Path, Path]) -> None:
    last, new = same
    victim = new / read_index(new).rows[0].path
    victim.write_bytes(victim.read_bytes()[:100])
    assert codes(check_diff(new, against=last)) == ["changed"]
    victim.unlink()
    assert codes(check_diff(new, against=last)) == ["missing"]


def test_a_group_leak_is_a_reason(same: tuple[Path, Path]) -> None:
    last, new = same
    rewrite(
        new, lambda row: replace(row, group_id="rex") if row.path.endswith(("train-000.png", "test-000.png")) else row
    )
    assert "leak" in codes(check_diff(new, against=last))


def test_a_photo_from_training_in_an_evaluation_split_is_a_leak_over_time(same: tuple[Path, Path]) -> None:
    last, new = same
    rewrite(new, lambda row: replace(row, split=Split.TEST) if row.path.endswith("train-000.png") else row)
    report = check_diff(new, against=last)
    assert codes(report) == ["train_test_leak"]
    assert report.violations[0].paths == ("photos/train-000.png",)
    rewrite(new, lambda row: replace(row, split=Split.TRAIN) if row.path.endswith("train-000.png") else row)
    assert not check_diff(new, against=last).has_violations


def test_a_new_evaluation_photo_related_to_a_trained_one_is_a_leak_over_time(versions: tuple[Path, Path]) -> None:
    last, new = versions
    known = {row.sha256 for row in read_index(last)}
    fresh = next(row for row in read_index(new) if row.split == "test" and row.sha256 not in known)
    rewrite(new, lambda row: replace(row, group_id="rex") if row == fresh else row)
    rewrite(last, lambda row: replace(row, group_id="rex") if row.path.endswith("train-001.png") else row)
    assert codes(check_diff(new, against=last)) == ["duplicate_of_training_photo"]


def test_a_label_that_is_gone_is_a_reason(same: tuple[Path, Path]) -> None:
    last, new = same
    rewrite(new, lambda row: replace(row, role=Role.EXCLUDED) if row.label == "sad" else row)
    assert "class_missing" in codes(check_diff(new, against=last))


@pytest.mark.parametrize(("flipped", "bad"), [(3, False), (4, True)])
def test_labels_flipped_over_the_limit_are_a_reason(same: tuple[Path, Path], flipped: int, *, bad: bool) -> None:
    """The limit is a twentieth of 64 photos: three corrections are accepted, four are a violation."""
    last, new = same
    names = {row.path for row in [r for r in read_index(new) if r.split == "train"][:flipped]}
    turned = dict(zip(DEFAULT_CLASSES, (*DEFAULT_CLASSES[1:], DEFAULT_CLASSES[0]), strict=True))
    rewrite(new, lambda row: replace(row, label=turned[row.label]) if row.path in names else row)
    report = check_diff(new, against=last)
    assert codes(report) == (["relabelled"] if bad else [])
    assert len(report.diff.relabelled) == flipped
    assert not check_diff(new, against=last, limits=DiffLimits(relabelled=0.5)).has_violations


def darken(folder: Path) -> None:
    """Make every photo half as bright, as another camera might, and write its index again."""
    rows = []
    for row in read_index(folder):
        with Image.open(folder / row.path) as photo:
            data = png((np.asarray(photo) * 0.5).astype(np.uint8))
        (folder / row.path).write_bytes(data)
        rows.append(replace(row, sha256=hashlib.sha256(data).hexdigest(), group_id=f"dark-{row.group_id}"))
    write_index(folder, rows)


def test_photos_that_look_otherwise_are_a_reason_unless_the_limit_allows_them(same: tuple[Path, Path]) -> None:
    last, new = same
    darken(new)
    report = check_diff(new, against=last)
    assert set(codes(report)) == {"drift"}
    assert any(reason.message.startswith("brightness changed from") for reason in report.violations)
    assert not check_diff(new, against=last, limits=DiffLimits(drift=1.0)).has_violations


def test_a_name_cannot_steer_the_terminal_or_the_log_of_a_workflow(same: tuple[Path, Path]) -> None:
    last, new = same
    hostile = "photos/\n::stop-commands::x\u202e.png"
    moved = next(row for row in read_index(new) if row.path.endswith("train-000.png"))
    (new / moved.path).rename((new / "photos") / "kept")
    rewrite(new, lambda row: replace(row, path=hostile, split=Split.TEST) if row == moved else row)
    said = check_diff(new, against=last).summary()
    assert "\\u000a::stop-commands::x\\u202e.png" in said
    assert not any(line.startswith("::") for line in said.splitlines())


def sha256s(*folders: Path) -> list[str]:
    """Return the beginnings of the versions of datasets, as a summary shows them."""
    return [hashlib.sha256((folder / "index.csv").read_bytes()).hexdigest()[:12] for folder in folders]


def test_the_whole_summary_of_a_first_version(same: tuple[Path, Path]) -> None:
    (new,) = sha256s(same[1])
    assert check_diff(same[1]).summary() == (
        f"new: data version {new}, the first version: 64 photos added, 0 removed, 0 relabeled, 0 in another split\n"
        "Verdict: accepted."
    )


def test_every_violation_has_its_sentence_and_its_photos(versions: tuple[Path, Path]) -> None:
    """The classes come in turn: angry, happy, other, sad. Of 64 photos, the 16 of `sad` are no longer used."""
    last, new = versions
    turned = {f"photos/train-{number:03d}.png": "other" for number in (5, 9, 13, 17, 21)}

    def change(row: IndexRow) -> IndexRow:
        if row.label == "sad":
            return replace(row, role=Role.EXCLUDED)
        if row.path == "photos/train-000.png":
            return replace(row, split=Split.TEST)
        if row.path == "photos/train-004.png":
            return replace(row, split=Split.VALID)
        if row.path in {"photos/test-016.png", "photos/test-017.png"}:
            return replace(row, group_id="photos/train-001.png")
        return replace(row, label=turned.get(row.path, row.label))

    rewrite(new, change)
    report = check_diff(new, against=last)
    leaking = ("photos/test-016.png", "photos/test-017.png", "photos/train-001.png")
    assert [(one.code, one.message, one.paths) for one in report.violations] == [
        ("leak", "1 group has photos in several splits (group leakage)", leaking),
        ("empty_class", "Class 'sad' has no original in train", ()),
        ("empty_class", "Class 'sad' has no original in valid", ()),
        (
            "train_test_leak",
            "2 evaluation photos were training photos in the previous version",
            ("photos/train-000.png", "photos/train-004.png"),
        ),
        (
            "duplicate_of_training_photo",
            "2 new evaluation photos are near-duplicates of earlier training photos",
            ("photos/test-016.png", "photos/test-017.png"),
        ),
        ("class_missing", "No originals of class 'sad' are left", ()),
        ("relabelled", "10.4% of the unchanged photos have another label, over 5.0%", tuple(sorted(turned))),
    ]
    before, after = sha256s(last, new)
    assert report.summary() == (
        f"new: data version {after}, against {before}: 9 photos added, 16 removed, 5 relabeled, 2 in another split\n"
        "[VIOLATION] 1 group has photos in several splits (group leakage): photos/test-016.png, photos/test-017.png, "
        "photos/train-001.png\n"
        "[VIOLATION] Class 'sad' has no original in train\n"
        "[VIOLATION] Class 'sad' has no original in valid\n"
        "[VIOLATION] 2 evaluation photos were training photos in the previous version: photos/train-000.png, "
        "photos/train-004.png\n"
        "[VIOLATION] 2 new evaluation photos are near-duplicates of earlier training photos: photos/test-016.png, "
        "photos/test-017.png\n"
        "[VIOLATION] No originals of class 'sad' are left\n"
        "[VIOLATION] 10.4% of the unchanged photos have another label, over 5.0%: photos/train-005.png, "
        "photos/train-009.png, photos/train-013.png, photos/train-017.png, photos/train-021.png\n"
        "Verdict: rejected as the next version."
    )


def test_labels_changed_by_exactly_the_limit_are_accepted(same: tuple[Path, Path]) -> None:
    """Four of 64 photos are 6.25%."""
    last, new = same
    names = {f"photos/train-{number:03d}.png" for number in (0, 4, 8, 12)}
    rewrite(new, lambda row: replace(row, label="happy") if row.path in names else row)
    assert codes(check_diff(new, against=last, limits=DiffLimits(relabelled=0.0625))) == []
    assert codes(check_diff(new, against=last, limits=DiffLimits(relabelled=0.0624))) == ["relabelled"]


def gray_set(folder: Path, levels: range) -> Path:
    """Write a dataset of photos of one gray level each."""
    rows = []
    for place, level in enumerate(levels):
        name, data = f"photos/{level}.png", png(np.full((32, 32, 3), level, np.uint8))
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        label, digest = ("happy", "sad")[place % 2], hashlib.sha256(data).hexdigest()
        rows.append(IndexRow(name, digest, label, Split.TRAIN, name, Role.ORIGINAL, 32, 32, "PNG"))
    write_index(folder, rows)
    return folder


def test_drift_is_told_by_medians_distance_and_corrected_chance(tmp_path: Path) -> None:
    """Seven photos of gray 50 to 56, then seven of 150 to 156 more.

    All that came are brighter than all before: by chance 2 of the 3432 ways to draw 7 of 14, times five statistics.
    Photos of both versions are not read again: in the new folder they are gone.
    """
    last, new = gray_set(tmp_path / "last", range(50, 57)), gray_set(tmp_path / "new", range(150, 157))
    write_index(new, [*read_index(last), *read_index(new)])
    progress = RecordedProgress()
    report = check_diff(new, against=last, progress=progress)
    drifts = [(one.code, one.message) for one in report.violations if one.message.startswith("brightness")]
    assert drifts == [
        ("drift", "brightness changed from 0.208 to 0.404 (medians): distance 0.50 over 0.20, p = 0.0029")
    ]
    assert report.drifts[0].p_value == pytest.approx(5 * 2 / 3432)
    assert progress.loops == [(14, "checking photos"), (7, "reading photos"), (14, "reading photos")]


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (1 / 3, 2 / 3, ("0.333", "0.667")),
        (1.0, 1.0004, ("1", "1.0004")),
        (0.1, float(np.nextafter(0.1, 1)), ("0.10000000000000001", "0.10000000000000002")),
        (1 / 3, 1 / 3, ("0.333", "0.333")),
    ],
)
def test_two_numbers_have_as_many_digits_as_it_takes(old: float, new: float, shown: tuple[str, str]) -> None:
    assert distinct(old, new) == shown

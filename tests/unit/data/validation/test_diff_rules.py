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
from petmood.data.validation.diff_rules import DatasetDiffReport, DiffLimits, check_diff
from tests.support.images import png
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

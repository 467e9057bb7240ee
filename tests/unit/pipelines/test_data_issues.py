"""Tests of a dataset's review: a planted label error, a dark photo and a damaged one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from petmood.core.errors import DataError
from petmood.data.index import DataIndex, IndexRow, Role, Split, read_index, write_index
from petmood.data.validation.issue_kinds import IssueKind
from petmood.data.validation.photo_issues import PhotoIssue
from petmood.monitoring.feedback.export import LabeledPhoto
from petmood.monitoring.feedback.records import LoggedPrediction
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.pipelines.data_issues import find_data_issues, score_labels
from petmood.pipelines.dataset_predictions import DatasetPredictions
from tests.support.logged import BUNDLE, START_US
from tests.support.progress import RecordedProgress
from tests.support.small_sets import write_small_set


def test_a_planted_label_error_is_the_first_issue(tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "pets", train=64, valid=8, test=8)
    rows = list(read_index(data))
    wrong = next(n for n, row in enumerate(rows) if row.label == "happy" and row.split == "train")
    write_index(data, [replace(row, label="sad") if n == wrong else row for n, row in enumerate(rows)])
    progress = RecordedProgress()
    report = find_data_issues(data, progress=progress)
    first = report.issues[0]
    assert (first.kind, first.paths, first.suggested) == (IssueKind.LABEL_ERROR, (rows[wrong].path,), "happy")
    assert (80, "examining photos") in progress.loops


def test_photos_with_another_label_by_feedback_come_first(tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "pets", train=8, valid=4, test=4)
    angry, happy = (next(row for row in read_index(data) if row.label == label) for label in ("angry", "happy"))
    prediction = LoggedPrediction("happy", BUNDLE, 0.75)

    def labeled(sha256: str, label: str, chosen: str | None = None) -> LabeledPhoto:
        return LabeledPhoto(PhotoKey("request-1"), label, prediction, START_US, 3, 2, chosen, sha256)

    given = [labeled(angry.sha256, "happy"), labeled(happy.sha256, "happy"), labeled("0" * 64, "sad")]
    report = find_data_issues(data, labeled=given)
    found = [issue for issue in report.issues if issue.kind == IssueKind.CORRECTION]
    assert found == [PhotoIssue(IssueKind.CORRECTION, (angry.path,), suggested="happy", text="by 2 of 3 visitors")]
    assert report.issues[0] == found[0]
    (reviewed, *_) = find_data_issues(data, labeled=[labeled(happy.sha256, "angry", "random")]).issues
    assert (reviewed.paths, reviewed.suggested, reviewed.text) == ((happy.path,), "angry", "by a reviewer")


def test_a_damaged_photo_stops_the_review_and_names_the_check(tmp_path: Path) -> None:
    data = write_small_set(tmp_path / "pets", train=8, valid=4, test=4)
    (data / "photos/train-003.png").write_bytes(b"never a photo")
    with pytest.raises(DataError, match=r"'photos/train-003\.png' of .*pets can't be used: .*data check .*pets"):
        find_data_issues(data)


def test_scores_are_by_path_and_a_suggestion_is_given_for_a_likely_error_alone() -> None:
    chances = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.2, 0.8]])
    known = DatasetPredictions(("a", "b", "c", "d"), np.array([0, 0, 0, 1]), chances, "a test")
    rows = tuple(_row(name, label) for name, label in zip("abcd", ("happy", "happy", "happy", "sad"), strict=True))
    found = score_labels(known, DataIndex(rows))
    assert {path: score.suggested for path, score in found.by_path.items()} == {"a": "", "b": "", "c": "sad", "d": ""}
    assert found.by_path["c"].quality == pytest.approx(0.2)
    assert (found.method, found.accuracy) == ("a test", 0.75)


def _row(path: str, label: str) -> IndexRow:
    return IndexRow(path, "0" * 64, label, Split.TRAIN, path, Role.ORIGINAL, 9, 9, "PNG")

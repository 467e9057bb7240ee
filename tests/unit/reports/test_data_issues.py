"""Tests of the page of issues: its order, labels and suggestions, names that are escaped, and its size."""

import re
from pathlib import Path

import pytest

from petmood.data.index import read_index
from petmood.data.validation.issue_kinds import IssueKind
from petmood.data.validation.photo_issues import IssueReport, LabelScore, PhotoIssue, ScoredLabels
from petmood.reports import data_issues
from petmood.reports.data_issues import TITLES, write_issues_page
from tests.support.small_sets import write_small_set

LABELS = ScoredLabels({"photos/train-001.png": LabelScore(0.1, "sad")}, "a linear head", 0.62)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a small dataset."""
    return write_small_set(tmp_path / "pets", train=12, valid=4, test=4)


def page(data: Path, *issues: PhotoIssue, table: Path | None = None) -> str:
    """Return the page of these issues."""
    report = IssueReport("pets", read_index(data), issues, LABELS)
    write_issues_page(report, data, table=table, to=data / "issues.html")
    return (data / "issues.html").read_text("utf-8")


def test_each_kind_has_a_title() -> None:
    assert tuple(TITLES) == tuple(IssueKind)


def test_a_label_error_shows_the_photo_its_label_the_suggestion_and_the_score(data: Path) -> None:
    paths = ("photos/train-001.png", "photos/train-002.png")
    html = page(data, PhotoIssue(IssueKind.LABEL_ERROR, paths, 0.1, "sad"), table=data / "issues.csv")
    assert "happy &rarr; sad?" in html
    assert "score 0.10, and 1 near-duplicate" in html
    assert html.count('<img src="data:image/jpeg;base64,') == 1
    assert "62% of its predictions are the label" in html
    assert f"data import csv {data}/issues.csv --output NEW-FOLDER" in html
    assert '<a href="#label_error">Likely label errors (1)</a>' in html


def test_the_photos_of_a_group_stand_together_with_their_labels(data: Path) -> None:
    paths = ("photos/train-000.png", "photos/train-001.png")
    html = page(data, PhotoIssue(IssueKind.LABEL_CONFLICT, paths, text="60 inliers"))
    assert "angry or happy, 60 inliers" in html
    assert html.count('<img src="data:image/jpeg;base64,') == 2
    assert (
        re.findall(r'popovertarget="([^"]+)"', html) == re.findall(r'id="(photo-\d+)"', html) == ["photo-1", "photo-2"]
    )


def test_sections_follow_the_kinds_and_severe_photos_come_first(data: Path) -> None:
    html = page(
        data,
        PhotoIssue(IssueKind.DARK, ("photos/train-003.png",), 0.1),
        PhotoIssue(IssueKind.DARK, ("photos/train-002.png",), 0.2),
        PhotoIssue(IssueKind.ODD_ASPECT_RATIO, ("photos/train-004.png",), 0.3),
    )
    assert re.findall(r'<section id="(\w+)"', html) == ["dark", "odd_aspect_ratio"]
    assert html.index("train-003.png") < html.index("train-002.png")
    assert "32 x 32 pixels, score 0.30" in html
    assert re.findall(r'<a href="#(?:dark|odd_aspect_ratio)-title">(.*?)</a>', html) == ["Dark photos", "Odd shapes"]


def test_long_lists_are_cut_and_the_page_says_so(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_issues, "SHOWN", 2)
    issues = [PhotoIssue(IssueKind.BLURRY, (f"photos/train-00{n}.png",), n / 10) for n in range(5)]
    html = page(data, *issues)
    assert "The first 2 of 5 are shown; the table has all." in html
    assert html.count("<img ") == 2


def test_without_issues_or_a_table_the_page_says_so(data: Path) -> None:
    html = page(data)
    assert "No issues were found." in html
    assert "This dataset is read-only, so there is no table." in html


def test_a_photo_that_is_gone_has_no_preview(data: Path) -> None:
    (data / "photos/train-005.png").unlink()
    assert "No preview" in page(data, PhotoIssue(IssueKind.DARK, ("photos/train-005.png",), 0.1))


def test_names_are_escaped(data: Path) -> None:
    text = '<script>alert("x")</script>'
    html = page(data, PhotoIssue(IssueKind.LABEL_CONFLICT, ("photos/train-000.png", "photos/train-001.png"), text=text))
    assert text not in html
    assert "&lt;script&gt;" in html

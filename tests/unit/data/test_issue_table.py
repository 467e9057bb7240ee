"""Tests of the table of issues: its rows, where it can be written, and that work in it is not lost."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from petmood.core.errors import OutputError
from petmood.data.index import Role, read_index, write_index
from petmood.data.issue_table import default_table, issue_table_text, refuse_target, write_issue_table
from petmood.data.validation.issue_kinds import IssueKind
from petmood.data.validation.photo_issues import IssueReport, LabelScore, PhotoIssue, ScoredLabels
from tests.support.read_only import deny_writes
from tests.support.small_sets import write_small_set


@pytest.fixture
def report(tmp_path: Path) -> IssueReport:
    """Return a report on a small dataset in the folder ``pets``: a label error and a dark photo."""
    folder = write_small_set(tmp_path / "pets", train=8, valid=4, test=4)
    names = [f"photos/train-{number:03d}.png" for number in range(8)]
    issues = (
        PhotoIssue(IssueKind.LABEL_ERROR, (names[5], names[6]), 0.1, "happy"),
        PhotoIssue(IssueKind.DARK, (names[6],), 0.2),
    )
    labels = ScoredLabels({names[5]: LabelScore(0.1, "happy"), names[0]: LabelScore(0.75)}, "a head", 0.7)
    return IssueReport("pets", read_index(folder), issues, labels)


def rows_of(text: str) -> list[dict[str, str]]:
    """Return the rows of a table by column."""
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_has_every_photo_with_its_label_and_those_with_issues_first(report: IssueReport) -> None:
    rows = rows_of(issue_table_text(report))
    assert {row["photo"]: row["label"] for row in rows} == {row.path: row.label for row in report.index}
    first, second, *others = rows
    assert first == {
        "photo": "photos/train-005.png",
        "label": "happy",
        "suggested_label": "happy",
        "issues": "label_error",
        "label_score": "0.1000",
        "split": "train",
        "species": "dog",
        "group_id": "photos/train-005.png",
    }
    assert (second["issues"], second["label_score"]) == ("label_error dark", "")
    assert [row["photo"] for row in others] == sorted(row["photo"] for row in others)
    assert {row["issues"] for row in others} == {""}


def test_an_excluded_duplicate_follows_its_group_and_a_dropped_relative_is_left_out(
    report: IssueReport, tmp_path: Path
) -> None:
    first, second, *others = report.index.rows
    twin = replace(first, role=Role.EXCLUDED, note="exact duplicate of photos/x.png")
    relative = replace(second, role=Role.EXCLUDED, note="relative of test photo photos/x.png")
    index = write_index(tmp_path / "pets", [twin, relative, *others])
    rows = {row["photo"]: row for row in rows_of(issue_table_text(replace(report, index=index)))}
    assert rows[twin.path]["split"] == ""
    assert relative.path not in rows


def test_paths_are_relative_to_the_folder_of_the_table(report: IssueReport, tmp_path: Path) -> None:
    write_issue_table(report, tmp_path / "pets", to=tmp_path / "review.csv")
    rows = rows_of((tmp_path / "review.csv").read_text())
    assert rows[0]["photo"] == "pets/photos/train-005.png"
    assert all((tmp_path / row["photo"]).is_file() for row in rows)


def test_a_table_elsewhere_is_refused_since_an_import_finds_no_photos_there(
    report: IssueReport, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(OutputError, match=r"Expected --csv in the dataset '.*pets' or in a folder above it"):
        refuse_target(tmp_path / "other/issues.csv", tmp_path / "pets", report.index)


def test_a_link_in_a_circle_is_refused_as_a_table(report: IssueReport, tmp_path: Path) -> None:
    circle = tmp_path / "pets/circle.csv"
    circle.symlink_to(circle.name)
    with pytest.raises(OutputError, match=r"circle\.csv contains a broken link"):
        refuse_target(circle, tmp_path / "pets", report.index)


def test_a_table_that_was_edited_is_not_replaced_and_an_unchanged_one_is(report: IssueReport, tmp_path: Path) -> None:
    file = tmp_path / "pets/issues.csv"
    write_issue_table(report, tmp_path / "pets", to=file)
    write_issue_table(report, tmp_path / "pets", to=file)
    lines = file.read_text().splitlines()
    edited = [lines[0], lines[1].replace(",happy,happy,", ",sad,happy,"), *lines[3:]]
    file.write_text("\n".join(edited) + "\n")
    with pytest.raises(OutputError, match=r"differs from the dataset \(1 changed row, 1 missing photo\)"):
        write_issue_table(report, tmp_path / "pets", to=file)
    assert file.read_text().splitlines() == edited


@pytest.mark.parametrize(("column", "value"), [("split", "valid"), ("species", "dragon")])
def test_a_table_with_another_split_or_species_is_not_replaced(
    report: IssueReport, tmp_path: Path, column: str, value: str
) -> None:
    """An import reads both columns, so a change of them is work as well."""
    file = tmp_path / "pets/issues.csv"
    write_issue_table(report, tmp_path / "pets", to=file)
    rows = rows_of(file.read_text())
    changed = next(row for row in rows if row[column] != value)
    changed[column] = value
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(OutputError, match=r"differs from the dataset \(1 changed row, 0 missing photos\)"):
        write_issue_table(report, tmp_path / "pets", to=file)
    assert rows_of(file.read_text()) == rows


def test_any_other_file_is_not_replaced(report: IssueReport, tmp_path: Path) -> None:
    file = tmp_path / "pets/notes.csv"
    file.write_text("my,notes\n1,2\n")
    with pytest.raises(OutputError, match=r"'.*notes\.csv' is not a table of issues"):
        write_issue_table(report, tmp_path / "pets", to=file)
    assert file.read_text() == "my,notes\n1,2\n"


def test_the_default_is_in_the_dataset_and_none_for_a_read_only_one(
    report: IssueReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert report.index
    assert default_table(tmp_path / "pets") == tmp_path / "pets/issues.csv"
    deny_writes(monkeypatch, tmp_path / "pets")
    assert default_table(tmp_path / "pets") is None


def test_a_label_by_feedback_is_suggested_before_that_of_a_likely_error(report: IssueReport) -> None:
    error = report.issues[0]
    correction = PhotoIssue(IssueKind.CORRECTION, error.paths[:1], suggested="sad")
    first, *_ = rows_of(issue_table_text(replace(report, issues=(correction, *report.issues))))
    assert (first["suggested_label"], first["issues"]) == ("sad", "correction label_error")

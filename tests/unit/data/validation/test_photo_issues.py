"""Tests of issues in the order of review: labels, conflicts, duplicates and images."""

import hashlib
from collections.abc import Mapping, Sequence

from petmood.data.duplicates.relations import RelationKind, RelationRow
from petmood.data.index import DataIndex, IndexRow, Role, Split
from petmood.data.validation.image_scores import ImageScores
from petmood.data.validation.issue_kinds import IssueKind
from petmood.data.validation.issues import find_conflicts
from petmood.data.validation.photo_issues import (
    IssueReport,
    LabelScore,
    PhotoIssue,
    ScoredLabels,
    find_issues,
    in_review,
)

NEAR, RELATED = RelationKind.NEAR_DUPLICATE, RelationKind.RELATED


def row(
    name: str, label: str = "sad", *, group: str = "", role: Role = Role.ORIGINAL, content: str = "", note: str = ""
) -> IndexRow:
    """Return the row of a photo in train, with bytes of its own."""
    digest = hashlib.sha256((content or name).encode()).hexdigest()
    return IndexRow(f"photos/{name}", digest, label, Split.TRAIN, group or name, role, 9, 9, "PNG", note=note)


def found(
    rows: Sequence[IndexRow],
    *,
    relations: Sequence[RelationRow] = (),
    labels: Mapping[str, LabelScore] | None = None,
    images: Mapping[str, ImageScores] | None = None,
) -> list[PhotoIssue]:
    """Return the issues of these rows."""
    index = DataIndex(tuple(rows))
    conflicts = find_conflicts(index, relations)
    return list(find_issues(index, labels=labels or {}, images=images or {}, relations=relations, conflicts=conflicts))


def relation(first: str, second: str, kind: RelationKind = NEAR) -> RelationRow:
    """Return a relation between two photos."""
    return RelationRow(f"photos/{first}", f"photos/{second}", kind, "60 inliers")


def test_a_label_error_takes_its_copies_of_the_same_label_along() -> None:
    rows = [
        row("a", group="g"),
        row("a-copy", group="g", role=Role.NEAR_DUPLICATE),
        row("a-other", "happy", group="g", role=Role.NEAR_DUPLICATE),
        row("a-again", group="g"),
        row("b"),
    ]
    relations = [relation("a", "a-copy"), relation("a", "a-other"), relation("a", "a-again", RELATED)]
    labels = {"photos/a": LabelScore(0.1, "happy"), "photos/b": LabelScore(0.05, "happy")}
    errors = [one for one in found(rows, relations=relations, labels=labels) if one.kind == IssueKind.LABEL_ERROR]
    assert [(one.paths, one.score) for one in errors] == [
        (("photos/b",), 0.05),
        (("photos/a", "photos/a-copy"), 0.1),
    ]


def test_a_good_label_is_no_issue() -> None:
    assert found([row("a")], labels={"photos/a": LabelScore(0.9)}) == []


def test_conflicts_of_copies_come_before_those_of_related_photos() -> None:
    rows = [row("a", group="g"), row("b", "happy", group="g"), row("c", group="h"), row("d", "happy", group="h")]
    issues = found(rows, relations=[relation("a", "b", RELATED), relation("c", "d")])
    conflicts = [one.paths for one in issues if one.kind == IssueKind.LABEL_CONFLICT]
    assert conflicts == [("photos/d", "photos/c"), ("photos/b", "photos/a")]
    assert [one.paths for one in issues if one.kind == IssueKind.NEAR_DUPLICATES] == [("photos/c", "photos/d")]


def test_the_first_photos_of_a_conflict_show_every_label() -> None:
    rows = [row("a", group="g"), row("b", group="g"), row("c", "happy", group="g")]
    issues = found(rows, relations=[relation("a", "b"), relation("b", "c")])
    assert issues[0].paths == ("photos/c", "photos/b", "photos/a")


def test_near_duplicates_are_joined_across_pairs_with_the_original_first() -> None:
    rows = [row("b", group="g"), *(row(name, group="g", role=Role.NEAR_DUPLICATE) for name in "ac")]
    (issue,) = found(rows, relations=[relation("a", "b"), relation("b", "c")])
    assert (issue.kind, issue.paths) == (IssueKind.NEAR_DUPLICATES, ("photos/b", "photos/a", "photos/c"))


def test_exact_duplicates_are_found_although_the_import_excluded_one() -> None:
    twin = row("b", content="a", role=Role.EXCLUDED, note="exact duplicate of photos/a")
    (issue,) = found([row("a"), twin])
    assert (issue.kind, issue.paths) == (IssueKind.EXACT_DUPLICATES, ("photos/a", "photos/b"))


def test_photos_that_were_dropped_as_leaking_are_not_examined() -> None:
    rows = (row("a"), row("b", content="a", role=Role.EXCLUDED, note="relative of test photo photos/a"))
    assert in_review(DataIndex(rows)) == rows[:1]
    assert found(rows) == []


def test_image_issues_are_sorted_by_kind_and_score_and_sizes_are_compared_with_one_another() -> None:
    usual = {f"photos/{n}": ImageScores({IssueKind.DARK: 0.9}, side_px=200.0 + n) for n in range(8)}
    images = {
        **usual,
        "photos/dim": ImageScores({IssueKind.DARK: 0.3, IssueKind.BLURRY: 0.1}, side_px=200),
        "photos/black": ImageScores({IssueKind.DARK: 0.0}, side_px=900),
    }
    kinds = [(one.kind, one.paths[0]) for one in found([row(path) for path in images], images=images)]
    assert kinds == [
        (IssueKind.DARK, "photos/black"),
        (IssueKind.DARK, "photos/dim"),
        (IssueKind.BLURRY, "photos/dim"),
        (IssueKind.ODD_SIZE, "photos/black"),
    ]


def test_the_summary_counts_photos_once_and_says_how_good_the_predictions_are() -> None:
    index = DataIndex((row("a"), row("b"), row("c")))
    twice = PhotoIssue(IssueKind.NEAR_DUPLICATES, ("photos/a", "photos/b"))
    again = PhotoIssue(IssueKind.NEAR_DUPLICATES, ("photos/b", "photos/c"))
    wrong = PhotoIssue(IssueKind.LABEL_ERROR, ("photos/a", "photos/b"), 0.1, "happy")
    report = IssueReport("pets", index, (wrong, twice, again), ScoredLabels({}, "a linear head", 0.5))
    assert report.counts[IssueKind.LABEL_ERROR] == 1, "its copy is corrected with it"
    assert report.counts[IssueKind.NEAR_DUPLICATES] == 3
    assert "pets: 3 photos examined" in report.summary()
    assert "near_duplicates        3  copies of one photo" in report.summary()
    assert "Labels are compared with a linear head: 50% of its predictions are the label." in report.summary()
    assert "No issues." in IssueReport("pets", index, (), report.labels).summary()

"""Tests of the kinds of issues: each has a description, and label errors come first."""

from petmood.data.validation.issue_kinds import DESCRIPTIONS, IssueKind


def test_every_kind_is_described_and_labels_come_before_pixels() -> None:
    assert tuple(DESCRIPTIONS) == tuple(IssueKind)
    assert list(IssueKind)[:3] == [IssueKind.CORRECTION, IssueKind.LABEL_ERROR, IssueKind.LABEL_CONFLICT]

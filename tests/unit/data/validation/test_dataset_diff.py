"""Tests of data version differences, with photos matched by SHA-256."""

from dataclasses import replace

from petmood.data.index import IndexRow, Role, Split
from petmood.data.validation.dataset_diff import diff_datasets


def row(
    letter: str, *, label: str = "happy", split: Split = Split.TRAIN, role: Role = Role.ORIGINAL, group: str = ""
) -> IndexRow:
    return IndexRow(f"photos/{letter}.png", letter * 64, label, split, group or letter, role, 32, 32, "PNG")


def test_photos_that_came_and_went_are_reported_by_their_bytes() -> None:
    change = diff_datasets([row("a"), row("b")], [replace(row("b"), path="photos/renamed.png"), row("c")])
    assert [one.path for one in change.added] == ["photos/c.png"]
    assert [one.path for one in change.removed] == ["photos/a.png"]
    assert [(both.old.path, both.new.path) for both in change.kept] == [("photos/b.png", "photos/renamed.png")]
    assert change.relabelled == change.moved == change.leaked == ()


def test_another_label_and_another_split_are_reported() -> None:
    last = [row("a"), row("b"), row("c", split=Split.TEST), row("d", split=Split.VALID)]
    new = [row("a", label="sad"), row("b", split=Split.TEST), row("c", split=Split.TRAIN), row("d", split=Split.TEST)]
    change = diff_datasets(last, new)
    assert [both.new.path for both in change.relabelled] == ["photos/a.png"]
    assert [both.new.path for both in change.moved] == ["photos/b.png", "photos/c.png", "photos/d.png"]
    assert [both.new.path for both in change.leaked] == ["photos/b.png"], "trained on before, judged by now"


def test_near_duplicates_of_trained_photos_may_not_evaluate() -> None:
    last = [row("a", group="rex"), row("b", group="tom", split=Split.TEST)]
    new = [row("c", group="rex", split=Split.TEST), row("d", group="tom", split=Split.TEST), row("e", group="rex")]
    assert [one.path for one in diff_datasets(last, new).duplicates_of_trained] == ["photos/c.png"]


def test_photos_that_are_used_nowhere_do_not_count() -> None:
    change = diff_datasets([row("a"), row("b", role=Role.EXCLUDED)], [row("a", role=Role.EXCLUDED), row("b")])
    assert [one.path for one in change.added] == ["photos/b.png"]
    assert [one.path for one in change.removed] == ["photos/a.png"]


def test_of_equal_photos_the_first_counts() -> None:
    twin = replace(row("a"), path="photos/z.png")
    assert diff_datasets([], [row("a"), twin]).added == (row("a"),)
    assert diff_datasets([row("a"), twin], []).removed == (row("a"),)


def test_new_photos_of_trained_groups_may_train_and_others_may_evaluate() -> None:
    last = [row("a", group="rex")]
    kinds = (("c", "rex", Split.VALID), ("d", "rex", Split.TRAIN), ("e", "tom", Split.VALID))
    new = [*last, *(row(letter, group=group, split=split) for letter, group, split in kinds)]
    assert [one.path for one in diff_datasets(last, new).duplicates_of_trained] == ["photos/c.png"]

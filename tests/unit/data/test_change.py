"""What has changed: photos are known by their bytes, whatever happens to their names."""

from dataclasses import replace

from petmood.data.change import compare
from petmood.data.index import IndexRow


def row(
    letter: str, *, mood: str = "happy", split: str = "train", role: str = "original", family: str = ""
) -> IndexRow:
    return IndexRow(f"photos/{letter}.png", letter * 64, mood, split, family or letter, role, 32, 32, "PNG")


def test_photos_that_came_and_went_are_told_by_their_bytes() -> None:
    change = compare([row("a"), row("b")], [replace(row("b"), path="photos/renamed.png"), row("c")])
    assert [one.path for one in change.added] == ["photos/c.png"]
    assert [one.path for one in change.removed] == ["photos/a.png"]
    assert [(both.last.path, both.new.path) for both in change.stayed] == [("photos/b.png", "photos/renamed.png")]
    assert change.relabelled == change.moved == change.leaked == ()


def test_another_mood_and_another_split_are_told() -> None:
    last = [row("a"), row("b"), row("c", split="test"), row("d", split="valid")]
    new = [row("a", mood="sad"), row("b", split="test"), row("c", split="train"), row("d", split="test")]
    change = compare(last, new)
    assert [both.new.path for both in change.relabelled] == ["photos/a.png"]
    assert [both.new.path for both in change.moved] == ["photos/b.png", "photos/c.png", "photos/d.png"]
    assert [both.new.path for both in change.leaked] == ["photos/b.png"], "trained on before, judged by now"


def test_kin_of_photos_that_were_trained_on_may_not_judge() -> None:
    last = [row("a", family="rex"), row("b", family="tom", split="test")]
    new = [row("c", family="rex", split="test"), row("d", family="tom", split="test"), row("e", family="rex")]
    assert [one.path for one in compare(last, new).trained_kin] == ["photos/c.png"]


def test_photos_that_are_used_nowhere_do_not_count() -> None:
    change = compare([row("a"), row("b", role="dropped")], [row("a", role="dropped"), row("b")])
    assert [one.path for one in change.added] == ["photos/b.png"]
    assert [one.path for one in change.removed] == ["photos/a.png"]


def test_of_equal_photos_the_first_counts() -> None:
    twin = replace(row("a"), path="photos/z.png")
    assert len(compare([], [row("a"), twin]).added) == 1

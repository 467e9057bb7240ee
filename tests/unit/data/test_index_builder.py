"""Tests of index rows: duplicates, contradictions, splits, leakage and near-duplicates."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import IndexRow, Split
from petmood.data.index_builder import ScannedPhoto, SplitPlan, build_index, split_notices
from petmood.data.photo_info import PhotoInfo
from petmood.data.sources.base import SourcePhoto
from petmood.data.split import Fractions

Pick = Callable[[frozenset[int]], set[int]]


class PhotoCollection:
    """Photos for one test: enough of every class in every split, and those that the test adds."""

    def __init__(self, *, official: bool = False) -> None:
        self.entries: list[ScannedPhoto] = []
        self._numbers: dict[str, int] = {}
        splits = tuple(Split) if official else (None,) * 6
        for label in DEFAULT_CLASSES:
            for k, split in enumerate(splits):
                self.add(f"base-{label}{k}", label=label, split=split)

    def add(
        self, name: str, *, label: str = "happy", split: Split | None = None, content: str = "", group: str = ""
    ) -> None:
        digest = sha256((content or name).encode()).hexdigest()
        facts = PhotoInfo(digest, 100, 80, "JPEG", "RGB")
        found = SourcePhoto(Path(name), name, label, split, "cat")
        content_id = self._numbers.setdefault(digest, len(self._numbers))
        number = self._numbers.setdefault(group or digest, len(self._numbers))
        self.entries.append(ScannedPhoto(found, facts, content_id, number))

    def rows(
        self,
        *,
        drop_leaking: bool = False,
        previous: dict[str, Split] | None = None,
        copies: tuple[str, ...] = (),
    ) -> dict[str, IndexRow]:
        numbers = {e.content_id for e in self.entries if e.source.name in copies}
        pick: Pick = lambda used: set(used - numbers)  # noqa: E731 - shorter than a function in a method
        plan = SplitPlan(Fractions(), 0, previous or {}, drop_leaking)
        rows = build_index(self.entries, plan=plan, pick_originals=pick)
        assert [row.path for row in rows] == sorted(row.path for row in rows)
        return {row.path.removeprefix("photos/"): row for row in rows}


def test_a_plain_photo_becomes_an_original_with_all_its_facts() -> None:
    photos = PhotoCollection()
    photos.add("x.jpg", label="sad")
    row = photos.rows()["x.jpg"]
    assert (row.label, row.role, row.width, row.height, row.format, row.species) == (
        "sad", "original", 100, 80, "JPEG", "cat",
    )  # fmt: skip
    assert row.sha256.startswith(row.group_id)
    assert row.note == ""


def test_of_exact_duplicates_the_first_by_name_is_kept() -> None:
    photos = PhotoCollection()
    for name in ("c.jpg", "a.jpg", "b.jpg"):
        photos.add(name, content="same")
    rows = photos.rows()
    assert [rows[name].role for name in ("a.jpg", "b.jpg", "c.jpg")] == ["original", "excluded", "excluded"]
    assert rows["c.jpg"].note == "exact duplicate of photos/a.jpg"
    assert rows["c.jpg"].split == rows["a.jpg"].split


def test_exact_duplicates_under_two_classes_are_all_dropped_and_name_each_other() -> None:
    photos = PhotoCollection()
    photos.add("a.jpg", label="sad", content="same")
    photos.add("b.jpg", label="happy", content="same")
    rows = photos.rows()
    assert {rows["a.jpg"].role, rows["b.jpg"].role} == {"excluded"}
    assert rows["a.jpg"].note == "same photo as photos/b.jpg, labeled happy"
    assert rows["b.jpg"].note == "same photo as photos/a.jpg, labeled sad"
    assert rows["a.jpg"].split == "train"


def test_copies_are_named_by_the_pick_and_share_their_originals_split() -> None:
    photos = PhotoCollection()
    photos.add("a.jpg", group="one")
    photos.add("b.jpg", group="one")
    rows = photos.rows(copies=("b.jpg",))
    assert (rows["a.jpg"].role, rows["b.jpg"].role) == ("original", "near_duplicate")
    assert rows["a.jpg"].group_id == rows["b.jpg"].group_id
    assert rows["a.jpg"].split == rows["b.jpg"].split


def test_official_splits_are_kept_and_an_earlier_import_does_not_change_them() -> None:
    photos = PhotoCollection(official=True)
    previous = {e.info.sha256: Split.TRAIN for e in photos.entries}
    rows = photos.rows(previous=previous)
    assert all(rows[e.source.name].split == e.source.split for e in photos.entries)


def test_photos_without_a_split_among_official_ones_are_assigned() -> None:
    photos = PhotoCollection(official=True)
    photos.add("late.jpg")
    photos.add("cousin.jpg", group="one")
    photos.add("tested.jpg", group="one", split=Split.TEST)
    rows = photos.rows()
    assert rows["late.jpg"].split in {"train", "valid", "test"}
    assert rows["cousin.jpg"].split == "test"


def test_splits_of_an_earlier_import_are_kept() -> None:
    photos = PhotoCollection()
    first = {row.sha256: row.split for row in photos.rows().values()}
    for k in range(8):
        photos.add(f"new{k}")
    again = photos.rows(previous=first)
    assert all(row.split == first[row.sha256] for row in again.values() if row.sha256 in first)


def leaking() -> PhotoCollection:
    photos = PhotoCollection(official=True)
    photos.add("in-train.jpg", group="leak", split=Split.TRAIN)
    photos.add("in-test.jpg", group="leak", split=Split.TEST)
    return photos


def test_a_group_across_official_splits_is_an_error_with_its_photos() -> None:
    with pytest.raises(DataError, match=r"test: photos/in-test.jpg = train: photos/in-train.jpg"):
        leaking().rows()


def test_dropping_leaks_drops_the_training_relative_and_names_the_evaluation_photo() -> None:
    rows = leaking().rows(drop_leaking=True)
    assert rows["in-test.jpg"].role == "original"
    assert rows["in-train.jpg"].role == "excluded"
    assert rows["in-train.jpg"].note == "relative of test photo photos/in-test.jpg"


def test_equal_bytes_across_official_splits_are_a_leak_as_well() -> None:
    photos = PhotoCollection(official=True)
    photos.add("a-train.jpg", content="same", split=Split.TRAIN)
    photos.add("b-test.jpg", content="same", split=Split.TEST)
    with pytest.raises(DataError, match="1 group has photos in two splits"):
        photos.rows()
    rows = photos.rows(drop_leaking=True)
    assert (rows["a-train.jpg"].role, rows["b-test.jpg"].role) == ("excluded", "original")


def test_the_choice_of_originals_is_made_among_what_is_left() -> None:
    seen: list[frozenset[int]] = []

    def pick(used: frozenset[int]) -> set[int]:
        seen.append(used)
        return set(used)

    photos = leaking()
    build_index(photos.entries, plan=SplitPlan(Fractions(), 0, {}, drop_leaking=True), pick_originals=pick)
    dropped = next(e.content_id for e in photos.entries if e.source.name == "in-train.jpg")
    assert [dropped in used for used in seen] == [False]


def test_a_label_missing_in_official_validation_is_refused() -> None:
    photos = PhotoCollection(official=True)
    photos.entries = [e for e in photos.entries if (e.source.label, e.source.split) != ("sad", "valid")]
    with pytest.raises(DataError, match="class 'sad' has 0 photos in valid"):
        photos.rows()


def test_dropped_photos_do_not_count_towards_the_fewest_groups() -> None:
    photos = PhotoCollection()
    photos.entries = [e for e in photos.entries if e.source.label != "sad"]
    for k in range(2):
        photos.add(f"s{k}", label="sad")
    photos.add("twice-a", label="sad", content="same")
    photos.add("twice-b", label="happy", content="same")
    with pytest.raises(DataError, match="class 'sad' has 2"):
        photos.rows()


def test_without_a_photo_in_valid_groups_of_train_are_moved_there_and_test_is_left_alone() -> None:
    photos = PhotoCollection()
    photos.entries.clear()
    for label in DEFAULT_CLASSES:
        for k in range(10):
            photos.add(f"{label}-train{k}", label=label, split=Split.TRAIN)
        photos.add(f"{label}-cousin", label=label, split=Split.TRAIN, group=f"{label}-train0")
        for k in range(3):
            photos.add(f"{label}-test{k}", label=label, split=Split.TEST)
    rows = photos.rows()
    for label in DEFAULT_CLASSES:
        counts = [sum(row.split == split for name, row in rows.items() if name.startswith(label)) for split in Split]
        assert counts[2] == 3
        assert 2 <= counts[1] <= 3
        assert counts[0] == 11 - counts[1]
        assert all(row.split == "test" for name, row in rows.items() if "-test" in name)
    assert len({(row.group_id, row.split) for row in rows.values()}) == len({row.group_id for row in rows.values()})
    moved = sum(row.split == "valid" for row in rows.values())
    assert split_notices(photos.entries, list(rows.values())) == (
        f"The source has no photo in valid: {moved} of its 44 training photos were moved there, by group.",
    )
    photos.add("happy-late", split=Split.TRAIN)
    again = photos.rows(previous={row.sha256: row.split for row in rows.values()})
    assert all(again[name].split == row.split for name, row in rows.items())


def test_a_source_with_a_photo_in_valid_keeps_its_splits_and_says_nothing() -> None:
    photos = PhotoCollection(official=True)
    rows = photos.rows()
    assert all(rows[entry.source.name].split == entry.source.split for entry in photos.entries)
    assert split_notices(photos.entries, list(rows.values())) == ()


def test_a_relative_follows_the_official_split_and_not_that_of_an_earlier_import() -> None:
    photos = PhotoCollection(official=True)
    photos.add("tested.jpg", group="one", split=Split.TEST)
    photos.add("cousin.jpg", group="one")
    rows = photos.rows(previous={sha256(b"tested.jpg").hexdigest(): Split.TRAIN})
    assert (rows["tested.jpg"].split, rows["cousin.jpg"].split) == ("test", "test")


def test_a_training_photo_of_the_source_never_goes_back_to_the_test_split_of_an_earlier_import() -> None:
    photos = PhotoCollection(official=True)
    photos.entries = [entry for entry in photos.entries if entry.source.split != Split.VALID]
    for label in DEFAULT_CLASSES:
        for k in range(5):
            photos.add(f"{label}{k}.jpg", label=label, split=Split.TRAIN)
    rows = photos.rows(previous={sha256(b"happy0.jpg").hexdigest(): Split.TEST})
    assert rows["happy0.jpg"].split in {"train", "valid"}
    assert {name for name, row in rows.items() if row.split == "test"} == {
        f"base-{label}2" for label in DEFAULT_CLASSES
    }


def test_a_group_is_called_by_its_smallest_hash_whatever_the_order_of_its_photos() -> None:
    photos = PhotoCollection()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        photos.add(name, group="one")
    rows = photos.rows()
    smallest = min(sha256(name.encode()).hexdigest() for name in ("a.jpg", "b.jpg", "c.jpg"))
    assert {rows[name].group_id for name in ("a.jpg", "b.jpg", "c.jpg")} == {smallest[:16]}

"""Tests of index rows: duplicates, contradictions, splits, leakage and near-duplicates."""

from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import IndexRow, Role, Split
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


def entry(
    name: str,
    label: str | None,
    split: Split | None,
    *,
    content: int,
    group: int | None = None,
    species: str = "",
) -> ScannedPhoto:
    """Return a photo whose hash consists of one digit: that of its content."""
    facts = PhotoInfo(f"{content:x}" * 64, 100 + content, 80, "JPEG", "RGB")
    found = SourcePhoto(Path(name), name, label, split, species)
    return ScannedPhoto(found, facts, content, content if group is None else group)


def build(
    entries: list[ScannedPhoto],
    *,
    copies: frozenset[int] = frozenset(),
    fractions: Fractions | None = None,
    seed: int = 0,
    previous: dict[str, Split] | None = None,
    classes: tuple[str, ...] = (),
) -> tuple[tuple[str, ...], ...]:
    """Return path, split, group, role and note of each row; groups are numbered by the first digit of their name."""
    made = SplitPlan(fractions or Fractions(), seed, previous or {}, drop_leaking=False, classes=classes)
    rows = build_index(entries, plan=made, pick_originals=lambda used: set(used - copies))
    assert all(row.group_id == row.group_id[0] * 16 for row in rows)
    return tuple((row.path, row.split.value, row.group_id[0], row.role.value, row.note) for row in rows)


OFFICIAL = [
    entry(f"{label}-{split}", label, split, content=3 * k + number)
    for k, label in enumerate(("happy", "sad"))
    for number, split in enumerate(Split)
]
OFFICIAL_ROWS = {
    (f"photos/{one.source.name}", str(one.source.split), f"{one.content_id}", "original", "") for one in OFFICIAL
}


def test_every_column_of_a_row_comes_from_its_photo() -> None:
    rows = build_index(
        [*OFFICIAL, entry("x.jpg", "sad", Split.TEST, content=9, group=5, species="cat")][::-1],
        plan=SplitPlan(Fractions(), 0, {}, drop_leaking=False),
        pick_originals=set,
    )
    assert rows[-1] == IndexRow(
        "photos/x.jpg", "9" * 64, "sad", Split.TEST, "5" * 16, Role.ORIGINAL, 109, 80, "JPEG", "cat"
    )
    assert [row.path for row in rows] == sorted(row.path for row in rows)


def test_contradictions_copies_and_duplicates_in_one_example() -> None:
    """Content 6: twice under `sad`, once under `happy`. 7: three times. 8 and 9: one group, 9 is a copy of 8."""
    extra = [
        entry("c1", "sad", Split.TRAIN, content=6),
        entry("c2", "happy", Split.TRAIN, content=6),
        entry("c3", "sad", Split.TRAIN, content=6),
        entry("d3", "sad", Split.TRAIN, content=7),
        entry("d1", "sad", Split.TRAIN, content=7),
        entry("d2", "sad", Split.TRAIN, content=7),
        entry("g1", "happy", Split.TEST, content=9, group=8),
        entry("g2", "happy", Split.TEST, content=8),
    ]
    rows = build([*OFFICIAL, *extra], copies=frozenset({9, 6}))
    assert set(rows) - OFFICIAL_ROWS == {
        ("photos/c1", "train", "6", "excluded", "same photo as photos/c2, labeled happy"),
        ("photos/c2", "train", "6", "excluded", "same photo as photos/c1, labeled sad"),
        ("photos/c3", "train", "6", "excluded", "same photo as photos/c2, labeled happy"),
        ("photos/d1", "train", "7", "original", ""),
        ("photos/d2", "train", "7", "excluded", "exact duplicate of photos/d1"),
        ("photos/d3", "train", "7", "excluded", "exact duplicate of photos/d1"),
        ("photos/g1", "test", "8", "near_duplicate", ""),
        ("photos/g2", "test", "8", "original", ""),
    }
    assert rows[:1] == (("photos/c1", "train", "6", "excluded", "same photo as photos/c2, labeled happy"),)


def test_photos_without_a_split_follow_their_group_and_excluded_ones_go_to_train() -> None:
    extra = [
        entry("a1", "sad", None, content=9, group=5),
        entry("b1", "sad", None, content=8),
        entry("b2", "happy", None, content=8),
        entry("c1", "happy", None, content=7, group=1),
        entry("c2", "sad", None, content=7, group=1),
    ]
    assert set(build([*OFFICIAL, *extra])) - OFFICIAL_ROWS == {
        ("photos/a1", "test", "5", "original", ""),
        ("photos/b1", "train", "8", "excluded", "same photo as photos/b2, labeled happy"),
        ("photos/b2", "train", "8", "excluded", "same photo as photos/b1, labeled sad"),
        ("photos/c1", "valid", "1", "excluded", "same photo as photos/c2, labeled sad"),
        ("photos/c2", "valid", "1", "excluded", "same photo as photos/c1, labeled happy"),
    }


def test_splits_are_made_by_the_shares_the_seed_and_an_earlier_import() -> None:
    entries = [
        entry(f"{label}{k}", label, None, content=5 * number + k)
        for number, label in enumerate(("happy", "sad"))
        for k in range(5)
    ]
    plans = ((0, Fractions()), (1, Fractions()), (1, Fractions(0.4, 0.6, 0.0)))
    splits = [[row[1] for row in build(entries, seed=seed, fractions=shares)] for seed, shares in plans]
    assert splits[0] != splits[1]
    assert Counter(splits[1]) == {"train": 6, "valid": 2, "test": 2}
    assert Counter(splits[2]) == {"train": 4, "valid": 6}
    known = build(entries, previous={"1" * 64: Split.TEST, "2" * 64: Split.VALID, "7" * 64: Split.TEST})
    assert [row[1] for row in known if row[0] in {"photos/happy1", "photos/happy2", "photos/sad2"}] == [
        "test", "valid", "test"
    ]  # fmt: skip


def test_classes_of_the_plan_need_photos_and_without_them_those_of_the_photos() -> None:
    build(OFFICIAL, classes=("happy",))
    with pytest.raises(DataError, match=r"class 'fear' has 0 photos in train .* class 'fear' has 0 photos in valid"):
        build(OFFICIAL, classes=("fear", "happy"))
    lonely = [*OFFICIAL, entry("x", "fear", Split.TRAIN, content=9)]
    with pytest.raises(DataError, match=r"class 'fear' has 0 photos in valid \(1 in train, 0 in test\)"):
        build(lonely)
    build(lonely, classes=("happy", "sad"))


def test_without_valid_its_share_of_train_and_valid_is_moved_by_seed_and_earlier_import() -> None:
    """0.3 of 0.4 + 0.3 is 3/7 of each class: of five training groups two, at any seed; an earlier split is kept."""
    entries = [
        entry(f"{label}{k}", label, Split.TRAIN, content=6 * number + k)
        for number, label in enumerate(("happy", "sad"))
        for k in range(5)
    ]
    entries += [entry(f"{label}-t", label, Split.TEST, content=12 + k) for k, label in enumerate(("happy", "sad"))]
    shares = Fractions(0.4, 0.3, 0.3)
    valid = {}
    for seed in (0, 1, 2):
        rows = build(entries, fractions=shares, seed=seed)
        assert Counter(row[1] for row in rows) == {"train": 6, "valid": 4, "test": 2}
        valid[seed] = tuple(row[0] for row in rows if row[1] == "valid")
    assert len(set(valid.values())) > 1
    kept = {"0" * 64: Split.VALID, "1" * 64: Split.VALID, "2" * 64: Split.TEST, "3" * 64: Split.TRAIN}
    rows = build(entries, fractions=shares, previous=kept)
    happy = {name: split for name, split, *_ in rows if name.startswith("photos/happy") and name[-1].isdigit()}
    assert happy == {
        "photos/happy0": "valid", "photos/happy1": "valid",
        **{f"photos/happy{k}": "train" for k in (2, 3, 4)},
    }  # fmt: skip


def test_photos_that_were_moved_to_valid_are_counted_among_those_of_train() -> None:
    entries = [
        entry("a", "sad", Split.TRAIN, content=1), entry("b", "sad", Split.TRAIN, content=2),
        entry("c", "sad", None, content=3), entry("d", "sad", Split.VALID, content=4),
    ]  # fmt: skip
    rows = [
        IndexRow(f"photos/{name}", name * 64, "sad", split, name, Role.ORIGINAL, 1, 1, "PNG")
        for name, split in (("a", Split.VALID), ("b", Split.TRAIN), ("c", Split.VALID), ("d", Split.VALID))
    ]
    assert split_notices(entries, rows) == (
        "The source has no photo in valid: 1 of its 2 training photos were moved there, by group.",
    )
    assert split_notices(entries, rows[1:]) == ()

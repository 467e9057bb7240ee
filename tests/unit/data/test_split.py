"""Tests of split assignment: undivided groups, stable known splits, and reported group leakage."""

from collections import Counter
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import IndexRow, Role, Split
from petmood.data.split import (
    DROPPED_AS_LEAKING,
    Fractions,
    assign_splits,
    check_class_sizes,
    check_no_group_leaks,
    drop_leaking_rows,
    find_group_leaks,
    winning_split,
)


def row(
    name: str,
    *,
    label: str = "happy",
    split: Split = Split.TRAIN,
    group: str = "",
    role: Role = Role.ORIGINAL,
    side: int = 100,
) -> IndexRow:
    digest = sha256(name.encode()).hexdigest()
    return IndexRow(f"photos/{name}", digest, label, split, group or name, role, side, side, "JPEG")


def many(count: int, *, prefix: str = "p") -> list[IndexRow]:
    return [row(f"{prefix}{k}-{label}", label=label) for k in range(count) for label in DEFAULT_CLASSES]


def test_every_label_gets_its_share_of_every_split() -> None:
    held = Counter((r.label, r.split) for r in assign_splits(many(40)))
    assert {held[label, Split.TRAIN] for label in DEFAULT_CLASSES} == {28}
    assert (
        {held[label, Split.VALID] for label in DEFAULT_CLASSES}
        == {held[label, Split.TEST] for label in DEFAULT_CLASSES}
        == {6}
    )


def test_three_groups_are_enough_for_one_in_each_split() -> None:
    held = Counter((r.label, r.split) for r in assign_splits(many(3)))
    assert set(held.values()) == {1}
    assert len(held) == 12


@pytest.mark.parametrize("count", [1, 2])
def test_a_label_with_too_few_groups_is_refused_with_its_name_and_count(count: int) -> None:
    rows = [r for r in many(5) if r.label != "sad"] + [row(f"s{k}", label="sad") for k in range(count)]
    with pytest.raises(DataError, match=f"at least 3 independent photos of each class: class 'sad' has {count}"):
        assign_splits(rows)


def test_two_copies_of_one_photo_are_one_group_and_too_few() -> None:
    rows = [row(f"s{k}", label="sad", group="one") for k in range(5)]
    with pytest.raises(DataError, match="class 'sad' has 1"):
        assign_splits(rows)


def test_the_seed_decides_and_the_order_of_rows_does_not() -> None:
    rows = many(20)
    first = {r.path: r.split for r in assign_splits(rows, seed=1)}
    assert {r.path: r.split for r in assign_splits(rows[::-1], seed=1)} == first
    assert {r.path: r.split for r in assign_splits(rows, seed=2)} != first


def test_names_of_files_and_groups_do_not_decide() -> None:
    rows = many(20)
    renamed = [replace(r, path=f"photos/new-{k}", group_id=f"new-{k}") for k, r in enumerate(rows)]
    before, after = assign_splits(rows), assign_splits(renamed)
    assert [r.split for r in before] == [r.split for r in after]


def test_known_photos_stay_where_they_are_when_photos_are_added() -> None:
    before = assign_splits(many(20))
    previous = {r.sha256: r.split for r in before}
    after = assign_splits([*many(20), *many(10, prefix="new")], previous=previous)
    assert all(r.split == previous[r.sha256] for r in after if r.sha256 in previous)
    held = Counter(r.split for r in after if r.label == "sad")
    assert held == {"train": 22, "valid": 4, "test": 4}


def test_a_new_photo_of_a_known_animal_joins_its_group() -> None:
    before = [replace(r, group_id=r.sha256) for r in assign_splits(many(10))]
    tested = next(r for r in before if r.split == "test")
    late = row("late", label=tested.label, group=tested.group_id)
    after = assign_splits([*before, late], previous={r.sha256: r.split for r in before})
    assert after[-1].split == "test"


def test_two_groups_joined_by_a_new_photo_go_to_the_stronger_split() -> None:
    rows = [*many(5), row("a", group="joined"), row("b", group="joined")]
    previous = {rows[-1].sha256: Split.TRAIN, rows[-2].sha256: Split.VALID}
    assert {r.split for r in assign_splits(rows, previous=previous)[-2:]} == {"valid"}


def test_a_group_with_two_classes_counts_for_its_most_frequent_one() -> None:
    rows = [r for r in many(5) if r.label != "sad"]
    rows += [row("s1", label="sad"), row("s2", label="sad")]
    rows += [row("m1", label="sad", group="m"), row("m2", label="sad", group="m"), row("m3", group="m")]
    assert len({r.split for r in assign_splits(rows) if r.group_id == "m"}) == 1


def test_without_a_share_for_testing_there_is_no_test_split() -> None:
    held = Counter(r.split for r in assign_splits(many(10), fractions=Fractions(0.8, 0.2, 0.0)))
    assert held == {"train": 32, "valid": 8}


@pytest.mark.parametrize("shares", [(0.5, 0.2, 0.2), (1.0, 0.0, 0.0), (0.0, 0.5, 0.5), (1.1, 0.2, -0.3)])
def test_shares_that_make_no_sense_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(DataError, match="sum to 1"):
        Fractions(*shares)


@settings(max_examples=40, deadline=None)
@given(groups=st.lists(st.integers(0, 25), min_size=30, max_size=120), seed=st.integers(0, 99))
def test_assigned_splits_have_no_group_leak(groups: list[int], seed: int) -> None:
    rows = [row(f"{k}", label=DEFAULT_CLASSES[f % 4], group=f"f{f}") for k, f in enumerate(groups)]
    rows += many(3)
    assert find_group_leaks(assign_splits(rows, seed=seed)) == []


def test_the_strongest_split_is_the_one_that_is_measured_on() -> None:
    assert winning_split([Split.TRAIN, Split.VALID]) == "valid"
    assert winning_split([Split.VALID, Split.TEST, Split.TRAIN]) == "test"


LEAKING = [
    row("a", split=Split.TRAIN, group="x", side=300),
    row("b", split=Split.TEST, group="x"),
    row("c", split=Split.VALID, group="x"),
    row("d", split=Split.TRAIN, group="y"),
    row("e", split=Split.TRAIN, group="y"),
    row("f", split=Split.VALID, group="y", role=Role.EXCLUDED),
]


def test_a_group_across_splits_is_listed_strongest_first_and_dropped_photos_do_not_count() -> None:
    (leak,) = find_group_leaks(LEAKING)
    assert leak.group_id == "x"
    assert leak.splits == ("test", "valid", "train")
    assert str(leak) == "test: photos/b = valid: photos/c = train: photos/a"


def test_forcing_a_group_apart_is_an_error_with_the_list() -> None:
    with pytest.raises(DataError, match=r"1 group has photos in two splits(.|\n)*photos/b(.|\n)*--drop-leaking"):
        check_no_group_leaks(LEAKING)
    check_no_group_leaks(LEAKING[3:])


def test_a_long_list_of_leaks_is_cut_and_counted() -> None:
    rows = [row(f"{k}{s}", split=s, group=f"f{k}") for k in range(30) for s in (Split.TRAIN, Split.TEST)]
    with pytest.raises(DataError, match=r"30 groups have photos in two splits(.|\n)*and 10 more"):
        check_no_group_leaks(rows)


def test_dropping_leaks_keeps_the_evaluation_photo_and_names_it_in_the_note() -> None:
    kept = {r.path: r for r in drop_leaking_rows(LEAKING)}
    assert kept["photos/b"].role == "original"
    for name in ("photos/a", "photos/c"):
        assert kept[name].role == "excluded"
        assert kept[name].note == f"{DROPPED_AS_LEAKING}test photo photos/b"
    assert kept["photos/d"] == LEAKING[3]
    assert find_group_leaks(kept.values()) == []


def test_where_the_original_is_dropped_the_largest_copy_that_is_left_takes_its_place() -> None:
    rows = [
        row("a", split=Split.TRAIN, group="x"),
        row("b", split=Split.TEST, group="x", role=Role.NEAR_DUPLICATE, side=50),
        row("c", split=Split.TEST, group="x", role=Role.NEAR_DUPLICATE, side=60),
    ]
    assert [r.role for r in drop_leaking_rows(rows)] == ["excluded", "near_duplicate", "original"]


def test_a_label_missing_in_training_or_validation_is_refused_with_its_counts() -> None:
    rows = [
        row(f"{label}{split}", label=label, split=split)
        for label in DEFAULT_CLASSES
        for split in (Split.TRAIN, Split.VALID)
    ]
    check_class_sizes(rows, classes=DEFAULT_CLASSES)
    lacking = [r for r in rows if (r.label, r.split) != ("sad", "valid")]
    with pytest.raises(DataError, match=r"class 'sad' has 0 photos in valid \(1 in train, 0 in test\)"):
        check_class_sizes(lacking, classes=DEFAULT_CLASSES)
    with pytest.raises(DataError, match="class 'sad' has 0 photos in valid"):
        check_class_sizes(
            [replace(r, role=Role.NEAR_DUPLICATE) if r not in lacking else r for r in rows], classes=DEFAULT_CLASSES
        )

"""Tests of split assignment: undivided groups, stable known splits, and reported group leakage."""

from collections import Counter
from collections.abc import Callable
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


def text(call: Callable[[], object]) -> str:
    """Return the message of a refusal."""
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


def test_fractions_are_refused_with_all_three_and_the_default() -> None:
    assert text(lambda: Fractions(0.5, 0.2, 0.2)) == (
        "Expected split fractions that sum to 1 with train and valid over 0, got train 0.5, valid 0.2, test 0.2. "
        "The default is 0.7, 0.15, 0.15."
    )
    assert Fractions() == Fractions(0.7, 0.15, 0.15)


@pytest.mark.parametrize(
    ("shares", "good"),
    [
        ((0.5, 0.5, 0.0), True),
        ((0.5, 0.5, 9e-7), True),
        ((0.5, 0.5, 1.1e-6), False),
        ((0.5, 0.499_998, 0.0), False),
        ((0.0, 1.0, 0.0), False),
        ((1.0, 0.0, 0.0), False),
        ((0.6, 0.6, -0.2), False),
        ((2.0, 1.0, -2.0), False),
    ],
)
def test_fractions_are_over_zero_and_sum_to_one_up_to_a_millionth(
    shares: tuple[float, float, float], *, good: bool
) -> None:
    if good:
        assert Fractions(*shares).train == shares[0]
    else:
        assert "sum to 1" in text(lambda: Fractions(*shares))


@pytest.mark.parametrize(
    ("fractions", "groups", "expected"),
    [
        (Fractions(), 40, (28, 6, 6)),
        (Fractions(), 10, (6, 2, 2)),
        (Fractions(), 3, (1, 1, 1)),
        (Fractions(), 1, (1, 1, 1)),
        (Fractions(0.2, 0.4, 0.4), 5, (1, 2, 2)),
        (Fractions(0.8, 0.2, 0.0), 10, (8, 2, 0)),
        (Fractions(0.9, 0.1, 0.0), 3, (2, 1, 0)),
        (Fractions(0.5, 0.3, 0.2), 11, (6, 3, 2)),
    ],
)
def test_quotas_of_groups_are_rounded_shares_and_at_least_one(
    fractions: Fractions, groups: int, expected: tuple[int, int, int]
) -> None:
    assert fractions.quotas(groups) == dict(zip(Split, expected, strict=True))


def test_groups_are_ranked_by_a_hash_of_the_seed_and_their_smallest_hash() -> None:
    """One class of four groups with quotas 2, 1, 1: the first two in rank train, then one validates, one tests.

    Of equally needy splits train comes first, then valid: 2-1-1, then 1-1-1 and so on.
    """
    rows = [row(f"{k}{half}", group=f"g{k}") for k in range(4) for half in "ab"]
    smallest = {f"g{k}": min(sha256(f"{k}{half}".encode()).hexdigest() for half in "ab") for k in range(4)}
    for seed in (0, 5):
        ranked = sorted(smallest, key=lambda group: sha256(f"{seed}:{smallest[group]}".encode()).hexdigest())
        expected = dict(zip(ranked, ("train", "train", "valid", "test"), strict=True))
        assert {r.group_id: r.split for r in assign_splits(rows, seed=seed)} == expected
    assert assign_splits(rows) == assign_splits(rows, seed=0, fractions=Fractions(), previous={})


def test_groups_with_a_known_photo_fill_the_quotas_first() -> None:
    """Quotas of six groups are 4, 1, 1; four are known to test, so five lack in train, and one in valid."""
    rows = [row(f"{k}") for k in range(6)]
    previous = {r.sha256: Split.TEST for r in rows[:4]}
    held = Counter(r.split for r in assign_splits(rows, previous=previous))
    assert held == {"test": 4, "train": 2}
    previous = {r.sha256: Split.TRAIN for r in rows[:4]}
    assert Counter(r.split for r in assign_splits(rows, previous=previous)) == {"train": 4, "valid": 1, "test": 1}


def test_two_groups_of_a_class_that_are_both_known_are_enough() -> None:
    rows = [row("a"), row("b")]
    previous = {rows[0].sha256: Split.TRAIN, rows[1].sha256: Split.VALID}
    assert [r.split for r in assign_splits(rows, previous=previous)] == ["train", "valid"]


def test_every_class_with_too_few_new_groups_is_named() -> None:
    rows = [
        row("s1", label="sad"),
        row("a1", label="angry"),
        row("a2", label="angry"),
        *(row(f"h{k}") for k in range(3)),
    ]
    assert text(lambda: assign_splits(rows)) == (
        "Automatic splits need at least 3 independent photos of each class: class 'angry' has 2; class 'sad' has 1. "
        "Add photos, join classes with --map, or give the splits yourself."
    )


@pytest.mark.parametrize(("labels", "counted_for"), [(("sad", "happy", "sad"), "sad"), (("sad", "happy"), "happy")])
def test_a_mixed_group_counts_for_its_most_frequent_class_and_of_two_for_the_first(
    labels: tuple[str, ...], counted_for: str
) -> None:
    """Two more groups of one class are enough only if the mixed one counts for it."""
    mixed = [row(f"m{k}", label=label, group="m") for k, label in enumerate(labels)]
    for label in ("sad", "happy"):
        rows = [*mixed, *(row(f"{label}{k}", label=label) for k in range(2))]
        if label == counted_for:
            assert len({r.split for r in assign_splits(rows) if r.group_id != "m"}) == 2
        else:
            assert f"class '{label}' has 2" in text(lambda: assign_splits(rows))  # noqa: B023 - called at once


def leaks(count: int) -> list[IndexRow]:
    return [row(f"{k:02d}{s}", split=s, group=f"f{k:02d}") for k in range(count) for s in (Split.TRAIN, Split.TEST)]


@pytest.mark.parametrize(("count", "more"), [(20, ""), (21, "  ... and 1 more\n")])
def test_twenty_leaks_are_listed_in_full_and_of_more_the_rest_is_counted(count: int, more: str) -> None:
    listed = "".join(f"  test: photos/{k:02d}test = train: photos/{k:02d}train\n" for k in range(20))
    assert text(lambda: check_no_group_leaks(leaks(count)[::-1])) == (
        f"{count} groups have photos in two splits (group leakage):\n{listed}{more}"
        "Import with --drop-leaking to drop the training photos of these groups."
    )


def test_a_single_leak_is_one_group_and_hidden_characters_of_its_names_are_shown() -> None:
    rows = [row("a\u2028", group="x"), row("b", split=Split.VALID, group="x"), row("a", split=Split.VALID, group="x")]
    assert text(lambda: check_no_group_leaks(rows, shown=1)) == (
        "1 group has photos in two splits (group leakage):\n"
        "  valid: photos/a = valid: photos/b = train: photos/a\\u2028\n"
        "Import with --drop-leaking to drop the training photos of these groups."
    )


def test_of_copies_that_are_left_the_largest_area_is_the_original_and_of_equal_ones_the_first() -> None:
    def copy(name: str, width: int, height: int, split: Split = Split.TEST) -> IndexRow:
        return replace(row(name, split=split, group="x", role=Role.NEAR_DUPLICATE), width=width, height=height)

    rows = [
        row("a", group="x"),
        copy("d", 10, 100),
        copy("b", 100, 20),
        copy("c", 20, 100),
        replace(copy("0", 900, 900), role=Role.EXCLUDED),
        copy("t", 900, 900, Split.VALID),
        row("z", group="y"),
    ]
    assert [(r.path, r.role, r.note) for r in drop_leaking_rows(rows)] == [
        ("photos/a", "excluded", "relative of test photo photos/b"),
        ("photos/d", "near_duplicate", ""),
        ("photos/b", "original", ""),
        ("photos/c", "near_duplicate", ""),
        ("photos/0", "excluded", ""),
        ("photos/t", "excluded", "relative of test photo photos/b"),
        ("photos/z", "original", ""),
    ]


def test_every_class_and_split_without_an_original_is_named() -> None:
    rows = [row("a"), row("b", split=Split.TEST), row("c", split=Split.TEST), row("d", label="sad", split=Split.VALID)]
    assert text(lambda: check_class_sizes(rows, classes=["happy", "sad"])) == (
        "Every class needs original photos in train and valid: "
        "class 'happy' has 0 photos in valid (1 in train, 2 in test); "
        "class 'sad' has 0 photos in train (1 in valid, 0 in test). "
        "Add photos, or leave the split folders out to have splits made."
    )

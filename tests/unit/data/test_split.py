"""Splits: families stay whole, known photos stay put, leaks are never silent."""

from collections import Counter
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petmood.core.errors import DataError
from petmood.core.moods import MOODS
from petmood.data.index import IndexRow
from petmood.data.split import (
    MENDED,
    Fractions,
    assign_splits,
    mend,
    refuse_small_classes,
    refuse_straddling,
    straddling,
    strongest,
)


def row(
    name: str, *, mood: str = "happy", split: str = "", family: str = "", role: str = "original", side: int = 100
) -> IndexRow:
    digest = sha256(name.encode()).hexdigest()
    return IndexRow(f"photos/{name}", digest, mood, split, family or name, role, side, side, "JPEG")


def many(count: int, *, prefix: str = "p") -> list[IndexRow]:
    return [row(f"{prefix}{k}-{mood}", mood=mood) for k in range(count) for mood in MOODS]


def test_every_mood_gets_its_share_of_every_split() -> None:
    held = Counter((r.mood, r.split) for r in assign_splits(many(40)))
    assert {held[mood, "train"] for mood in MOODS} == {28}
    assert {held[mood, "valid"] for mood in MOODS} == {held[mood, "test"] for mood in MOODS} == {6}


def test_three_families_are_enough_for_one_in_each_split() -> None:
    held = Counter((r.mood, r.split) for r in assign_splits(many(3)))
    assert set(held.values()) == {1}
    assert len(held) == 12


@pytest.mark.parametrize("count", [1, 2])
def test_a_mood_with_too_few_families_is_refused_with_its_name_and_count(count: int) -> None:
    rows = [r for r in many(5) if r.mood != "sad"] + [row(f"s{k}", mood="sad") for k in range(count)]
    with pytest.raises(DataError, match=f"Mood 'sad' has {count} independent photo"):
        assign_splits(rows)


def test_two_copies_of_one_photo_are_one_family_and_too_few() -> None:
    rows = [row(f"s{k}", mood="sad", family="one") for k in range(5)]
    with pytest.raises(DataError, match="has 1 independent photo;"):
        assign_splits(rows)


def test_the_seed_decides_and_the_order_of_rows_does_not() -> None:
    rows = many(20)
    first = {r.path: r.split for r in assign_splits(rows, seed=1)}
    assert {r.path: r.split for r in assign_splits(rows[::-1], seed=1)} == first
    assert {r.path: r.split for r in assign_splits(rows, seed=2)} != first


def test_names_of_files_and_families_do_not_decide() -> None:
    rows = many(20)
    renamed = [replace(r, path=f"photos/new-{k}", family=f"new-{k}") for k, r in enumerate(rows)]
    before, after = assign_splits(rows), assign_splits(renamed)
    assert [r.split for r in before] == [r.split for r in after]


def test_known_photos_stay_where_they_are_when_photos_are_added() -> None:
    before = assign_splits(many(20))
    previous = {r.sha256: r.split for r in before}
    after = assign_splits([*many(20), *many(10, prefix="new")], previous=previous)
    assert all(r.split == previous[r.sha256] for r in after if r.sha256 in previous)
    held = Counter(r.split for r in after if r.mood == "sad")
    assert held == {"train": 22, "valid": 4, "test": 4}


def test_a_new_photo_of_a_known_animal_joins_its_family() -> None:
    before = [replace(r, family=r.sha256) for r in assign_splits(many(10))]
    tested = next(r for r in before if r.split == "test")
    late = row("late", mood=tested.mood, family=tested.family)
    after = assign_splits([*before, late], previous={r.sha256: r.split for r in before})
    assert after[-1].split == "test"


def test_two_families_joined_by_a_new_photo_go_to_the_stronger_split() -> None:
    rows = [*many(5), row("a", family="joined"), row("b", family="joined")]
    previous = {rows[-1].sha256: "train", rows[-2].sha256: "valid"}
    assert {r.split for r in assign_splits(rows, previous=previous)[-2:]} == {"valid"}


def test_a_family_with_two_moods_counts_for_its_most_frequent_one() -> None:
    rows = [r for r in many(5) if r.mood != "sad"]
    rows += [row("s1", mood="sad"), row("s2", mood="sad")]
    rows += [row("m1", mood="sad", family="m"), row("m2", mood="sad", family="m"), row("m3", family="m")]
    assert len({r.split for r in assign_splits(rows) if r.family == "m"}) == 1


def test_without_a_share_for_testing_there_is_no_test_split() -> None:
    held = Counter(r.split for r in assign_splits(many(10), fractions=Fractions(0.8, 0.2, 0.0)))
    assert held == {"train": 32, "valid": 8}


@pytest.mark.parametrize("shares", [(0.5, 0.2, 0.2), (1.0, 0.0, 0.0), (0.0, 0.5, 0.5), (1.1, 0.2, -0.3)])
def test_shares_that_make_no_sense_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(DataError, match="sum to 1"):
        Fractions(*shares)


@settings(max_examples=40, deadline=None)
@given(families=st.lists(st.integers(0, 25), min_size=30, max_size=120), seed=st.integers(0, 99))
def test_no_family_ever_straddles_what_was_assigned(families: list[int], seed: int) -> None:
    rows = [row(f"{k}", mood=MOODS[f % 4], family=f"f{f}") for k, f in enumerate(families)]
    rows += many(3)
    assert straddling(assign_splits(rows, seed=seed)) == []


def test_the_strongest_split_is_the_one_that_is_measured_on() -> None:
    assert strongest(["train", "valid"]) == "valid"
    assert strongest(["valid", "test", "train"]) == "test"


LEAKING = [
    row("a", split="train", family="x", side=300),
    row("b", split="test", family="x"),
    row("c", split="valid", family="x"),
    row("d", split="train", family="y"),
    row("e", split="train", family="y"),
    row("f", split="valid", family="y", role="dropped"),
]


def test_a_family_across_splits_is_listed_strongest_first_and_dropped_photos_do_not_count() -> None:
    (leak,) = straddling(LEAKING)
    assert leak.family == "x"
    assert leak.splits == ("test", "valid", "train")
    assert str(leak) == "test: photos/b = valid: photos/c = train: photos/a"


def test_forcing_a_family_apart_is_an_error_with_the_list() -> None:
    with pytest.raises(DataError, match=r"1 family straddles(.|\n)*photos/b(.|\n)*--mend"):
        refuse_straddling(LEAKING)
    refuse_straddling(LEAKING[3:])


def test_a_long_list_of_leaks_is_cut_and_counted() -> None:
    rows = [row(f"{k}{s}", split=s, family=f"f{k}") for k in range(30) for s in ("train", "test")]
    with pytest.raises(DataError, match=r"30 families straddle(.|\n)*and 10 more"):
        refuse_straddling(rows)


def test_mending_keeps_the_evaluation_photo_and_names_it_in_the_note() -> None:
    mended = {r.path: r for r in mend(LEAKING)}
    assert mended["photos/b"].role == "original"
    for name in ("photos/a", "photos/c"):
        assert mended[name].role == "dropped"
        assert mended[name].note == f"{MENDED}test photo photos/b"
    assert mended["photos/d"] == LEAKING[3]
    assert straddling(mended.values()) == []


def test_where_the_original_is_dropped_the_largest_copy_that_is_left_takes_its_place() -> None:
    rows = [
        row("a", split="train", family="x"),
        row("b", split="test", family="x", role="copy", side=50),
        row("c", split="test", family="x", role="copy", side=60),
    ]
    assert [r.role for r in mend(rows)] == ["dropped", "copy", "original"]


def test_a_mood_missing_in_training_or_validation_is_refused_with_its_counts() -> None:
    rows = [row(f"{mood}{split}", mood=mood, split=split) for mood in MOODS for split in ("train", "valid")]
    refuse_small_classes(rows)
    lacking = [r for r in rows if (r.mood, r.split) != ("sad", "valid")]
    with pytest.raises(DataError, match=r"mood 'sad' has 0 photos in valid \(1 in train, 0 in test\)"):
        refuse_small_classes(lacking)
    with pytest.raises(DataError, match="mood 'sad' has 0 photos in valid"):
        refuse_small_classes([replace(r, role="copy") if r not in lacking else r for r in rows])

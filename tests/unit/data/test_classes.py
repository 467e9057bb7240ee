"""Tests of the classes of a dataset: renamed, refused, counted, and taken."""

import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from petmood.core.errors import ConfigError, DataError
from petmood.core.labels import DEFAULT_CLASSES, normalize_label
from petmood.data.classes import ClassOptions, check_known_labels, labels_of, parse_class_options, resolve_classes
from petmood.data.sources.base import SourcePhoto
from tests.support.evaluation import MakeRows


def photos(**counts: int) -> list[SourcePhoto]:
    """Return entries of a source, so many of each label."""
    return [
        SourcePhoto(Path(f"{label}-{k}.jpg"), f"{label}/{k}.jpg", normalize_label(label))
        for label, count in counts.items()
        for k in range(count)
    ]


def test_the_default_classes_are_taken_without_a_word() -> None:
    found = resolve_classes(photos(angry=3, happy=4, other=3, sad=3), ClassOptions())
    assert (found.classes, found.notices) == (DEFAULT_CLASSES, ())
    assert all(entry.label and not entry.problem for entry in found.entries)


def test_other_classes_are_taken_with_one_line_and_counts() -> None:
    found = resolve_classes(photos(relaxed=2, angry=3, fear=1), ClassOptions())
    assert found.classes == ("angry", "fear", "relaxed")
    (notice,) = found.notices
    assert "fear (1 photo), relaxed (2 photos)" in notice
    assert "\n" not in notice


def test_two_of_the_default_classes_are_a_dataset_of_two() -> None:
    assert resolve_classes(photos(happy=3, sad=3), ClassOptions()).classes == ("happy", "sad")


def test_a_class_is_renamed_and_joins_another() -> None:
    options = parse_class_options(["Relaxed=other", "HAPPY=happy"])
    found = resolve_classes(photos(relaxed=2, happy=3, other=1), options)
    assert found.classes == ("happy", "other")
    assert Counter(entry.label for entry in found.entries) == {"happy": 3, "other": 3}
    assert found.notices == ()


def test_every_slip_is_refused_with_its_count_and_the_two_ways_on() -> None:
    with pytest.raises(DataError) as caught:
        resolve_classes(photos(hapy=2, happy=9, angri=1, sad=3), ClassOptions())
    text = str(caught.value)
    assert "2 class names need a decision; nothing was imported." in text
    assert "'hapy' (2 photos) looks like 'happy': --map \"hapy=happy\" renames it, --map \"hapy=hapy\" takes it" in text
    assert "'angri' (1 photo) looks like 'angry'" in text


def test_a_slip_mapped_to_itself_is_taken_and_one_mapped_to_the_class_is_renamed() -> None:
    entries = photos(hapy=2, happy=9, sad=3)
    assert resolve_classes(entries, parse_class_options(["hapy=hapy"])).classes == ("happy", "hapy", "sad")
    assert resolve_classes(entries, parse_class_options(["hapy=happy"])).classes == ("happy", "sad")


def test_of_two_unknown_names_the_rarer_one_is_the_slip() -> None:
    with pytest.raises(DataError, match=r"'relaxd' \(1 photo\) looks like 'relaxed'") as caught:
        resolve_classes(photos(relaxed=5, relaxd=1, sad=3), ClassOptions())
    assert "'relaxed' (5 photos)" not in str(caught.value)


def test_a_map_to_a_slip_is_refused_like_the_slip() -> None:
    with pytest.raises(DataError, match="'othr'"):
        resolve_classes(photos(relaxed=5, happy=3), parse_class_options(["relaxed=othr"]))


def test_a_name_that_no_class_can_have_is_refused_and_can_be_mapped() -> None:
    entries = [SourcePhoto(Path("x"), "x", "happy!"), *photos(happy=1, sad=3)]
    with pytest.raises(DataError, match=r"'happy!' \(1 photo\) can't be a class: --map \"happy!=NAME\""):
        resolve_classes(entries, ClassOptions())
    assert resolve_classes(entries, parse_class_options(["Happy!=happy"])).classes == ("happy", "sad")


@pytest.mark.parametrize("entries", [photos(happy=7), [], [SourcePhoto(Path("x"), "x", None, problem="p", code="c")]])
def test_one_class_alone_is_refused_with_its_count(entries: list[SourcePhoto]) -> None:
    with pytest.raises(DataError, match=r"Expected photos of two classes or more, got: (happy \(7|no labeled)"):
        resolve_classes(entries, ClassOptions())


def test_with_a_list_of_classes_others_are_problems_of_their_photos() -> None:
    entries = photos(angry=3, happy=3, confused=2)
    for found in (
        resolve_classes(entries, parse_class_options([], allowed="happy, Angry")),
        resolve_classes(entries, ClassOptions(), known=("angry", "happy")),
    ):
        assert found.classes == ("angry", "happy")
        refused = [entry for entry in found.entries if entry.problem]
        assert {(entry.label, entry.code) for entry in refused} == {(None, "unknown_class")}
        assert refused[0].problem == "unknown class 'confused'; known: angry, happy"
        assert len(refused) == 2


def test_a_listed_class_without_photos_is_refused_with_the_counts() -> None:
    with pytest.raises(DataError, match=r"--classes names 'fear', without a photo\. The source has: angry \(3"):
        resolve_classes(photos(angry=3, happy=3), parse_class_options([], allowed="angry,happy,fear"))


def test_a_map_of_a_class_that_no_photo_has_is_refused() -> None:
    with pytest.raises(DataError, match=r"No photo has 'relaxt', which --map names. The source has: happy \(1 photo\)"):
        resolve_classes(photos(happy=1, relaxed=1), parse_class_options(["relaxt=other"]))


@pytest.mark.parametrize(
    ("renamed", "allowed", "told"),
    [
        (["relaxed"], "", "Expected --map OLD=NEW with two class names, got 'relaxed'"),
        (["=other"], "", "got '=other'"),
        (["relaxed="], "", "got 'relaxed='"),
        (["a=b", "A=c"], "", "gives 'a' two classes, 'b' and 'c'"),
        (["relaxed=../x"], "", r"'\.\./x' can't be a class"),
        ([], "happy", "Expected two classes or more in --classes"),
        ([], "happy,s/d", "'s/d' can't be a class"),
    ],
)
def test_unusable_options_are_refused_in_one_line(renamed: list[str], allowed: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        parse_class_options(renamed, allowed=allowed)
    assert "\n" not in str(caught.value)


def test_labels_that_a_model_does_not_have_are_reported_in_one_line() -> None:
    check_known_labels(["happy"], classes=DEFAULT_CLASSES)
    with pytest.raises(DataError, match=r"have 'relaxed', but the classes of the run x are angry, .*--map") as caught:
        check_known_labels(["relaxed", "happy"], classes=DEFAULT_CLASSES, owner="the run x")
    assert "\n" not in str(caught.value)


@given(st.dictionaries(st.sampled_from(["happy", "Ängstlich", "sad", "müde", "calm"]), st.integers(1, 5), min_size=2))
def test_classes_are_sorted_normal_forms_however_the_names_are_encoded(counts: dict[str, int]) -> None:
    for form in ("NFC", "NFD"):
        entries = photos(**{unicodedata.normalize(form, label): count for label, count in counts.items()})
        found = resolve_classes(entries, ClassOptions())
        assert found.classes == tuple(sorted(normalize_label(label) for label in counts))


def test_labels_are_places_among_the_classes(make_rows: MakeRows) -> None:
    rows = make_rows(8)
    for classes in (DEFAULT_CLASSES, ("sad", *DEFAULT_CLASSES[:3], "zany")):
        assert [classes[label] for label in labels_of(rows, classes=classes)] == [row.label for row in rows]
    assert labels_of([], classes=DEFAULT_CLASSES).dtype == np.int64


def test_a_row_outside_of_the_classes_has_no_number(make_rows: MakeRows) -> None:
    with pytest.raises(DataError, match=r"The photos have 'sad', but the classes of the model are angry, happy, other"):
        labels_of(make_rows(8), classes=("angry", "happy", "other"))


NAMES = "A class has 1 to 40 letters, digits, spaces, '-' or '_', and begins with a letter or digit."


def text(call: Callable[[], object]) -> str:
    """Return the message of a refusal."""
    with pytest.raises((ConfigError, DataError)) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("renamed", "allowed", "sentence"),
    [
        (["a=b", "x\a"], "", "Expected --map OLD=NEW with two class names, got 'x\\x07'."),
        (["=other"], "", "Expected --map OLD=NEW with two class names, got '=other'."),
        (["relaxed= "], "", "Expected --map OLD=NEW with two class names, got 'relaxed= '."),
        (["A\a=b", "a\a=c"], "", "--map gives 'a\\x07' two classes, 'b' and 'c'. Give one."),
        (["relaxed=../x\a"], "", f"'../x\\x07' can't be a class. {NAMES}"),
        (["a=b=c"], "", f"'b=c' can't be a class. {NAMES}"),
        ([], "happy, ,", "Expected two classes or more in --classes, separated by commas, got 'happy, ,'."),
        ([], "happy,s/d", f"'s/d' can't be a class. {NAMES}"),
    ],
)
def test_unusable_options_are_one_whole_line(renamed: list[str], allowed: str, sentence: str) -> None:
    assert text(lambda: parse_class_options(renamed, allowed=allowed)) == sentence


def test_options_are_brought_to_their_normal_form() -> None:
    found = parse_class_options([" Fear =OTHER", "fear=other", "x=x"], allowed="Sad,,happy ,sad")
    assert found == ClassOptions({"fear": "other", "x": "x"}, ("happy", "sad"))
    assert parse_class_options([]) == ClassOptions({}, ())


def test_every_refused_name_is_one_line_with_the_next_step() -> None:
    entries = [*photos(hapy=2, happy=9, angri=1), SourcePhoto(Path("x"), "x", "sa\ad"), *photos(content=3, contend=3)]
    assert text(lambda: resolve_classes(entries, ClassOptions())) == (
        "4 class names need a decision; nothing was imported.\n"
        "  'angri' (1 photo) looks like 'angry': --map \"angri=angry\" renames it, "
        '--map "angri=angri" takes it as a class of its own.\n'
        "  'content' (3 photos) looks like 'contend': --map \"content=contend\" renames it, "
        '--map "content=content" takes it as a class of its own.\n'
        "  'hapy' (2 photos) looks like 'happy': --map \"hapy=happy\" renames it, "
        '--map "hapy=hapy" takes it as a class of its own.\n'
        "  'sa\\x07d' (1 photo) can't be a class: --map \"sa\\x07d=NAME\" gives it a name.\n"
        f"{NAMES}"
    )


def test_one_refused_name_is_one() -> None:
    assert text(lambda: resolve_classes(photos(hapy=2, happy=9), ClassOptions())).startswith(
        "1 class name needs a decision; nothing was imported.\n"
    )


def test_options_that_name_no_photo_are_refused_with_all_counts() -> None:
    entries = photos(happy=1, relaxed=2)
    assert text(lambda: resolve_classes(entries, ClassOptions({"z\a": "x", "happy": "x"}))) == (
        "No photo has 'z\\x07', which --map names. The source has: happy (1 photo), relaxed (2 photos)."
    )
    assert text(lambda: resolve_classes(entries, ClassOptions({}, ("fear", "happy", "joy")))) == (
        "--classes names 'fear', 'joy', without a photo. The source has: happy (1 photo), relaxed (2 photos)."
    )


@pytest.mark.parametrize(
    ("entries", "got"),
    [
        (photos(happy=7), "happy (7 photos)"),
        ([], "no labeled photo"),
        ([SourcePhoto(Path("x"), "x", "happy", problem="p", code="c"), *photos(sad=1)], "sad (1 photo)"),
    ],
)
def test_fewer_than_two_classes_are_one_whole_line(entries: list[SourcePhoto], got: str) -> None:
    assert text(lambda: resolve_classes(entries, ClassOptions())) == (
        f"Expected photos of two classes or more, got: {got}. "
        "Each class needs a folder of its own, or its name in the column 'label'."
    )


@pytest.mark.parametrize(("count", "more"), [(20, ""), (21, " and 1 more"), (22, " and 2 more")])
def test_of_many_new_classes_twenty_are_named(count: int, more: str) -> None:
    names = [chr(97 + k) * 3 for k in range(count)]
    found = resolve_classes(photos(**dict.fromkeys(names, 1), happy=1), ClassOptions())
    assert found.notices == (
        (
            "Classes outside of the default set (angry, happy, other, sad), taken as they are: "
            f"{', '.join(f'{name} (1 photo)' for name in names[:20])}{more}."
        ),
    )


def test_a_photo_of_another_class_keeps_its_own_problem_and_one_without_a_label_is_left_alone() -> None:
    path = Path("x")
    entries = [
        *photos(happy=1, sad=1),
        SourcePhoto(path, "a", "fe\aar"),
        SourcePhoto(path, "b", "fear", problem="broken", code="bad"),
        SourcePhoto(path, "c", None, problem="no class", code="no_class"),
    ]
    found = resolve_classes(entries, ClassOptions(), known=("happy", "sad"))
    assert found.entries == (
        *entries[:2],
        SourcePhoto(path, "a", None, problem="unknown class 'fe\\x07ar'; known: happy, sad", code="unknown_class"),
        SourcePhoto(path, "b", None, problem="broken", code="bad"),
        entries[4],
    )
    assert found.classes == ("happy", "sad")
    chosen = resolve_classes(entries, ClassOptions({}, ("happy", "sad")), known=("angry",))
    assert chosen == found


def test_only_the_names_of_classes_are_changed_by_a_map() -> None:
    entries = [*photos(fear=1, happy=1), SourcePhoto(Path("x"), "x", None, problem="p", code="c")]
    found = resolve_classes(entries, ClassOptions({"fear": "sad"}))
    assert [entry.label for entry in found.entries] == ["sad", "happy", None]


def test_labels_of_photos_that_are_no_classes_are_one_whole_line() -> None:
    assert text(lambda: check_known_labels(["z", "happy", "a"], classes=("happy", "sad"))) == (
        "The photos have 'a', 'z', but the classes of the model are happy, sad. "
        "Rename classes at the import with --map OLD=NEW, or train on this dataset."
    )


def test_the_numbers_of_labels_are_their_places(make_rows: MakeRows) -> None:
    rows = make_rows(4)
    found = labels_of(rows, classes=sorted({row.label for row in rows}, reverse=True))
    assert found.tolist() == [3 - DEFAULT_CLASSES.index(row.label) for row in rows]
    assert found.dtype == np.int64

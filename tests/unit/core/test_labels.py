"""Tests of class names: normal form, valid names and slips."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petmood.core.labels import DEFAULT_CLASSES, MAX_LABEL_LENGTH, is_label, normalize_label, similar_label


def test_the_default_classes_are_sorted_labels() -> None:
    assert DEFAULT_CLASSES == ("angry", "happy", "other", "sad")
    assert all(is_label(label) for label in DEFAULT_CLASSES)


@pytest.mark.parametrize("text", ["Angry", "ANGRY", " angry\n", "aNgRy"])
def test_case_and_outer_space_do_not_make_another_class(text: str) -> None:
    assert normalize_label(text) == "angry"


def test_the_two_unicode_forms_of_a_name_are_one_class() -> None:
    decomposed = unicodedata.normalize("NFD", "Fröhlich")
    assert normalize_label(decomposed) == normalize_label("FRÖHLICH") == "fröhlich"
    assert is_label("fröhlich")
    assert not is_label(unicodedata.normalize("NFD", "fröhlich"))
    assert normalize_label("\u01f0 \tA") == "\u01f0 a"  # j with caron: case-folding decomposes it
    assert normalize_label("Stra\u00dfe") == "strasse"


@given(st.text(max_size=60))
def test_every_label_is_its_own_normal_form(text: str) -> None:
    label = normalize_label(text)
    if is_label(label):
        assert normalize_label(label) == label
        assert label.isprintable()
        assert not set(label) & set("/\\,;=\"'<>&{}\n\t")


@pytest.mark.parametrize(
    "text",
    ["relaxed", "very happy", "7", "grade-2", "level_3", "glücklich", "悲しい", "m\u0304ad", "a" * MAX_LABEL_LENGTH],
)
def test_a_dataset_may_have_other_classes_than_the_default_set(text: str) -> None:
    assert is_label(text)


@pytest.mark.parametrize(
    "text", ["", " ", "Happy", "a/b", "a\\b", "=sum", "-sad", "_x", "a,b", "<b>", "x\ny", "a" * (MAX_LABEL_LENGTH + 1)]
)
def test_a_name_that_no_class_can_have_is_reported(text: str) -> None:
    assert not is_label(text)


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        *(("hapy", "happy"), ("hapyp", "happy"), ("happyy", "happy"), ("angri", "angry"), ("agnry", "angry")),
        *(("othr", "other"), ("others", "other"), ("sadd", "sad"), ("saad", "sad")),
        *(("appy", "happy"), ("xhappy", "happy"), ("ahppy", "happy"), ("bappy", "happy"), ("hapqy", "happy")),
        *(("hapxpy", "happy"), ("happx", "happy"), ("ngry", "angry"), ("angy", "angry"), ("ather", "other")),
    ],
)
def test_a_slip_of_a_known_class_is_found(label: str, meant: str) -> None:
    assert similar_label(label, DEFAULT_CLASSES) == meant


@pytest.mark.parametrize(
    "label",
    [
        *("relaxed", "fear", "pain", "mad", "bad", "unhappy", "anger", "sadness", "surprised", "neutral", "happiness"),
        *("", "sa", "ad", "sd", "sda", "sat", "hap", "apy", "hpayp", "ahpyp", "happpyy", "hbbpy", "xhappyx", "yppah"),
    ],
)
def test_another_word_is_no_slip(label: str) -> None:
    assert similar_label(label, DEFAULT_CLASSES) is None


@pytest.mark.parametrize(
    ("label", "name", "is_near"),
    [
        ("abcd", "abdc", True),  # a swap counts once
        ("abcdef", "badcef", False),
        ("abcdefgh", "badcefgh", True),
        ("abcdefgh", "badcfegh", False),
        ("abcdefgh", "abxxefgh", True),
        ("abcdefgh", "abxxxfgh", False),
        ("abcdefg", "abxxefgh", False),  # seven characters may have one slip only
        ("abcdefg", "abxxefg", False),
        ("abcdefg", "abcxdefgh", False),
        ("abcdefgh", "abcxdefghx", True),
        ("abcdefghij", "abcdefgh", True),
        ("abcdefghijk", "abcdefgh", False),
        ("abcd", "acbxd", False),  # no edit between two characters that were swapped
        ("aabb", "abab", True),
        ("abcdadbcd", "abcd", False),  # the last and the first character are no neighbors
        ("axxb", "abxx", False),
        ("abxx", "axxb", False),
        ("abcd", "dabc", False),
        ("abcd", "abc", True),
        ("abc", "abd", False),
        ("aaaa", "aaaaa", True),
        ("aaaa", "aaaaaa", False),
        ("abcd", "wxyz", False),
        ("abcd", "abcd", False),
    ],
)
def test_slips_are_counted_from_either_side(label: str, name: str, is_near: bool) -> None:
    assert similar_label(label, [name]) == (name if is_near else None)
    assert similar_label(name, [label]) == (label if is_near else None)


def test_a_long_name_may_have_two_slips_and_the_nearest_class_is_named() -> None:
    assert similar_label("frigtend", ["frightened", "fright"]) == "frightened"
    assert similar_label("surprised", ["surprise", "surprized"]) == "surprise"
    assert similar_label("happy", ["happy"]) is None
    assert similar_label("agnry", ["angry", "agnrx", "agnr"]) == "agnr"  # of names equally near, the first one
    assert similar_label("frightne", ["frighten", "frightened"]) == "frighten"
    assert similar_label("happx", iter(["sad", "happy", "other"])) == "happy"
    assert similar_label("happy", []) is None

"""Tests of class names and label parsing."""

import pytest

from petmood.core.errors import DataError, UnknownLabel
from petmood.core.labels import DEFAULT_CLASSES, parse_label


def test_the_columns_are_the_four_classes_in_alphabetical_order() -> None:
    assert DEFAULT_CLASSES == ("angry", "happy", "other", "sad")
    assert list(DEFAULT_CLASSES) == sorted(DEFAULT_CLASSES)


@pytest.mark.parametrize("text", ["Angry", "ANGRY", " angry\n", "aNgRy"])
def test_a_label_is_understood_in_any_case_and_with_space_around_it(text: str) -> None:
    assert parse_label(text) == "angry"


@pytest.mark.parametrize("text", ["", "angr", "angry!", "furious", "a ngry"])
def test_an_unknown_label_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(UnknownLabel, match=r"Known: angry, happy, other, sad\.") as refusal:
        parse_label(text)
    assert repr(text.strip()) in str(refusal.value)
    assert isinstance(refusal.value, DataError)

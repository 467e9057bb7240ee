"""Do labels become moods, and is anything else refused by name?"""

import pytest

from petmood.core.errors import DataError, UnknownMood
from petmood.core.moods import MOODS, parse_mood


def test_the_columns_are_the_four_moods_in_alphabetical_order() -> None:
    assert MOODS == ("angry", "happy", "other", "sad")
    assert list(MOODS) == sorted(MOODS)


@pytest.mark.parametrize("text", ["Angry", "ANGRY", " angry\n", "aNgRy"])
def test_a_label_is_understood_in_any_case_and_with_space_around_it(text: str) -> None:
    assert parse_mood(text) == "angry"


@pytest.mark.parametrize("text", ["", "angr", "angry!", "furious", "a ngry"])
def test_an_unknown_label_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(UnknownMood, match=r"Known: angry, happy, other, sad\.") as refusal:
        parse_mood(text)
    assert repr(text.strip()) in str(refusal.value)
    assert isinstance(refusal.value, DataError)

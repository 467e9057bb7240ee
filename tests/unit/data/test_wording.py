"""Tests of counts with their noun."""

import pytest

from petmood.data.wording import counted


@pytest.mark.parametrize(
    ("count", "nouns", "text"),
    [
        (0, ("photo",), "0 photos"),
        (1, ("photo",), "1 photo"),
        (12, ("photo",), "12 photos"),
        (1, ("group has", "groups have"), "1 group has"),
        (2, ("group has", "groups have"), "2 groups have"),
    ],
)
def test_a_count_comes_with_the_form_of_its_noun(count: int, nouns: tuple[str, ...], text: str) -> None:
    assert counted(count, *nouns) == text

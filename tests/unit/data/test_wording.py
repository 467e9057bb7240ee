"""Tests of counts with their noun, and of printable file names."""

import pytest

from petmood.data.wording import counted, printable


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


def test_a_printable_name_has_no_control_character_and_no_undecodable_byte() -> None:
    assert printable("a\x1b[2Jb\u202e.jpg") == "a\\x1b[2Jb\\u202e.jpg"
    assert printable("caf\udce9.jpg") == "caf\\xe9.jpg"

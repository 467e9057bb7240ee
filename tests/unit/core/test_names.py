"""Tests of safe file names, and of names in messages."""

import os
import unicodedata

import pytest

from petmood.core.names import escape_undecodable, is_safe_name, model_name_problem, printable

SAFE = (
    "Screenshot 2024-03-01 at 9.41.05\u202fAM.png",
    "Screenshot\u00a02024.png",
    "caf\u00e9 \U0001f436\u200d\U0001f9ba \u0645\u0631\u062d\u0628\u0627.jpg",
    unicodedata.normalize("NFD", "caf\u00e9.jpg"),
    "a:b?*|<>\"'\\ .jpg.",
    "soft\u00adhyphen\u3000\ufeff\u200b.jpg",
    "right\u202egpj.jpg",
)
UNSAFE = ("a\nb.jpg", "a\tb.jpg", "a\x1b[2J.jpg", "a\x7f.jpg", "a\x85.jpg", "a\0.jpg", os.fsdecode(b"caf\xe9.jpg"))


@pytest.mark.parametrize("name", SAFE)
def test_a_name_of_any_script_with_any_space_is_safe(name: str) -> None:
    assert is_safe_name(name)


@pytest.mark.parametrize("name", UNSAFE)
def test_controls_and_undecodable_bytes_are_not_safe_and_are_escaped(name: str) -> None:
    assert not is_safe_name(name)
    shown = printable(name)
    assert is_safe_name(shown)
    assert shown.encode("utf-8").decode().isprintable()


def test_a_printable_name_has_no_control_character_and_no_undecodable_byte() -> None:
    assert printable("a\x1b[2Jb\u202e.jpg") == "a\\x1b[2Jb\\u202e.jpg"
    assert printable("caf\udce9.jpg") == "caf\\xe9.jpg"
    assert printable("\ud800.jpg") == "\\ud800.jpg"


def test_text_that_changes_the_order_or_lines_of_output_is_escaped_and_spaces_are_kept() -> None:
    assert printable("\u2066a\u2069\u200f\u061cb\u2028c\u2029") == "\\u2066a\\u2069\\u200f\\u061cb\\u2028c\\u2029"
    kept = "9.41\u202fAM\u00a0\U0001f436\u200d\U0001f9ba \u0645\u0631\u062d\u0628\u0627 \u00e9.jpg"
    assert printable(kept) == kept


@pytest.mark.parametrize("char", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c\u200e\u200f\u2028\u2029")
def test_every_mark_that_turns_or_breaks_a_line_is_escaped(char: str) -> None:
    assert printable(f"a{char}b") == f"a\\u{ord(char):04x}b"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("\udc80", "\\x80"),
        ("\udcff", "\\xff"),
        ("\udc7f", "\\udc7f"),
        ("\udd00", "\\udd00"),
        ("a\udce9\u202eb\n", "a\\xe9\u202eb\n"),
    ],
    ids=ascii,
)
def test_bytes_are_escaped_as_bytes_and_other_halves_of_pairs_as_characters(text: str, escaped: str) -> None:
    assert escape_undecodable(text) == escaped
    assert printable("\t\udc80") == "\\t\\x80"


@pytest.mark.parametrize("name", ["a", "0", "a.b-c_d", "a" * 64])
def test_a_model_s_name_is_accepted(name: str) -> None:
    assert model_name_problem(name) is None


@pytest.mark.parametrize("name", ["", "A", "-a", ".a", "_a", "a" * 65, "a\n", "a b", "\u00e9"])
def test_another_name_of_a_model_is_refused_with_what_is_allowed(name: str) -> None:
    assert model_name_problem(name) == (
        f"{name!r} is not a valid model name. Expected 1 to 64 of a-z, 0-9, dot, hyphen and underscore, "
        "and a letter or digit at the start."
    )

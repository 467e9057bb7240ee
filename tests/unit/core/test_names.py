"""Tests of safe file names, and of names in messages."""

import os
import unicodedata

import pytest

from petmood.core.names import is_safe_name, printable

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

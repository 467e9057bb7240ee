"""Names that people give to files and models: which are accepted, and how they are shown in messages."""

import re
import unicodedata
from typing import Final

__all__ = ["MODEL_NAME", "escape_undecodable", "is_safe_name", "model_name_problem", "printable"]

MODEL_NAME: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""Pattern of a model's name, in a bundle and in the registry."""

_BIDI = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_BIDI_MARKS = frozenset("\u061c\u200e\u200f")


def is_safe_name(name: str) -> bool:
    r"""Return whether a name can be kept: no control character (Unicode Cc), and no bytes that are not UTF-8.

    Spaces of every kind, emoji and right-to-left text are safe.

    >>> is_safe_name("Screenshot 9.41\u202fAM.png"), is_safe_name("a\nb.jpg"), is_safe_name("caf\udce9.jpg")
    (True, False, False)
    """
    return not any(unicodedata.category(char) in {"Cc", "Cs"} for char in name)


def printable(name: str) -> str:
    r"""Return a name for one line of text: controls, line separators, bidi controls and undecoded bytes are escaped.

    >>> printable("a\u202egpj.exe"), printable("caf\udce9.jpg")
    ('a\\u202egpj.exe', 'caf\\xe9.jpg')
    """
    return "".join(_escaped(char) if _is_hidden(char) else char for char in name)


def escape_undecodable(text: str) -> str:
    r"""Return a text, of one line or more, with the bytes that are not UTF-8 escaped, as JSON and terminals need it.

    >>> escape_undecodable("caf\udce9.jpg:\nnot found")
    'caf\\xe9.jpg:\nnot found'
    """
    return "".join(_escaped(char) if unicodedata.category(char) == "Cs" else char for char in text)


def model_name_problem(name: str) -> str | None:
    """Return why a string is not a model name; None if it is one."""
    if re.fullmatch(MODEL_NAME, name):
        return None
    return (
        f"{name!r} is not a valid model name. Expected 1 to 64 of a-z, 0-9, dot, hyphen and underscore, "
        "and a letter or digit at the start."
    )


def _is_hidden(char: str) -> bool:
    return (
        unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(char) in _BIDI
        or char in _BIDI_MARKS
    )


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that is not UTF-8, as os.fsdecode keeps it (PEP 383)
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()

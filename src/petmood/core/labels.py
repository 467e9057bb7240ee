"""Class names: the default set, normalization, and detection of typos.

The classes of a model are those of its dataset, sorted; the default set only serves to detect typos in class names.
"""

import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = ["DEFAULT_CLASSES", "MAX_LABEL_LENGTH", "is_label", "normalize_label", "similar_label"]

DEFAULT_CLASSES: Final = ("angry", "happy", "other", "sad")
"""The classes of the demo and of the published dataset. Other datasets may have other classes."""

MAX_LABEL_LENGTH: Final = 40
"""Longest class name, in characters."""

_SHORTEST_SLIP: Final = 4
_TWO_SLIPS_FROM: Final = 8


def normalize_label(text: str) -> str:
    """Return a class name in its normal form: case-folded, Unicode NFC, single spaces, none at the ends.

    >>> normalize_label(" Very  Happy")
    'very happy'
    """
    folded = unicodedata.normalize("NFC", text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def is_label(text: str) -> bool:
    """Return whether a string is a class name: normal form, at most 40 letters, digits, spaces, hyphens, underscores.

    The first character is a letter or a digit.

    >>> is_label("relaxed"), is_label("Relaxed"), is_label("a/b"), is_label("-sad")
    (True, False, False, False)
    """
    return (
        0 < len(text) <= MAX_LABEL_LENGTH
        and text == normalize_label(text)
        and text[0].isalnum()
        and all(c.isalnum() or unicodedata.combining(c) or c in " -_" for c in text)
    )


def similar_label(label: str, known: Iterable[str]) -> str | None:
    """Return the known class of which a label is probably a misspelling, or None.

    A misspelling is one character inserted, deleted, replaced or swapped with its neighbor, in a name of at least four
    characters. A name of at least eight characters may have two.

    >>> similar_label("hapy", ["angry", "happy"]), similar_label("relaxed", ["angry", "happy"])
    ('happy', None)
    """
    near = [
        (slips, name)
        for name in known
        if name != label
        and max(len(label), len(name)) >= _SHORTEST_SLIP
        and (slips := _slips(label, name)) <= 1 + (min(len(label), len(name)) >= _TWO_SLIPS_FROM)
    ]
    return min(near)[1] if near else None


def _slips(first: str, second: str) -> int:
    """Return the optimal string alignment distance of two strings (Damerau, 1964, restricted to single edits)."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        before, last, row = row, before, [i]
        for j, b in enumerate(second, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]

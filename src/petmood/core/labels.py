"""Which classes does petmood know? The names stand here once; their order is the order of every column."""

from typing import Final

from petmood.core.errors import UnknownLabel

__all__ = ["DEFAULT_CLASSES", "parse_label"]

DEFAULT_CLASSES: Final = ("angry", "happy", "other", "sad")
"""The class names, sorted: column k of every logit array is ``MOODS[k]``."""


def parse_label(text: str) -> str:
    """Return the class that a label or folder name means, in any case and with surrounding space.

    >>> parse_label(" Happy")
    'happy'

    Raises:
        UnknownLabel: the text names none of ``DEFAULT_CLASSES``.
    """
    label = text.strip().casefold()
    if label not in DEFAULT_CLASSES:
        raise UnknownLabel(f"Unknown class {text.strip()!r}. Known: {', '.join(DEFAULT_CLASSES)}.")
    return label

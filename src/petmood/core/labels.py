"""Class names and label parsing; the order of the classes is the order of every logit column."""

from typing import Final

from petmood.core.errors import UnknownLabel

__all__ = ["DEFAULT_CLASSES", "parse_label"]

DEFAULT_CLASSES: Final = ("angry", "happy", "other", "sad")
"""The class names, sorted: column k of every logit array is ``DEFAULT_CLASSES[k]``."""


def parse_label(text: str) -> str:
    """Return the class of a label or folder name; case and surrounding space are ignored.

    >>> parse_label(" Happy")
    'happy'

    Raises:
        UnknownLabel: the text is none of ``DEFAULT_CLASSES``.
    """
    label = text.strip().casefold()
    if label not in DEFAULT_CLASSES:
        raise UnknownLabel(f"Unknown class {text.strip()!r}. Known: {', '.join(DEFAULT_CLASSES)}.")
    return label

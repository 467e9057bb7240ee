"""Which moods does petmood know? The names stand here once; their order is the order of every column."""

from typing import Final

from petmood.core.errors import UnknownMood

__all__ = ["MOODS", "parse_mood"]

MOODS: Final = ("angry", "happy", "other", "sad")
"""The class names, sorted: column k of every logit array is ``MOODS[k]``."""


def parse_mood(text: str) -> str:
    """Return the mood that a label or folder name means, in any case and with surrounding space.

    >>> parse_mood(" Happy")
    'happy'

    Raises:
        UnknownMood: the text names none of ``MOODS``.
    """
    mood = text.strip().casefold()
    if mood not in MOODS:
        raise UnknownMood(f"Unknown mood {text.strip()!r}. Known: {', '.join(MOODS)}.")
    return mood

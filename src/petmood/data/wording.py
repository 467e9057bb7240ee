"""Counts with their noun, for messages and reports about photos."""

__all__ = ["counted"]


def counted(count: int, singular: str, plural: str = "") -> str:
    """Return a count with its noun; the plural is the singular with an "s" unless it is given.

    >>> counted(1, "photo"), counted(2, "photo"), counted(0, "group has", "groups have")
    ('1 photo', '2 photos', '0 groups have')
    """
    return f"{count} {singular if count == 1 else plural or f'{singular}s'}"

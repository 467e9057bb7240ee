"""Text helpers for messages and reports about photos: counts with their noun, and printable file names."""

import os

__all__ = ["counted", "printable"]


def counted(count: int, singular: str, plural: str = "") -> str:
    """Return a count with its noun; the plural is the singular with an "s" unless it is given.

    >>> counted(1, "photo"), counted(2, "photo"), counted(0, "group has", "groups have")
    ('1 photo', '2 photos', '0 groups have')
    """
    return f"{count} {singular if count == 1 else plural or f'{singular}s'}"


def printable(name: str) -> str:
    """Return a file name that is printable UTF-8: undecodable bytes and control characters are escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

"""How is what another library says told to a person? In one line, not long, and without passwords."""

import re
from typing import Final

__all__ = ["one_line", "without_credentials"]

CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s]+@")
LONGEST: Final = 240


def without_credentials(text: str) -> str:
    """Return a text with the names and passwords of its addresses left out.

    >>> without_credentials("no access to postgresql://me:secret@db/pets")
    'no access to postgresql://db/pets'
    """
    return CREDENTIALS.sub("", text)


def one_line(error: BaseException) -> str:
    """Return what an error says, on one line of at most 240 signs; the error's kind where it says nothing."""
    words = " ".join(without_credentials(str(error)).split()) or type(error).__name__
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."

"""Text for messages and JSON: one line, without credentials, and with undecodable bytes of names escaped."""

import re
from typing import Final

from petmood.core.names import escape_undecodable

__all__ = ["one_line", "without_credentials"]

CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s]+@")
LONGEST: Final = 240


def without_credentials(text: str) -> str:
    """Return a string with the user names and passwords of its URLs removed.

    >>> without_credentials("no access to postgresql://me:secret@db/pets")
    'no access to postgresql://db/pets'
    """
    return CREDENTIALS.sub("", text)


def one_line(error: BaseException) -> str:
    """Return an error's message on one line, cut after 240 characters; the error's type if the message is empty."""
    words = escape_undecodable(" ".join(without_credentials(str(error)).split())) or type(error).__name__
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."

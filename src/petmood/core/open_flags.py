"""Flags for ``os.open`` that not every system has. Files are opened as binary, and links in the last part refused."""

import os
from typing import Final

__all__ = ["BINARY", "NO_FOLLOW"]

BINARY: Final[int] = getattr(os, "O_BINARY", 0)
"""Windows: without it, line endings would be translated. Python makes every descriptor non-inheritable by itself."""

NO_FOLLOW: Final[int] = BINARY | getattr(os, "O_NOFOLLOW", 0)
"""Refuse a symbolic link. Windows has no such flag; a link there needs the rights of an administrator."""

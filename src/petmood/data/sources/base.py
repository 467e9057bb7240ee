"""What is a source of photos? Something with a name that lists photos and what is said about each.

A source only looks: it never decodes a photo and never writes beside the originals. What is wrong with an entry
(an unknown class folder, a missing file) is noted on the entry itself, so that one report can show everything.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError, DataError
from petmood.core.progress import ProgressBar

__all__ = [
    "PHOTO_SUFFIXES",
    "Source",
    "SourcePhoto",
    "normalize_species",
    "open_source",
    "parse_split",
    "printable",
    "source",
    "source_names",
]

PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif"}
)
_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class SourcePhoto:
    """One entry of a source: a file, its name (relative posix), and what the source says about it.

    `class` and `split` are None where nothing is said; `problem` is one sentence, empty where all is well, and
    `code` its kind in one word.
    """

    path: Path
    name: str
    label: str | None
    split: str | None = None
    species: str = ""
    problem: str = ""
    code: str = ""


class Source(Protocol):
    """Lists photos.

    `name` is the registered one; `tolerant` says whether bad photos are skipped without being asked, which suits
    published data sets with known flaws.
    """

    name: str
    skip_bad_by_default: bool

    def scan(self, track: ProgressBar) -> list[SourcePhoto]:
        """List every entry, sorted by name, problems included; raises DataError where there is nothing to list."""
        ...

    def close(self) -> None:
        """Let go of temporary files; what `scan` found can't be read afterwards."""
        ...


Opener = Callable[[Path | None], Source]
_OPENERS: dict[str, Opener] = {}


def source(name: str) -> Callable[[Opener], Opener]:
    """Declare an opener of sources under a name; a taken name is refused with ConfigError."""

    def declare(opener: Opener) -> Opener:
        if name in _OPENERS:
            raise ConfigError(f"Source '{name}' is declared twice.")
        _OPENERS[name] = opener
        return opener

    return declare


def source_names() -> tuple[str, ...]:
    """Name the declared sources, sorted."""
    return tuple(sorted(_OPENERS))


def open_source(name: str, path: Path | None = None) -> Source:
    """Open a declared source on a path; raises ConfigError for an unknown name, DataError for an unusable path."""
    if name not in _OPENERS:
        raise ConfigError(f"Unknown source '{name}'. Known: {', '.join(source_names())}.")
    return _OPENERS[name](path)


def needed_path(path: Path | None, *, name: str, what: str) -> Path:
    """Return the path; raises DataError where it wasn't given or doesn't exist."""
    if path is None:
        command = shell_command("data", "import", name, "PATH", "--output", "data/pets")
        raise DataError(f"Source '{name}' needs {what}. Type: {command}")
    if not path.exists():
        raise DataError(f"Expected {what} at '{path}', found nothing there. Check the path.")
    return path


def parse_split(text: str) -> str | None:
    """Return "train", "valid" or "test" for a name that means one (any case; "val", "validation", ...), else None.

    >>> parse_split("Validation")
    'valid'
    """
    return _SPLIT_NAMES.get(text.strip().casefold())


def normalize_species(text: str) -> str:
    """Return a species in lower case, letters, digits, space, dash and underscore alone, 40 at most.

    >>> normalize_species("=Guinea Pig!")
    'guinea pig'
    """
    kept = "".join(c for c in text.strip().casefold() if c.isalnum() or c in " -_")
    return kept.lstrip(" -_")[:40]


def printable(name: str) -> str:
    """Return a file name that can be printed and stored as UTF-8: undecodable bytes and controls are escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

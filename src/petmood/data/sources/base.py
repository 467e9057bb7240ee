"""Interface and registry of photo sources.

A source only lists entries: it never decodes a photo and never writes beside the originals. A problem with an entry (an
unknown class folder, a missing file) is recorded on the entry itself, so that one report can show all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError, DataError
from petmood.core.progress import ProgressBar
from petmood.data.index import Split

__all__ = [
    "Source",
    "SourcePhoto",
    "normalize_species",
    "open_source",
    "parse_split",
    "source",
    "source_names",
]

_SPLIT_NAMES = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "valid": Split.VALID,
    "val": Split.VALID,
    "validation": Split.VALID,
    "test": Split.TEST,
    "testing": Split.TEST,
}


@dataclass(frozen=True, slots=True)
class SourcePhoto:
    """One entry of a source: a file, its name (relative POSIX path), and the source's metadata.

    `label` is in normal form (`core.labels.normalize_label`), but may be a name that no class can have. `label` and
    `split` are None if the source gives none. `problem` is one sentence, empty if there is none, and `code`
    is its kind in one word.
    """

    path: Path
    name: str
    label: str | None
    split: Split | None = None
    species: str = ""
    problem: str = ""
    code: str = ""


class Source(Protocol):
    """Lists photos and their labels.

    `name` is the registered name. `skip_bad_by_default` is for published datasets with known flaws: bad photos are
    skipped unless the caller decides otherwise. `classes` are those of a published dataset; empty where the photos
    themselves say it.
    """

    name: str
    skip_bad_by_default: bool
    classes: tuple[str, ...]

    def scan(self, progress: ProgressBar) -> list[SourcePhoto]:
        """Return every entry, sorted by name, problems included; raises DataError if there is nothing to list."""
        ...

    def close(self) -> None:
        """Delete temporary files; photos found by `scan` may not be readable afterwards."""
        ...


Opener = Callable[[Path | None], Source]
_OPENERS: dict[str, Opener] = {}


def source(name: str) -> Callable[[Opener], Opener]:
    """Return a decorator that registers an opener of sources; raises ConfigError if the name is taken."""

    def declare(opener: Opener) -> Opener:
        if name in _OPENERS:
            raise ConfigError(f"Source '{name}' is declared twice.")
        _OPENERS[name] = opener
        return opener

    return declare


def source_names() -> tuple[str, ...]:
    """Return the registered source names, sorted."""
    return tuple(sorted(_OPENERS))


def open_source(name: str, path: Path | None = None) -> Source:
    """Open a registered source on a path; raises ConfigError for an unknown name, DataError for an unusable path."""
    if name not in _OPENERS:
        raise ConfigError(f"Unknown source '{name}'. Known: {', '.join(source_names())}.")
    return _OPENERS[name](path)


def needed_path(path: Path | None, *, name: str, what: str) -> Path:
    """Return the path; raises DataError if it wasn't given or doesn't exist."""
    if path is None:
        command = shell_command("data", "import", name, "PATH", "--output", "data/pets")
        raise DataError(f"Source '{name}' needs {what}. Type: {command}")
    if not path.exists():
        raise DataError(f"Expected {what} at '{path}', found nothing. Check the path.")
    return path


def parse_split(text: str) -> Split | None:
    """Return the split for a name that means one (any case; "val", "validation", ...), else None.

    >>> parse_split("Validation")
    <Split.VALID: 'valid'>
    """
    return _SPLIT_NAMES.get(text.strip().casefold())


def normalize_species(text: str) -> str:
    """Return a species in lower case: only letters, digits, spaces, dashes and underscores, at most 40 characters.

    >>> normalize_species("=Guinea Pig!")
    'guinea pig'
    """
    kept = "".join(c for c in text.strip().casefold() if c.isalnum() or c in " -_")
    return kept.lstrip(" -_")[:40]

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
from petmood.data.index import Role, Split

__all__ = [
    "Source",
    "SourcePhoto",
    "TableOptions",
    "normalize_species",
    "open_source",
    "parse_split",
    "source",
    "source_names",
]

_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), Split.TRAIN),
    **dict.fromkeys(("valid", "val", "validation", "validate", "dev", "development"), Split.VALID),
    **dict.fromkeys(("test", "testing"), Split.TEST),
}


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What the user says about a table of labels: names of columns, and the delimiter; empty values are detected."""

    photo_column: str = ""
    label_column: str = ""
    split_column: str = ""
    delimiter: str = ""


@dataclass(frozen=True, slots=True)
class SourcePhoto:
    """One entry of a source: a file, its name (relative POSIX path), and the source's metadata.

    `label` is in normal form (`core.labels.normalize_label`), but may be a name that no class can have. `label` and
    `split` are None if the source gives none, as is `role`: that of the photo in an earlier dataset. `problem` is one
    sentence, empty if there is none, and `code` is its kind in one word.
    """

    path: Path
    name: str
    label: str | None
    split: Split | None = None
    species: str = ""
    problem: str = ""
    code: str = ""
    role: Role | None = None


class Source(Protocol):
    """Lists photos and their labels.

    `name` is the registered name. `skip_bad_by_default` is for published datasets with known flaws: bad photos are
    skipped unless the caller decides otherwise. `classes` are those of a published dataset; empty where the photos
    themselves say it.
    """

    name: str
    skip_bad_by_default: bool
    classes: tuple[str, ...]
    notices: tuple[str, ...]
    """Lines for the user on what `scan` decided; empty before it."""

    def scan(self, progress: ProgressBar) -> list[SourcePhoto]:
        """Return every entry, sorted by name, problems included; raises DataError if there is nothing to list."""
        ...

    def close(self) -> None:
        """Delete temporary files; photos found by `scan` may not be readable afterwards."""
        ...


Opener = Callable[[Path | None, TableOptions | None], Source]
_OPENERS: dict[str, Opener] = {}
_WITH_TABLE = frozenset({"csv"})


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


def open_source(name: str, path: Path | None = None, *, table: TableOptions | None = None) -> Source:
    """Open a registered source on a path; `table` is for sources that read a table of labels.

    Raises ConfigError for an unknown name, or options of a table for a source without one, and DataError for an
    unusable path.
    """
    if name not in _OPENERS:
        raise ConfigError(f"Unknown source '{name}'. Known: {', '.join(source_names())}.")
    if table not in {None, TableOptions()} and name not in _WITH_TABLE:
        raise ConfigError(
            f"Source '{name}' reads no table of labels: leave out --photo-column, --label-column, --split-column and "
            "--delimiter, or use the source csv."
        )
    return _OPENERS[name](path, table)


def needed_path(path: Path | None, *, name: str, what: str) -> Path:
    """Return the path; raises DataError if it wasn't given or doesn't exist."""
    if path is None:
        command = shell_command("data", "import", name, "PATH", "--output", "data/pets")
        raise DataError(f"Source '{name}' needs {what}. Type: {command}")
    try:
        path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise DataError(f"Expected {what} at '{path}', found nothing ({reason}). Check the path.") from error
    return path


def parse_split(text: str) -> Split | None:
    """Return the split for a name that means one (any case; "val", "dev", "testing", "train set", ...), else None.

    >>> parse_split("Validation"), parse_split("test_set"), parse_split("trainer")
    (<Split.VALID: 'valid'>, <Split.TEST: 'test'>, None)
    """
    name = text.strip().casefold()
    return _SPLIT_NAMES.get(name.removesuffix("set").rstrip(" -_") if name.endswith("set") else name)


def normalize_species(text: str) -> str:
    """Return a species in lower case: only letters, digits, spaces, dashes and underscores, at most 40 characters.

    >>> normalize_species("=Guinea Pig!")
    'guinea pig'
    """
    kept = "".join(c for c in text.strip().casefold() if c.isalnum() or c in " -_")
    return kept.lstrip(" -_")[:40]

"""Photos and answers of `petmood predict`: pipes, kinds of answers and their counts, and the page of all."""

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from petmood.core.errors import OutputError
from petmood.core.names import printable

if TYPE_CHECKING:
    from petmood.core.photo_source import FoundPhoto
    from petmood.inference.base import Answer, Explained
    from petmood.reports.contact_sheet import ContactSheet, SheetFacts

__all__ = [
    "KINDS",
    "STDIN",
    "PhotoAnswer",
    "PipedPhoto",
    "Tally",
    "common_folder",
    "contact_sheet",
    "content_of",
    "kind_of",
    "name_in",
    "open_photo",
]

STDIN: Final = Path("-")
OUT_OF_DOMAIN: Final = "out-of-domain"
KINDS: Final = ("confident", "not-confident", OUT_OF_DOMAIN, "rejected")
PAGE_SUFFIXES: Final = (".html", ".htm")


def kind_of(answer: "Answer") -> str:
    """Return which of ``KINDS`` an answer is."""
    from petmood.core.prediction import Prediction

    if not isinstance(answer, Prediction):
        return "rejected"
    if answer.label is None:
        return OUT_OF_DOMAIN
    return "confident" if answer.confident else "not-confident"


@dataclass(slots=True)
class Tally:
    """Counts of the answers by kind, the models that returned them, and the notices that hold for every answer."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    notices: dict[str, None] = field(default_factory=dict)
    models: dict[str, None] = field(default_factory=dict)

    def add(self, answer: "Answer") -> str:
        """Count an answer and return its kind."""
        from petmood.cli.tables import model_notices
        from petmood.core.prediction import Prediction

        kind = kind_of(answer)
        self.counts[kind] += 1
        self.notices |= dict.fromkeys(model_notices([answer]))
        if isinstance(answer, Prediction):
            self.models[f"{answer.model.name}, version {answer.model.version}"] = None
        return kind

    def summary(self) -> str:
        """Return the counts as a sentence; photos out of domain are named if there are any."""
        counted = {kind: count for kind, count in self.counts.items() if count or kind != OUT_OF_DOMAIN}
        shown = ", ".join(f"{count} {kind.replace('-', ' ')}" for kind, count in counted.items())
        photos = sum(self.counts.values())
        return f"{photos} photo{'' if photos == 1 else 's'}: {shown}."

    def facts(self, folder: Path | None, *, only: str | None) -> "SheetFacts":
        """Return what stands above the cards of the page."""
        from petmood.reports.contact_sheet import SheetFacts

        limited = f" This page shows the {only.replace('-', ' ')} ones alone." if only else ""
        return SheetFacts(
            summary=self.summary() + limited,
            models=[*self.models],
            notices=[*self.notices],
            folder="" if folder is None else str(folder),
        )


@dataclass(slots=True)
class PipedPhoto:
    """A photo that can be read once, from standard input or a pipe; its bytes are kept for the page."""

    path: Path
    _data: bytes = b""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes."""
        with nullcontext(sys.stdin.buffer) if self.path == STDIN else self.path.open("rb") as file:
            self._data = file.read(size)
        return self._data

    def take(self) -> bytes:
        """Return the bytes that were read, and forget them."""
        data, self._data = self._data, b""
        return data


def open_photo(path: Path) -> Path | PipedPhoto:
    """Return a photo's path, or what reads it if it is standard input or a pipe."""
    try:
        return PipedPhoto(path) if path == STDIN or path.is_fifo() else path
    except OSError:  # the predictor says why
        return path


def content_of(photo: Path | PipedPhoto) -> bytes | Path:
    """Return what a photo can be read from again: its path, or the bytes that were read from a pipe."""
    return photo.take() if isinstance(photo, PipedPhoto) else photo


@dataclass(frozen=True, slots=True)
class PhotoAnswer:
    """The answer of a photo, and its explanation, or why it has none; None where none was asked for.

    ``photo`` is what it can be read from again; None for a path without a photo.
    """

    photo: bytes | Path | None
    answer: "Answer"
    explanation: "Explained | None" = None

    @property
    def label(self) -> str | None:
        """The label of the prediction; None without one."""
        from petmood.core.prediction import Prediction

        return self.answer.label if isinstance(self.answer, Prediction) else None


def common_folder(found: "Sequence[FoundPhoto]") -> Path | None:
    """Return the folder that holds all photos; None if there is none, as of relative and absolute paths."""
    folders = {str(one.path.parent) for one in found if one.path != STDIN}
    try:
        common = os.path.commonpath(folders)
    except ValueError:
        return None
    return Path(common) if common else None


def name_in(folder: Path | None, path: Path) -> str:
    """Return a photo's path, relative to the folder if it is in it."""
    if path == STDIN:
        return "standard input"
    return str(path.relative_to(folder) if folder and path.is_relative_to(folder) else path)


def contact_sheet(file: Path | None) -> "AbstractContextManager[ContactSheet | None]":
    """Return the page to write to a file, or nothing for None; nothing is written before its first card.

    Raises:
        OutputError: the file's name is not that of a page, or the file can't be written.
    """
    if file is None:
        return nullcontext()
    from petmood.core.output_paths import resolve_file
    from petmood.reports.contact_sheet import ContactSheet

    if file.suffix.lower() not in PAGE_SUFFIXES:
        raise OutputError(
            f"Expected a file that ends in .html after --html, got {printable(str(file))}. Give the page's name there."
        )
    return ContactSheet(resolve_file(file), kinds=KINDS)

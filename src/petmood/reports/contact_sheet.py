"""Contact sheet of predicted photos: one self-contained page, with a card for each photo, grouped by answer.

The page is built without Jinja, which is missing where a model is only served.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from petmood.core.errors import OutputError, PetmoodError
from petmood.core.files import atomic_write_chunks
from petmood.core.names import printable
from petmood.core.prediction import PRACTICE_MODEL, Prediction
from petmood.presentation.answers import in_words
from petmood.presentation.thumbnails import LARGE_PX, enlargeable, photo_uri

__all__ = ["ContactSheet", "SheetFacts"]

CHUNK_BYTES: Final = 1 << 20
POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """What stands above the cards; known after the last photo.

    ``summary`` counts the answers, ``models`` are the models that returned them, and ``notices`` hold for each of them.
    """

    summary: str
    models: Sequence[str] = ()
    notices: Sequence[str] = ()
    folder: str = ""


@dataclass(slots=True)
class ContactSheet:
    """A page that is collected card by card with ``add`` and written to ``file`` by ``write``, in a ``with`` block.

    The cards wait in unnamed temporary files beside ``file``, one for each section, so memory is that of one photo.
    Sections stand in the order of ``kinds``, and those of one kind in the order of their labels.

    Raises:
        OutputError: the page can't be written, such as on a full disk; an old page is unchanged.
    """

    file: Path
    kinds: Sequence[str]
    _sections: dict[tuple[int, str], "_Section"] = field(default_factory=dict)
    _opened: ExitStack = field(default_factory=ExitStack)
    _number: int = 0

    def add(self, name: str, answer: Prediction | PetmoodError, *, kind: str, photo: bytes | Path | None) -> None:
        """Add the card of one photo: its name, its answer or the error that prevented it, and a thumbnail."""
        self._number += 1
        uri = None if photo is None else photo_uri(photo, side_px=LARGE_PX)
        card = _card(name, answer, uri=uri, number=self._number)
        with self._translated_errors():
            section = self._section(kind, label=answer.label if isinstance(answer, Prediction) else None)
            section.cards.write(card.encode(errors="backslashreplace"))
            section.count += 1

    def write(self, facts: SheetFacts) -> None:
        """Write the page atomically; an old file is replaced."""
        sections = [section for _, section in sorted(self._sections.items())]
        with self._translated_errors():
            atomic_write_chunks(self.file, _page(facts, sections))

    def __enter__(self) -> Self:
        """Return the sheet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the temporary files."""
        self._opened.close()

    def _section(self, kind: str, *, label: str | None) -> "_Section":
        key = (self.kinds.index(kind), label or "")
        if key not in self._sections:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            cards = self._opened.enter_context(tempfile.TemporaryFile(dir=self.file.parent))  # noqa: SIM115 - the stack closes it
            self._sections[key] = _Section(_title(kind, label), cards)
        return self._sections[key]

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self.file} can't be written ({error.strerror or error}). Free disk space, or choose another folder."
            ) from error


@dataclass(slots=True)
class _Section:
    title: str
    cards: IO[bytes]
    count: int = 0


def _text(value: str) -> str:
    return escape(printable(value))


def _title(kind: str, label: str | None) -> str:
    """Return a section's title; the class of an answer that is not confident is called a guess."""
    title = kind.replace("-", " ").capitalize()
    if label is None:
        return title
    return f"{title}: {label}" if kind == "confident" else f"{title}: best guess {label}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _card(name: str, answer: Prediction | PetmoodError, *, uri: str | None, number: int) -> str:
    if isinstance(answer, Prediction):
        headline, reason = in_words(answer)
        warnings = [warning for warning in answer.warnings if warning != PRACTICE_MODEL]
    else:
        headline, reason, warnings = "Rejected", str(answer), []
    image = enlargeable(uri, alt=f"Photo {printable(name)}", number=number) if uri else "No preview"
    lines = [
        f'<div class="frame">{image}</div>',
        f'<p class="name">{_text(name)}</p>',
        f'<p class="answer">{_text(_sentence(headline))}</p>',
        f"<p>{_text(_sentence(reason))}</p>" if reason else "",
        *(f'<p class="bad">{_text(warning)}</p>' for warning in warnings),
    ]
    return f"<li>{''.join(lines)}</li>\n"


def _page(facts: SheetFacts, sections: Sequence[_Section]) -> Iterator[bytes]:
    numbered = [(f"answers-{number}", section) for number, section in enumerate(sections, start=1)]
    yield _top(facts, [(anchor, section.title, section.count) for anchor, section in numbered]).encode(
        errors="backslashreplace"
    )
    for anchor, section in numbered:
        heading = f'<h2 id="{anchor}-title">{_text(section.title)} ({section.count})</h2>'
        opening = f'<section id="{anchor}" aria-labelledby="{anchor}-title">\n{heading}\n<ul class="cards">\n'
        yield opening.encode(errors="backslashreplace")
        section.cards.seek(0)
        while chunk := section.cards.read(CHUNK_BYTES):
            yield chunk
        yield b"</ul>\n</section>\n"
    yield b"</main>\n</body>\n</html>\n"


def _top(facts: SheetFacts, sections: Iterable[tuple[str, str, int]]) -> str:
    style = files("petmood.reports").joinpath("templates/style.css").read_text("utf-8")
    rows = [("Model", "; ".join(facts.models) or "none of the photos has an answer"), ("Folder", facts.folder)]
    listed = "\n".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in rows if value)
    notices = "\n".join(f'<p class="card bad">{_text(notice)}</p>' for notice in facts.notices)
    links = "\n".join(f'<li><a href="#{anchor}">{_text(title)} ({count})</a></li>' for anchor, title, count in sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>Photos and answers</title>
<style>
{style}</style>
</head>
<body>
<main class="contact">
<h1>Photos and answers</h1>
<p>{_text(facts.summary)}</p>
<dl>
{listed}
</dl>
{notices}
{f'<nav aria-label="Answers"><ul>{links}</ul></nav>' if links else "<p>No photo has such an answer.</p>"}
"""

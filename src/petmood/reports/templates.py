"""Jinja templates of reports, with autoescape, strict undefined names and number filters."""

import re
from dataclasses import dataclass
from itertools import count
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from petmood.presentation.display_names import (
    LOWER_IS_BETTER,
    VALIDATION_NOTE,
    number_text,
    p_value_text,
    percent_text,
    photos_of_split,
    title,
)
from petmood.presentation.glossary import TERMS
from petmood.presentation.thumbnails import enlargeable

__all__ = ["Heading", "page_template"]

_HEADING: Final = re.compile(r'<h2 id="([^"]+)"(?: data-contents="([^"]+)")?>(.*?)</h2>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Heading:
    """A section of a page: the id that a link points to, and its name in the contents bar."""

    id: str
    text: str


def page_template(name: str) -> Template:
    """Return a template of this package by its file name, with filters for numbers and metric names.

    Its function ``enlargeable(uri, alt)`` numbers the images of a page.
    """
    environment = Environment(
        loader=PackageLoader("petmood.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        headings=_headings,
        number=number_text,
        percent=percent_text,
        p_value=p_value_text,
        photos=photos_of_split,
        title_of=title,
    )
    numbers = count(1)

    def numbered(uri: str, alt: str) -> Markup:
        return Markup(enlargeable(uri, alt=alt, number=next(numbers)))  # noqa: S704 - escaped there

    environment.globals.update(enlargeable=numbered)
    environment.globals.update(lower_is_better=LOWER_IS_BETTER, meaning_of=_meaning, validation_note=VALIDATION_NOTE)
    return environment.get_template(name)


def _headings(body: Markup) -> list[Heading]:
    """Return the sections of a page in their order; ``data-contents`` gives a heading a shorter name."""
    return [
        Heading(found[1], Markup(found[2] or found[3]).striptags())  # noqa: S704 - escaped before, and again after
        for found in _HEADING.finditer(str(body))
    ]


def _meaning(term: str) -> Markup:
    """Return the meaning of a term of the glossary, with its code marked up; an unknown term raises KeyError."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(TERMS[term]))))  # noqa: S704 - escaped before

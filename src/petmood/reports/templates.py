"""Jinja templates of reports, with autoescape, strict undefined names and number filters."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from petmood.presentation.display_names import (
    LOWER_IS_BETTER,
    number_text,
    p_value_text,
    percent_text,
    photos_of_split,
    title,
)
from petmood.presentation.glossary import TERMS

__all__ = ["page_template"]


def page_template(name: str) -> Template:
    """Return a template of this package by its file name, with filters for numbers and metric names."""
    environment = Environment(
        loader=PackageLoader("petmood.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number_text, percent=percent_text, p_value=p_value_text, photos=photos_of_split, title_of=title
    )
    environment.globals.update(lower_is_better=LOWER_IS_BETTER, meaning_of=_meaning)
    return environment.get_template(name)


def _meaning(term: str) -> Markup:
    """Return the meaning of a term of the glossary, with its code marked up; an unknown term raises KeyError."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(TERMS[term]))))  # noqa: S704 - escaped before

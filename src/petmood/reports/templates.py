"""Jinja templates of reports, with autoescape, strict undefined names and number filters."""

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from petmood.evaluation.display_names import LOWER_IS_BETTER, number_text, percent_text, title

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
    environment.filters.update(number=number_text, percent=percent_text, title_of=title)
    environment.globals["lower_is_better"] = LOWER_IS_BETTER
    return environment.get_template(name)

"""Tests of report templates: filters and strict undefined names."""

import jinja2
import pytest

from petmood.evaluation.bootstrap import Estimate
from petmood.reports.templates import page_template


def test_a_page_can_write_numbers_and_names_of_measures() -> None:
    environment = page_template("run.html.j2").environment
    half = Estimate(0.5, 0.4, 0.6, n=100)
    text = environment.from_string("{{ half | number }}, {{ 'ece' | title_of }}, {{ 'ece' in lower_is_better }}")
    assert text.render(half=half) == "0.500 (0.400 to 0.600), calibration error, True"


def test_everything_is_escaped_and_a_missing_name_is_an_error() -> None:
    environment = page_template("promotion.html.j2").environment
    assert environment.from_string("{{ name }}").render(name="<script>") == "&lt;script&gt;"
    with pytest.raises(jinja2.UndefinedError):
        environment.from_string("{{ name }}").render()

"""Tests of report templates: filters and strict undefined names."""

import re
from pathlib import Path

import jinja2
import pytest

from petmood import reports
from petmood.data.validation import diff_rules
from petmood.evaluation.bootstrap import Estimate
from petmood.presentation.figures import PageColor
from petmood.reports import data_issues, drift
from petmood.reports.templates import page_template

FOLDER = Path(reports.__file__).parent / "templates"
GLOSSARY = "glossary.html.j2"
PAGES = sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.html.j2") if "extends" in path.read_text("utf-8"))

WORDS_FROM = {"dataset_diff.html.j2": diff_rules, "data_issues.html.j2": data_issues, "drift.html.j2": drift}
"""Modules with words of a page that its template does not have."""


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


@pytest.mark.parametrize("name", [f"{page}.html.j2" for page in PAGES])
def test_every_report_links_to_its_terms_and_uses_each_of_them(name: str) -> None:
    text = (FOLDER / name).read_text("utf-8")
    (terms,) = re.findall(r"terms = \[(.*?)\]", text)
    named = re.findall("'([^']+)'", terms)
    text += Path(str(WORDS_FROM[name].__file__)).read_text("utf-8") if name in WORDS_FROM else ""
    shown = re.sub(r"(?s)<style>.*?</style>|{[%{#].*?[%}#]}|<[^>]*>", "", text)
    assert len(named) >= 2
    assert len(PAGES) == 9
    assert '<a href="#glossary">Terms</a>' in page_template("base.html.j2").render(terms=named)
    for term in named:
        assert re.search(rf"\b{term}", shown, re.IGNORECASE), term
    page = page_template(GLOSSARY).render(terms=named)
    assert 'id="glossary"' in page
    assert all(f"<dt>{term}</dt>" in page for term in named)


def test_the_contents_bar_has_a_link_to_every_heading_in_order_by_its_short_name() -> None:
    environment = page_template("base.html.j2").environment
    page = environment.from_string(
        '{% extends "base.html.j2" %}{% set terms = [] %}{% block content %}'
        '<h2 id="first">First &amp; <b>best</b> {{ name }}</h2><h2 id="second" data-contents="Short">A long one</h2>'
        "<h3>no section</h3>{% endblock %}"
    ).render(name="<i>")
    bar = page.partition('<nav class="contents" aria-label="Contents"><ul>')[2].partition("</nav>")[0]
    assert re.findall(r'<a href="#(.*?)">(.*?)</a>', bar) == [
        *(("first", "First &amp; best &lt;i&gt;"), ("second", "Short"), ("glossary", "Terms")),
    ]
    assert page.count("A long one") == 1


@pytest.mark.parametrize("name", [*PAGES, "parts", "glossary"])
def test_every_heading_of_a_section_can_be_linked_to_and_every_table_scrolls_inside_itself(name: str) -> None:
    text = (FOLDER / f"{name}.html.j2").read_text("utf-8")
    assert re.findall(r"<h2(?! id=)[^>]*>", text) == []
    scrolling = re.findall(r'scroll" tabindex="0" role="group" aria-label="Table, scrolls sideways">\s*<table', text)
    assert len(scrolling) == text.count("<table")


def test_a_term_has_its_code_marked_up_and_an_unknown_one_is_an_error() -> None:
    page = page_template(GLOSSARY).render(terms=["split"])
    assert "<dd>part of the dataset: <code>train</code> for training, <code>valid</code> for" in page
    with pytest.raises(KeyError):
        page_template(GLOSSARY).render(terms=["unknown term"])


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_the_one_stylesheet_and_loads_nothing(name: str) -> None:
    environment = page_template(f"{name}.html.j2").environment
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, f"{name}.html.j2")
    assert source.startswith('{% extends "base.html.j2" %}')
    assert "<style" not in source
    base = page_template("base.html.j2").render(terms=[])
    assert base.count("<style>") == 1
    assert "prefers-color-scheme: dark" in base
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in base


def test_the_stylesheet_has_every_color_of_a_chart_in_light_and_in_dark() -> None:
    style = page_template("style.css").render()
    for color in PageColor:
        assert style.count(f"--{color.name.lower()}: #") == 2
    declared = set(re.findall(r"(--[a-z-]+): #", style))
    used = set(re.findall(r"var\((--[a-z-]+)\)", style))
    assert used - declared == {"--hue", "--share"}

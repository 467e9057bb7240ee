"""Tests of report templates: filters and strict undefined names."""

import re
from pathlib import Path

import jinja2
import pytest

from petmood import reports
from petmood.data.validation import diff_rules
from petmood.evaluation.bootstrap import Estimate
from petmood.reports.templates import page_template

FOLDER = Path(reports.__file__).parent / "templates"
GLOSSARY = "glossary.html.j2"


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


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.html.j2") if path.name != GLOSSARY))
def test_every_report_links_to_its_terms_and_uses_each_of_them(name: str) -> None:
    text = (FOLDER / name).read_text("utf-8")
    (terms,) = re.findall(r"terms = \[(.*?)\]", text)
    named = re.findall("'([^']+)'", terms)
    text += Path(diff_rules.__file__).read_text("utf-8") if name == "dataset_diff.html.j2" else ""
    shown = re.sub(r"(?s)<style>.*?</style>|{[%{#].*?[%}#]}|<[^>]*>", "", text)
    assert len(named) >= 2
    assert 'href="#glossary"' in text
    for term in named:
        assert re.search(rf"\b{term}", shown, re.IGNORECASE), term
    page = page_template(GLOSSARY).render(terms=named)
    assert 'id="glossary"' in page
    assert all(f"<dt>{term}</dt>" in page for term in named)


def test_a_term_has_its_code_marked_up_and_an_unknown_one_is_an_error() -> None:
    assert "<dd><code>train</code>, <code>valid</code> or <code>test</code></dd>" in page_template(GLOSSARY).render(
        terms=["split"]
    )
    with pytest.raises(KeyError):
        page_template(GLOSSARY).render(terms=["unknown term"])

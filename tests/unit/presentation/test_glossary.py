"""Tests of the glossary: one definition of each term, from which the page in docs is written."""

from petmood.presentation.glossary import TERMS, glossary_markdown
from tests.support.source_tree import ROOT

REWRITE = (
    """python -c 'from petmood.presentation.glossary import *; print(glossary_markdown(), end="")' >docs/glossary.md"""
)


def test_the_page_in_docs_is_the_one_that_the_terms_give() -> None:
    assert (ROOT / "docs/glossary.md").read_text("utf-8") == glossary_markdown(), REWRITE


def test_every_term_has_one_meaning_that_fits_into_a_table() -> None:
    assert len(TERMS) > 30
    assert len({term.casefold() for term in TERMS}) == len(TERMS)
    for term, meaning in TERMS.items():
        assert meaning
        assert not meaning.endswith(".")
        assert not set("|\n<") & set(term + meaning)

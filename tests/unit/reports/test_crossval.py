"""Tests of the report of a cross-validation."""

import numpy as np
import pytest

from petmood.core.labels import DEFAULT_CLASSES
from petmood.evaluation.comparison import Comparison
from petmood.evaluation.crossval import CrossValidation, cross_validate
from petmood.evaluation.permutation import PermutationTest, Permuted
from petmood.evaluation.verdict import chance_text
from petmood.reports.crossval import render_crossval
from tests.support.evaluation import MakeRows
from tests.unit.reports.test_run import Page, photo_of

CHANCE = PermutationTest(Permuted.REFITS, 99, mean=0.25, low=0.125, high=0.375, p_value=0.01)
COMPARISON = Comparison(CHANCE)


def share_right(rows: MakeRows, *, share: float, repeats: int = 1) -> CrossValidation:
    """Cross-validate answers of which a share are right."""
    given = rows(40)
    labels = np.array([DEFAULT_CLASSES.index(row.label) for row in given])

    def fit(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        del train, seed
        right = (test * 0.618034) % 1 < share
        return np.asarray(np.eye(4)[np.where(right, labels[test], (labels[test] + 1) % 4)] * 3.0)

    return cross_validate(given, fit, classes=DEFAULT_CLASSES, folds=4, repeats=repeats)


@pytest.fixture
def shown(make_rows: MakeRows) -> Page:
    """Return the report of two repeats with two baselines."""
    recipe = share_right(make_rows, share=0.75, repeats=2)
    baselines = {"random_split": share_right(make_rows, share=0.9), "most_frequent": share_right(make_rows, share=0.25)}
    facts = {"data version": "<abc>", "settings": {"seed": 3}}
    return Page(
        render_crossval(
            recipe,
            baselines,
            comparison=COMPARISON,
            verdict="The recipe is right in 77.5% of <40> photos.",
            photo_of=photo_of,
            title="pets & <co>",
            facts=facts,
        )
    )


def test_it_begins_with_the_accuracy_on_all_photos_and_how_each_was_predicted(shown: Page) -> None:
    assert shown.open == []
    names = "Baselines Metrics Confusion Calibration Errors Folds Data Terms"
    start = "77.5% The recipe is right in 77.5% of <40> photos. Comparison with baselines"
    assert shown.text.startswith(f"pets & <co> {names} pets & <co> {start}")


def test_the_band_of_permutations_is_behind_every_bar_and_its_p_value_in_words(shown: Page) -> None:
    bands = [given["style"] for _, given in shown.tags if given.get("class") == "band"]
    assert bands == ["left:12.50%;width:25.00%"] * 3
    assert "in 95% of 99 permutations of the labels" in shown.text
    assert chance_text(CHANCE, subject="this recipe") in shown.text
    assert "is at least as accurate as this recipe: p = 0.01." in shown.text


def test_the_leak_stands_last_and_is_called_one(shown: Page) -> None:
    names = [shown.text.index(name) for name in ("this recipe", "most frequent", "random split (leaks)")]
    assert names == sorted(names)
    assert "changes by +15.0 points : this difference is leakage" in shown.text


def test_every_fold_and_the_error_over_repeats_are_in_tables(shown: Page) -> None:
    for heading in ("All metrics", "Confusion matrix", "Calibration", "Most confident errors", "Folds", "Run and data"):
        assert heading in shown.text
    assert "standard error over 2 repeats" in shown.text
    folds = shown.text.partition("photos tested accuracy balanced accuracy ")[2].partition("Run and data")[0]
    assert folds.count("%") == 2 * 8
    assert folds.startswith("1 1 30 10 ")
    assert "<abc>" in shown.text
    assert '"seed": 3' in shown.text


def test_one_repeat_has_no_standard_error_and_without_baselines_there_is_no_leak(make_rows: MakeRows) -> None:
    recipe = share_right(make_rows, share=1.0)
    page = render_crossval(recipe, {}, comparison=COMPARISON, verdict="", photo_of=photo_of, title="x", facts={})
    alone = Page(page)
    assert "over 1 repeat with" in alone.text
    assert "leakage" not in alone.text
    assert "There are none: every photo was predicted correctly." in alone.text

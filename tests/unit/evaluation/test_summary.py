"""The summary for a terminal, of a run without test photos; test_evaluate.py has the others."""

from dataclasses import replace

from petmood.evaluation.evaluate import evaluate
from petmood.evaluation.model_choice import ModelChoice
from petmood.evaluation.out_of_fold import OutOfFold
from petmood.evaluation.summary import summary_text
from petmood.presentation.display_names import VALIDATION_NOTE
from tests.support.evaluation import MakeScored
from tests.support.robust import robustness_of


def test_a_cross_validation_comes_first_and_is_named_so(make_scored: MakeScored) -> None:
    pooled = make_scored(329, seed=1)
    used = OutOfFold((pooled,), folds=5, learned=293, calibrates=True, is_headline=True)
    choice = ModelChoice(1, 0, pooled.labels.argsort(), separate=True, out_of_fold=True)
    found = evaluate({"valid": make_scored(36, seed=2)}, choice=choice, out_of_fold=used)
    lines = summary_text(found).splitlines()
    assert lines[:2] == [found.verdict, ""]
    assert lines[2] == "329 photos in cross-validation (95% interval over groups)"
    assert "36 validation photos (95% interval over groups)" in lines
    assert lines.count(f"  {VALIDATION_NOTE}") == 1
    assert lines.index(f"  {VALIDATION_NOTE}") > lines.index("36 validation photos (95% interval over groups)")
    assert any(line.startswith("Permutation test: ") and "accurate as this recipe: " in line for line in lines)
    assert any(line.endswith("fitted on out-of-fold predictions of 329 photos") for line in lines)


def test_the_accuracy_under_corruptions_is_one_line(make_scored: MakeScored) -> None:
    scored = make_scored(40)
    robustness = robustness_of(scored)
    without = evaluate({"test": scored})
    found = replace(without, robustness=robustness)
    assert summary_text(found).splitlines() == [*summary_text(without).splitlines(), "", robustness.sentence]

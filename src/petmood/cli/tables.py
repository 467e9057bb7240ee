"""Text tables of predictions and metrics, with a confidence interval beside each metric."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from petmood.core.prediction import Prediction
from petmood.inference.base import Answer

if TYPE_CHECKING:
    from petmood.evaluation.crossval import CrossValidation
    from petmood.evaluation.paired import PairedTest
    from petmood.pipelines.crossval import CrossvalReport

__all__ = ["crossval_text", "headline_text", "paired_text", "prediction_text"]

HEADLINE = ("accuracy", "balanced_accuracy", "macro_f1")


def prediction_text(photo: str, answer: Answer) -> str:
    """Return one line for one photo's answer, or for the reason why there is none."""
    if not isinstance(answer, Prediction):
        return f"{photo}: {answer.code}: {answer}"
    sure = "" if answer.confident else f"  (not sure; one of: {', '.join(answer.prediction_set)})"
    notes = "".join(f"  [{warning}]" for warning in answer.warnings)
    return f"{photo}: {answer.label} {answer.probability:.0%}{sure}{notes}"


def crossval_text(report: "CrossvalReport") -> str:
    """Return the recipe's accuracy, balanced accuracy and macro F1 beside its controls."""
    lines = [f"{'':<18}{'accuracy':>26}{'balanced accuracy':>26}{'macro F1':>26}"]
    found: Sequence[tuple[str, CrossValidation]] = [("this recipe", report.recipe), *report.baselines.items()]
    lines.extend(f"{name.replace('_', ' '):<18}{_numbers(one)}" for name, one in found)
    first = report.recipe.metrics["accuracy"]
    lines.append(f"n = {first.n} original photos; intervals are 95%, from a bootstrap over groups.")
    lines.append(f"All metrics: {report.folder / 'crossval.json'}")
    return "\n".join(lines)


def headline_text(evaluation: str) -> str:
    """Return the main numbers of an ``evaluation.json``, beside those of the controls."""
    found = json.loads(evaluation)
    rows = [(f"this network ({found['main']})", found["splits"][found["main"]]), *found["controls"].items()]
    lines = [f"{'':<24}" + "".join(f"{name.replace('_', ' '):>24}" for name in HEADLINE)]
    lines.extend(
        f"{name.replace('_', ' '):<24}" + "".join(f"{_interval(**values[key]):>24}" for key in HEADLINE)
        for name, values in rows
    )
    return "\n".join(lines)


def paired_text(paired: "PairedTest") -> str:
    """Return one line for a comparison of two runs: the difference, its interval and the p-value."""
    apart = paired.difference
    return (
        f"{paired.metric} {paired.first:.1%} here, {paired.second:.1%} there; difference {apart.value:+.1%} "
        f"[{apart.low:+.1%}, {apart.high:+.1%}], p = {paired.p_value:.3g}, over {paired.groups} groups."
    )


def _interval(*, value: float, low: float, high: float, n: int) -> str:  # noqa: ARG001 - the number of photos is printed once
    return f"{value:.1%} [{low:.1%}, {high:.1%}]"


def _numbers(one: "CrossValidation") -> str:
    cells = (one.metrics[name] for name in HEADLINE)
    return "".join(f"{_interval(value=c.value, low=c.low, high=c.high, n=c.n):>26}" for c in cells)

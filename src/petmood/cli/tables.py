"""Text tables of predictions and metrics, with a confidence interval beside each metric."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from petmood.core.prediction import PRACTICE_MODEL, Prediction
from petmood.inference.base import Answer
from petmood.presentation.answers import NEVER_CONFIDENT, in_words
from petmood.presentation.display_names import (
    HEADLINE_SHARES,
    VALIDATION_NOTE,
    Interval,
    crossval_title,
    photos_of_split,
    title,
)

if TYPE_CHECKING:
    from petmood.evaluation.paired import PairedTest
    from petmood.pipelines.crossval import CrossvalReport

__all__ = [
    "CSV_COLUMNS",
    "answer_row",
    "crossval_text",
    "headline_text",
    "model_notices",
    "paired_text",
    "prediction_text",
]

CSV_COLUMNS: Final = (
    "photo",
    "label",
    "probability",
    "confident",
    "prediction_set",
    "warnings",
    "code",
    "message",
    "in_domain",
    "domain_warning",
)


def prediction_text(photo: str, answer: Answer) -> str:
    """Return one line for one photo's answer, or for the reason why there is none; not what a model always warns of."""
    if not isinstance(answer, Prediction):
        return f"{photo}: {answer.code}: {answer}"
    notes = "".join(f"  [{warning}]" for warning in answer.warnings if warning != PRACTICE_MODEL)
    headline, reason = in_words(answer)
    if answer.label is None:
        return f"{photo}: {headline.lower()}: {reason}{notes}"
    return f"{photo}: {headline}{f'  ({reason})' if reason else ''}{notes}"


def answer_row(photo: str, answer: Answer) -> list[str]:
    """Return the values of one photo's answer under ``CSV_COLUMNS``; those without a value are empty."""
    if not isinstance(answer, Prediction):
        return [photo, "", "", "", "", "", answer.code, str(answer), "", ""]
    known = answer.in_domain is not None
    return [
        photo,
        answer.label or "",
        f"{answer.probability:.4f}",
        str(answer.confident).lower(),
        "|".join(answer.prediction_set),
        "|".join(answer.warnings),
        "",
        "",
        str(answer.in_domain).lower() if known else "",
        answer.domain_warning or "",
    ]


def model_notices(answers: Iterable[Answer]) -> list[str]:
    """Return what holds for every answer of the model: it learned from drawings, or it is never confident."""
    found = [one for one in answers if isinstance(one, Prediction)]
    practice = any(PRACTICE_MODEL in one.warnings for one in found)
    never = any(one.never_confident for one in found)
    return [*([PRACTICE_MODEL] if practice else []), *([NEVER_CONFIDENT] if never else [])]


def crossval_text(report: "CrossvalReport") -> str:
    """Return the verdict, the recipe's accuracy, balanced accuracy and macro F1 beside its baselines, and chance."""
    from petmood.evaluation.verdict import chance_text  # with numpy and scipy, which other tables don't need

    found = {"this recipe": report.recipe, **{crossval_title(name): one for name, one in report.baselines.items()}}
    lines = _table({name: [_cell(one.metrics[metric]) for metric in HEADLINE_SHARES] for name, one in found.items()})
    first = report.recipe.metrics["accuracy"]
    lines.append(f"n = {first.n} original photos; intervals are 95%, from a bootstrap over groups.")
    chance = chance_text(report.comparison.chance, subject="this recipe")
    return "\n".join([report.verdict, "", *lines, "", chance])


def headline_text(evaluation: str) -> str:
    """Return the verdict and the main numbers of an ``evaluation.json``, beside those of the baselines."""
    found = json.loads(evaluation)
    splits, main = found["splits"], found["main"]
    rows = {f"this network, {photos_of_split(main)}": splits[main]}
    if main == "crossval":
        shown = {"crossval": "this recipe", "valid": "this network"}
        rows = {
            f"{name}, {photos_of_split(split, splits[split]['accuracy']['n'])}": splits[split]
            for split, name in shown.items()
            if split in splits
        }
    rows |= {title(name): values for name, values in found["baselines"].items()}
    table = _table({name: [_interval(**of[metric]) for metric in HEADLINE_SHARES] for name, of in rows.items()})
    return "\n".join([found["verdict"], "", *table, *_validation_lines(splits, main)])


def _validation_lines(splits: Mapping[str, Mapping[str, Mapping[str, float]]], main: str) -> list[str]:
    """Return what a row of validation photos beside a cross-validation means; nothing without such a row."""
    if main != "crossval" or "valid" not in splits:
        return []
    accuracy = splits["valid"]["accuracy"]
    photos = photos_of_split("valid", int(accuracy["n"]))
    return ["", f"On {photos} the network itself has an accuracy of {accuracy['value']:.1%}. {VALIDATION_NOTE}"]


def paired_text(paired: "PairedTest") -> str:
    """Return one line for a comparison of two runs: the difference, its interval and the p-value."""
    apart = paired.difference
    return (
        f"{title(paired.metric)} {paired.first:.1%} here, {paired.second:.1%} there; difference {apart.value:+z.1%} "
        f"[{apart.low:+z.1%}, {apart.high:+z.1%}], p = {paired.p_value:.3g}, over {paired.groups} groups."
    )


def _table(rows: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a header and one line per row, with those headline metrics as columns that are percentages."""
    width = max(map(len, rows))
    lines = {"": [title(name) for name in HEADLINE_SHARES], **rows}
    return [f"{name:<{width}}" + "".join(f"{cell:>25}" for cell in cells) for name, cells in lines.items()]


def _cell(estimate: Interval) -> str:
    return _interval(value=estimate.value, low=estimate.low, high=estimate.high)


def _interval(*, value: float, low: float, high: float, n: int = 0) -> str:  # noqa: ARG001 - the number of photos is printed once
    return f"{value:.1%} [{low:.1%}, {high:.1%}]"

"""Summary of an evaluation as text for a terminal."""

from petmood.data.index import Split
from petmood.evaluation.domain import DomainResult
from petmood.evaluation.evaluate import CROSSVAL, Evaluation
from petmood.evaluation.model_choice import ModelChoice
from petmood.evaluation.verdict import chance_text
from petmood.presentation.display_names import VALIDATION_NOTE, number_text, percent_text, title

__all__ = ["summary_text"]


def summary_text(evaluation: Evaluation) -> str:
    """Format the results as a text table for a terminal, each value with its 95% interval."""
    lines = ["", evaluation.verdict]
    for split, values in evaluation.splits.items():
        lines += ["", f"{evaluation.photos_of(split)} (95% interval over groups)"]
        lines += [_line(title(name), number_text(estimate)) for name, estimate in values.items()]
        if split == Split.VALID and evaluation.main == CROSSVAL:
            lines.append(f"  {VALIDATION_NOTE}")
    if evaluation.baselines:
        lines += ["", "accuracy of the baselines"]
        lines += [
            _line(title(name), f"{number_text(values['accuracy'])}, {values['accuracy'].n} photos")
            for name, values in evaluation.baselines.items()
        ]
    if evaluation.comparison:
        lines += ["", chance_text(evaluation.comparison.chance, subject=f"this {evaluation.subject}")]
    lines += ["", "confidence", *_certainty_lines(evaluation)]
    if evaluation.domain:
        lines += ["", "photos of another kind", *_domain_lines(evaluation.domain)]
    if evaluation.robustness:
        lines += ["", evaluation.robustness.sentence]
    return "\n".join(lines[1:])


def _certainty_lines(evaluation: Evaluation) -> list[str]:
    abstain, sets = evaluation.abstention, evaluation.conformal
    fitted = evaluation.calibration.fitted_on
    source = f"fitted on {evaluation.choice.fitted_on}" if fitted else "not fitted: no validation photos"
    lines = [_line("temperature", f"{evaluation.calibration.temperature:.3f}, {source}")]
    if fitted and evaluation.choice.chosen_on:
        lines.append(_line("model", _choice_text(evaluation.choice)))
    if abstain.rule.threshold is None:
        lines.append(_line("confident from", f"no threshold: {abstain.rule.reason}"))
    else:
        lines.append(_line("confident from", f"{abstain.rule.threshold:.3f}, {abstain.rule.reason}"))
    if abstain.measured is not None:
        lines.append(_line("error if confident", percent_text(abstain.measured.error)))
        lines.append(_line("coverage", percent_text(abstain.measured.coverage)))
    if sets.measured is not None:
        lines.append(
            _line(f"sets for {sets.target:.0%}", f"contain the truth in {percent_text(sets.measured.coverage)}")
        )
        lines.append(_line("classes in a set", number_text(sets.measured.mean_size, digits=2)))
    return lines


def _domain_lines(domain: DomainResult) -> list[str]:
    refused, images = domain.total
    lines = [_line("images without a pet refused", f"{refused} of {images}")]
    if domain.false_alarms is not None:
        lines.append(_line("held-out photos refused", percent_text(domain.false_alarms)))
    return lines


def _choice_text(choice: ModelChoice) -> str:
    photos = "other" if choice.separate else "the same"
    return f"best of {choice.tried} tried, chosen on {choice.chosen_on} {photos} validation photos"


def _line(name: str, text: str) -> str:
    return f"  {name:<44}{text}"

"""Complete evaluation of a run: metrics per split, calibration, abstention, prediction sets, baselines and slices.

Temperature, abstention threshold and conformal quantile are chosen on photos of the "valid" split that did not choose
the model, or on out-of-fold predictions. They are measured on the "test" split. Without one, the choices are reported
but their effects are not measured.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from petmood.core.errors import DataError
from petmood.data.index import Split
from petmood.evaluation.bootstrap import Estimate, estimate_class_metrics, estimate_metrics
from petmood.evaluation.calibration import ReliabilityBin, calibrated_ece, fit_temperature, reliability
from petmood.evaluation.comparison import Comparison, compare, estimate_baseline
from petmood.evaluation.conformal import PredictionSetMetrics, conformal_quantile, evaluate_prediction_sets
from petmood.evaluation.crossval import pooled_metrics
from petmood.evaluation.domain import DomainResult
from petmood.evaluation.model_choice import ModelChoice, without_choice
from petmood.evaluation.out_of_fold import OutOfFold
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.robustness import Robustness
from petmood.evaluation.selective import AbstainRule, Selective, choose_threshold, evaluate_selective, risk_coverage
from petmood.evaluation.slices import Slice, slice_metrics
from petmood.evaluation.verdict import verdict_text
from petmood.presentation.display_names import VALIDATION_NOTE, headline_split, photos_of_split

__all__ = ["CROSSVAL", "AbstentionResult", "Calibration", "Conformal", "Evaluation", "evaluate"]

Estimates = dict[str, Estimate]
CROSSVAL = "crossval"
"""Name, among the splits, of a cross-validation of the recipe: it is not of the delivered model."""
_PROBABILISTIC = ("brier", "nll", "ece")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Temperature, the number of photos it was fitted on (0: not fitted, it is 1) and its effect on the main split.

    ``ece_by_chance`` is the mean calibration error that a calibrated model shows on as many photos.
    """

    temperature: float
    fitted_on: int
    before: Estimates
    after: Estimates
    ece_by_chance: float
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class AbstentionResult:
    """Abstention rule, its effect on the main split (None if not measured), and the AURC on the main split."""

    rule: AbstainRule
    measured: Selective | None
    aurc: float


@dataclass(frozen=True, slots=True)
class Conformal:
    """Prediction sets: target coverage, quantile (None without validation photos), metrics (None if unmeasured)."""

    method: str
    target: float
    quantile: float | None
    measured: PredictionSetMetrics | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All results of one run; `main` is the split that the headline metrics come from.

    Without a test split it may be "crossval": then the metrics are those of a cross-validation of the recipe.
    `robustness` is added after the evaluation by `pipelines.evaluate`; None if not measured.
    """

    main: str
    splits: dict[str, Estimates]
    per_class: dict[str, dict[str, Estimates]]
    calibration: Calibration
    abstention: AbstentionResult
    conformal: Conformal
    baselines: dict[str, Estimates]
    slices: tuple[Slice, ...]
    choice: ModelChoice
    domain: DomainResult | None = None
    comparison: Comparison | None = None
    out_of_fold: OutOfFold | None = None
    robustness: Robustness | None = None

    @property
    def subject(self) -> str:
        """What the main metrics are of: "model", or "recipe" for those of a cross-validation."""
        return "recipe" if self.main == CROSSVAL else "model"

    @property
    def verdict(self) -> str:
        """What the accuracy shows, in plain words."""
        accuracy, photos = self.splits[self.main]["accuracy"], self.photos_of(self.main)
        found = verdict_text(accuracy, self.comparison, subject=f"The {self.subject}", photos=photos)
        return f"{found} {VALIDATION_NOTE}" if self.main == Split.VALID else found

    def photos_of(self, split: str) -> str:
        """Return how many photos the metrics of a split are of, and which ones, in words."""
        return photos_of_split(split, self.splits[split]["accuracy"].n)

    def to_json(self) -> dict[str, object]:
        """Return all results as JSON values; None where a value is not finite or not known."""
        rule, sets = self.abstention, self.conformal.measured
        return {
            "main": self.main,
            "verdict": self.verdict,
            "splits": {name: _json(values) for name, values in self.splits.items()},
            "classes": {name: {c: _json(v) for c, v in found.items()} for name, found in self.per_class.items()},
            "calibration": {
                "temperature": self.calibration.temperature,
                "fitted_on": self.calibration.fitted_on,
                "before": _json(self.calibration.before),
                "after": _json(self.calibration.after),
                "ece_by_chance": self.calibration.ece_by_chance,
                "reliability": [point.to_json() for point in self.calibration.reliability],
            },
            "abstention": {
                **rule.rule.to_json(),
                "error": rule.measured.error.to_json() if rule.measured else None,
                "coverage": rule.measured.coverage.to_json() if rule.measured else None,
                "aurc": rule.aurc if math.isfinite(rule.aurc) else None,
            },
            "conformal": {
                "method": self.conformal.method,
                "target_coverage": self.conformal.target,
                "quantile": self.conformal.quantile,
                "coverage": sets.coverage.to_json() if sets else None,
                "mean_size": sets.mean_size.to_json() if sets else None,
                "sizes": list(sets.sizes) if sets else None,
            },
            "selection": {**self.choice.to_json(), "confidence": rule.rule.confidence},
            "baselines": {name: _json(values) for name, values in self.baselines.items()},
            "comparison": self.comparison.to_json() if self.comparison else None,
            "slices": [part.to_json() for part in self.slices],
            "domain": self.domain.to_json() if self.domain else None,
            **({"out_of_fold": self.out_of_fold.to_json(coverage=self.conformal.target)} if self.out_of_fold else {}),
            **({"robustness": self.robustness.to_json()} if self.robustness else {}),
        }


def evaluate(  # noqa: PLR0913 - what is measured, and how
    scored_by_split: Mapping[str, Predictions],
    *,
    choice: ModelChoice | None = None,
    baselines: Mapping[str, Sequence[Predictions]] | None = None,
    target_error: float = 0.1,
    fallback_errors: Sequence[float] = (),
    coverage: float = 0.9,
    domain: DomainResult | None = None,
    main: str | None = None,
    out_of_fold: OutOfFold | None = None,
    seed: int = 0,
) -> Evaluation:
    """Evaluate a run on all its splits, together with its baselines.

    A baseline has one Predictions, or one for each permutation of labels: then means, and where 95% of them lie.
    `fallback_errors` are tried where no threshold has an error of at most `target_error`.
    `domain` is the result for photos of another kind, measured by `evaluation.domain`.
    `main` is the split of the headline; by default test, else the cross-validation if it is for that, else validation.
    `choice` says which validation photos calibrate; by default all of them do, and none chose the model.
    `out_of_fold`: predictions of the recipe's folds. They calibrate, or are the main split "crossval", as they say.
    Splits without photos are left out. Brier score, NLL and calibration error are of calibrated probabilities.

    Raises:
        DataError: no split has photos.
    """
    splits = _splits(scored_by_split, out_of_fold if main is None else None)
    main = main or headline_split(splits) or next(iter(splits))
    every_valid = splits.get(Split.VALID)
    choice = choice or without_choice(len(every_valid) if every_valid else 0)
    valid = _calibrating(choice, every_valid, out_of_fold)
    predictions = splits[main]
    others = {name: parts for name, parts in (baselines or {}).items() if len(parts[0])}
    unseen = None if main in {Split.VALID, CROSSVAL} else predictions
    temperature, errors = fit_temperature(valid) if valid else 1.0, (target_error, *fallback_errors)
    measured = _measured(splits, out_of_fold, temperature=temperature, seed=seed)
    return Evaluation(
        main=main,
        splits=measured,
        per_class={name: estimate_class_metrics(part) for name, part in splits.items()},
        calibration=_calibration(predictions, after=measured[main], valid=valid, temperature=temperature, seed=seed),
        abstention=_abstention(predictions, unseen, valid=valid, temperature=temperature, errors=errors, choice=choice),
        conformal=_conformal(unseen, valid=valid, temperature=temperature, coverage=coverage, seed=seed),
        baselines={name: estimate_baseline(parts, seed=seed) for name, parts in others.items()},
        slices=slice_metrics(predictions),
        choice=choice,
        domain=domain,
        comparison=compare(_repeats(predictions, main, out_of_fold), others, seed=seed),
        out_of_fold=out_of_fold,
    )


def _splits(scored_by_split: Mapping[str, Predictions], out_of_fold: OutOfFold | None) -> dict[str, Predictions]:
    """Return the splits with photos, a cross-validation first where it is the headline."""
    splits = {name: scored for name, scored in scored_by_split.items() if len(scored)}
    if out_of_fold is not None and out_of_fold.is_headline and Split.TEST not in splits:
        splits = {CROSSVAL: out_of_fold.first, **splits}
    if not splits:
        raise DataError("Expected at least one split with photos to evaluate, got none. Check the dataset.")
    return splits


def _calibrating(
    choice: ModelChoice, every_valid: Predictions | None, out_of_fold: OutOfFold | None
) -> Predictions | None:
    """Return the predictions that calibrate; None without any."""
    pool = out_of_fold.first if out_of_fold is not None and choice.out_of_fold else every_valid
    return pool.take(choice.calibrating) if pool else None


def _repeats(predictions: Predictions, main: str, out_of_fold: OutOfFold | None) -> Sequence[Predictions]:
    """Return the predictions that the main metrics are of: all repeats of a cross-validation."""
    return out_of_fold.repeats if main == CROSSVAL and out_of_fold is not None else [predictions]


def _measured(
    splits: Mapping[str, Predictions], out_of_fold: OutOfFold | None, *, temperature: float, seed: int
) -> dict[str, Estimates]:
    measured = {name: estimate_metrics(part, temperature=temperature, seed=seed) for name, part in splits.items()}
    if out_of_fold is not None and CROSSVAL in splits:
        measured[CROSSVAL] = pooled_metrics(out_of_fold.repeats, temperature=temperature, seed=seed)[0]
    return measured


def _json(values: Mapping[str, Estimate]) -> dict[str, dict[str, float | int | None]]:
    return {name: estimate.to_json() for name, estimate in values.items()}


def _calibration(
    predictions: Predictions, *, after: Estimates, valid: Predictions | None, temperature: float, seed: int
) -> Calibration:
    before = estimate_metrics(predictions, seed=seed)
    return Calibration(
        temperature=temperature,
        fitted_on=len(valid) if valid else 0,
        before={name: before[name] for name in _PROBABILISTIC},
        after={name: after[name] for name in _PROBABILISTIC},
        ece_by_chance=float(calibrated_ece(predictions, temperature=temperature, seed=seed).mean()),
        reliability=reliability(predictions, temperature=temperature),
    )


def _abstention(
    predictions: Predictions,
    unseen: Predictions | None,
    *,
    valid: Predictions | None,
    temperature: float,
    errors: Sequence[float],
    choice: ModelChoice,
) -> AbstentionResult:
    aurc = risk_coverage(predictions, temperature=temperature).aurc
    rule = choose_threshold(
        valid or predictions.take([]),
        target_error=errors[0],
        fallback_errors=errors[1:],
        temperature=temperature,
        out_of_fold=choice.out_of_fold,
    )
    if rule.threshold is None or unseen is None:
        return AbstentionResult(rule, measured=None, aurc=aurc)
    measured = evaluate_selective(unseen, threshold=rule.threshold, temperature=temperature)
    return AbstentionResult(rule, measured=measured, aurc=aurc)


def _conformal(
    unseen: Predictions | None, *, valid: Predictions | None, temperature: float, coverage: float, seed: int
) -> Conformal:
    if not valid:
        return Conformal("lac", target=coverage, quantile=None, measured=None)
    quantile = conformal_quantile(valid, coverage=coverage, temperature=temperature)
    if unseen is None:
        return Conformal("lac", target=coverage, quantile=quantile, measured=None)
    measured = evaluate_prediction_sets(unseen, quantile=quantile, temperature=temperature, seed=seed)
    return Conformal("lac", target=coverage, quantile=quantile, measured=measured)

"""Validation photos of a run that chose its model, and those that calibrate it."""

import numpy as np

from petmood.configs.schema import Config, EvaluationConfig
from petmood.data.index import Split
from petmood.data.validation_parts import ValidationParts, divide_validation
from petmood.evaluation.model_choice import ModelChoice
from petmood.evaluation.out_of_fold import OutOfFold
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.run_folder import RunFolder, RunMetadata

__all__ = ["chooses", "choosing_predictions", "divided", "model_choice", "models_tried"]


def chooses(config: Config) -> bool:
    """Return whether validation photos choose among models: in a search, by epoch, or by strength of a probe."""
    recipe = config.recipe
    if config.evaluation.tried > 1:
        return True
    if recipe.kind == "gradient":
        return config.trainer.max_epochs > 1 and (recipe.checkpoint == "best" or recipe.patience > 0)
    return recipe.solver == "logistic" and len(recipe.l2_strengths) > 1


def models_tried(config: Config, *, epochs: int) -> int:
    """Return the number of models that were compared on validation photos, in one training or in a search before it."""
    if not chooses(config):
        return 1
    own = epochs if config.recipe.kind == "gradient" else len(config.recipe.l2_strengths)
    return max(own, config.evaluation.tried)


def divided(scored_valid: Predictions, facts: RunMetadata, *, settings: EvaluationConfig) -> ValidationParts:
    """Return which of a run's validation photos chose the model, and which calibrate it."""
    share = settings.calibration_share if facts.chosen_on else 0.0
    labels = [scored_valid.classes[label] for label in scored_valid.labels]
    least = settings.calibration_min_groups
    return divide_validation(scored_valid.groups, labels, share=share, min_groups=least)


def choosing_predictions(run: RunFolder) -> Predictions:
    """Return the logits of a run on the validation photos that choose among models."""
    scored = Predictions.load(run.predictions(Split.VALID))
    parts = divided(scored, run.read_metadata(), settings=run.read_config().evaluation)
    return scored.take(parts.choosing)


def model_choice(run: RunFolder, scored_valid: Predictions, *, predicted: OutOfFold | None = None) -> ModelChoice:
    """Return how a run's model was chosen, and the photos that calibrate it: of validation, or predicted out of fold.

    Out-of-fold predictions of the validation photos that chose are left out.
    """
    facts = run.read_metadata()
    parts = divided(scored_valid, facts, settings=run.read_config().evaluation)
    chosen_on = len(scored_valid) if facts.chosen_on is None else facts.chosen_on
    tried = facts.tried if facts.tried is not None else max(facts.epochs or 1, 1)
    if predicted is not None and predicted.calibrates:
        chose = {scored_valid.paths[n] for n in parts.choosing} if chosen_on else set()
        others = np.array([n for n, path in enumerate(predicted.first.paths) if path not in chose], dtype=np.int64)
        return ModelChoice(tried=tried, chosen_on=chosen_on, calibrating=others, separate=True, out_of_fold=True)
    separate = chosen_on == 0 or parts.separate
    return ModelChoice(tried=tried, chosen_on=chosen_on, calibrating=parts.calibrating, separate=separate)

"""Predictor protocol that the service and the command line depend on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from petmood.core.errors import PetmoodError
from petmood.core.prediction import Prediction
from petmood.core.schemas import ModelCardResponse, ModelInfo

__all__ = ["Answer", "Predictor"]

Answer = Prediction | PetmoodError
"""Result for one photo: a prediction, or the error that prevented it."""


class Predictor(Protocol):
    """A model that predicts labels of photos."""

    @property
    def model(self) -> ModelInfo:
        """Name, version and SHA-256 of the model."""
        ...

    def card(self) -> ModelCardResponse:
        """Return the model's manifest and model card."""
        ...

    def predict(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Return one result per photo, in order; the result of an invalid photo is its error."""
        ...

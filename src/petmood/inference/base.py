"""What can answer? Anything with this protocol: the service, the command line and the tests depend on it alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from petmood.core.errors import PetmoodError
from petmood.core.prediction import Prediction
from petmood.core.schemas import ModelCardResponse, ModelInfo

__all__ = ["Answer", "Predictor"]

Answer = Prediction | PetmoodError
"""What comes back for one photo: an answer, or the reason why there is none."""


class Predictor(Protocol):
    """Answer photos."""

    @property
    def model(self) -> ModelInfo:
        """Which model answers."""
        ...

    def card(self) -> ModelCardResponse:
        """Return what the model says of itself."""
        ...

    def predict(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Return one answer a photo, in their order; a bad photo gets its error and spoils no other."""
        ...

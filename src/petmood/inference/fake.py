"""Fake predictor for tests: predicts from a photo's mean brightness, without a network."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import PhotoError
from petmood.core.explanation import Explanation
from petmood.core.image import ImageSpec, PreparedImage, seen_box
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.prediction import DecisionRule, Prediction, decide
from petmood.core.schemas import ModelCardResponse, ModelInfo
from petmood.inference.base import Answer, Explained, Predictor, try_prepare
from petmood.inference.occlusion import occlusion_maps

__all__ = ["FakePredictor"]


class FakePredictor(Predictor):
    """Deterministic predictor by brightness; invalid photos get the same errors as from a real predictor."""

    def __init__(self, *, name: str = "fake", version: str = "0") -> None:
        self._model = ModelInfo(name=name, version=version, sha256="0" * 64)
        self._spec = ImageSpec(side_px=32)

    @property
    def model(self) -> ModelInfo:
        """Name, version and SHA-256 (zeros) of the fake model."""
        return self._model

    def card(self) -> ModelCardResponse:
        """Return a placeholder model card."""
        return ModelCardResponse(
            model=self._model, classes=list(DEFAULT_CLASSES), manifest={}, card="A predictor for tests."
        )

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Return one result per photo, in order; the result of an invalid photo is its error."""
        return [self._answer(photo) for photo in photos]

    def explain_photo(self, photo: bytes | Path) -> Explained:
        """Return the prediction with occlusion maps; of an invalid photo its error."""
        prepared = try_prepare(photo, self._spec)
        if isinstance(prepared, PhotoError):
            return prepared
        whole = _logits(prepared.pixels)
        maps = occlusion_maps(lambda images: np.stack([_logits(one) for one in images]), prepared.pixels, whole)
        box = seen_box(self._spec, width=prepared.width, height=prepared.height)
        return Explanation(self._decide(prepared), "occlusion", dict(zip(DEFAULT_CLASSES, maps, strict=True)), box)

    def _answer(self, photo: bytes | Path) -> Answer:
        prepared = try_prepare(photo, self._spec)
        return prepared if isinstance(prepared, PhotoError) else self._decide(prepared)

    def _decide(self, photo: PreparedImage) -> Prediction:
        return decide(
            _logits(photo.pixels),
            DecisionRule(DEFAULT_CLASSES, confidence_threshold=0.5, conformal_quantile=0.9),
            model=self._model,
            warnings=photo.warnings,
        )


def _logits(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    shade = pixels.mean() / 255 * (len(DEFAULT_CLASSES) - 1)
    return np.asarray(-2.0 * np.abs(np.arange(len(DEFAULT_CLASSES)) - shade))

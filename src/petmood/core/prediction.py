"""Prediction record, the decision rule that derives it from logits, and its conversion to and from JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.domain import SCENE_SENTENCES, DomainRule, DomainScores, DomainWarning, SceneWarning
from petmood.core.schemas import ModelInfo, PredictionResponse

__all__ = ["PRACTICE_MODEL", "DecisionRule", "Measured", "Prediction", "decide", "prediction_response", "softmax"]

PRACTICE_MODEL: Final = "Practice model: it learned from drawings, so its result says nothing about a real pet."
"""Warning of a model that was trained on the demo."""


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """Parameters of the decision rule for logits; fitted on validation photos and stored in the bundle.

    ``classes`` are the column names. A prediction is confident when its probability reaches ``confidence_threshold``
    (0..1; 0 = always, above 1 = never). A class is in the prediction set when
    ``1 - probability <= conformal_quantile``; 1 = all classes. The method is split conformal prediction with the LAC
    score (Sadinle, Lei, Wasserman 2019). ``domain`` is the rule for photos of another kind, None if the model has none.
    """

    classes: tuple[str, ...]
    confidence_threshold: float = 0.0
    conformal_quantile: float = 1.0
    domain: DomainRule | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What the prediction log keeps of a photo in place of the photo.

    ``statistics`` are those of ``core.image_statistics``. ``embedding`` is float32 [D], and ``residual`` the norm of
    what its projection leaves out; None if the bundle has none.
    """

    statistics: tuple[float, float, float, float]
    embedding: NDArray[np.float32] | None = None
    residual: float | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """Prediction for one photo, by a bundle in this process or by a service.

    ``probabilities`` by class sum to 1; ``probability`` is the highest. ``label`` is that class, or None for a photo
    out of the domain, which is never confident and whose ``prediction_set`` is empty. Else ``prediction_set`` contains
    ``label`` and is sorted by probability. ``confidence_threshold`` is the probability from which the model is
    confident: above 1 if it never is, None if an older service did not say. ``model.sha256`` is the hash of the
    bundle's manifest, which lists the hashes of all other files. ``request_id`` is set by the service, and None for a
    prediction in this process.

    ``domain`` holds the scores that decide whether the photo is of the kind that the model was trained on, and
    ``domain_warning`` says why it is not. ``domain`` is None if the model has no such scores.
    ``scene_warnings`` are what it may show beside one clear face; ``warnings`` holds a sentence for each.
    ``measured`` is for the prediction log: set by a predictor that measures photos, and in no response.
    """

    label: str | None
    probability: float
    probabilities: dict[str, float]
    confident: bool
    prediction_set: tuple[str, ...]
    model: ModelInfo
    warnings: tuple[str, ...] = ()
    confidence_threshold: float | None = None
    domain: DomainScores | None = None
    domain_warning: DomainWarning | None = None
    scene_warnings: tuple[SceneWarning, ...] = ()
    request_id: str | None = None
    measured: Measured | None = field(default=None, compare=False)

    @property
    def in_domain(self) -> bool | None:
        """Whether the photo is of the kind that the model was trained on; None if the model has no such scores."""
        if self.domain_warning is not None:
            return False
        return None if self.domain is None else True

    @property
    def best_guess(self) -> str:
        """The most probable class, of a photo out of the domain as well."""
        return self.label or max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def never_confident(self) -> bool:
        """Whether the model is confident for no photo."""
        return self.confidence_threshold is not None and self.confidence_threshold > 1

    @classmethod
    def from_response(cls, body: PredictionResponse) -> "Prediction":
        """Return the prediction in a response body."""
        scores = None if body.novelty is None else DomainScores(body.novelty, body.animal_score)
        return cls(
            label=body.label,
            probability=body.probability,
            probabilities=body.probabilities,
            confident=body.confident,
            prediction_set=tuple(body.prediction_set),
            model=body.model,
            warnings=tuple(body.warnings),
            confidence_threshold=body.confidence_threshold,
            domain=scores,
            domain_warning=body.domain_warning,
            scene_warnings=tuple(body.scene_warnings),
            request_id=body.request_id,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serializable dict with the keys of the service and of ``petmood predict --json``."""
        return prediction_response(self).model_dump(mode="json")

    def __repr__(self) -> str:
        """Return the fields that fit on a line; the model as its name and version."""
        return (
            f"Prediction(label={self.label!r}, probability={self.probability:.3f}, confident={self.confident}, "
            f"prediction_set={self.prediction_set}, model='{self.model.name} {self.model.version}')"
        )


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return probabilities for logits [..., K]: float64 of the same shape, each row summing to 1.

    >>> softmax(np.array([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    weights = np.exp(shifted)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def decide(
    logits: NDArray[np.floating],
    decision: DecisionRule,
    *,
    model: ModelInfo,
    warnings: Sequence[str] = (),
    scores: DomainScores | None = None,
    measured: Measured | None = None,
) -> Prediction:
    """Turn the calibrated logits [K] and the domain scores of one photo into a prediction.

    >>> demo = ModelInfo(name="demo", version="1", sha256="0" * 64)
    >>> decide(np.array([0.0, 9.0]), DecisionRule(("sad", "happy"), conformal_quantile=0.9), model=demo)
    Prediction(label='happy', probability=1.000, confident=True, prediction_set=('happy',), model='demo 1')
    """
    chances: list[float] = softmax(logits).tolist()
    top = chances.index(max(chances))
    possible = [k for k in range(len(chances)) if k == top or 1 - chances[k] <= decision.conformal_quantile]
    possible.sort(key=lambda k: -chances[k])
    rule = decision.domain
    outside = rule.warning(scores) if rule and scores else None
    scenes = rule.scenes(scores) if rule and scores else ()
    return Prediction(
        label=None if outside else decision.classes[top],
        probability=chances[top],
        probabilities=dict(zip(decision.classes, chances, strict=True)),
        confident=outside is None and chances[top] >= decision.confidence_threshold,
        prediction_set=() if outside else tuple(decision.classes[k] for k in possible),
        model=model,
        warnings=(*warnings, *(SCENE_SENTENCES[name] for name in scenes)),
        confidence_threshold=decision.confidence_threshold,
        domain=scores,
        domain_warning=outside,
        scene_warnings=scenes,
        measured=measured,
    )


def prediction_response(
    prediction: Prediction, *, photo: str | None = None, request_id: str | None = None
) -> PredictionResponse:
    """Build the response body of a prediction, with the photo's name and the request id."""
    return PredictionResponse(
        photo=photo,
        label=prediction.label,
        probability=prediction.probability,
        probabilities=prediction.probabilities,
        confident=prediction.confident,
        confidence_threshold=prediction.confidence_threshold,
        in_domain=prediction.in_domain,
        domain_warning=prediction.domain_warning,
        scene_warnings=list(prediction.scene_warnings),
        novelty=prediction.domain.novelty if prediction.domain else None,
        animal_score=prediction.domain.animal_score if prediction.domain else None,
        prediction_set=list(prediction.prediction_set),
        model=prediction.model,
        request_id=request_id or prediction.request_id,
        warnings=list(prediction.warnings),
    )

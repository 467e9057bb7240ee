"""JSON response bodies of the command line and the HTTP service."""

from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from petmood.core.domain import DomainWarning, SceneWarning
from petmood.core.errors import PetmoodError

__all__ = [
    "PHOTO_FIELD",
    "VISITOR_COOKIE",
    "BatchResponse",
    "ErrorResponse",
    "ExplanationMethod",
    "ExplanationResponse",
    "FeedbackRequest",
    "FeedbackResponse",
    "HealthStatus",
    "ModelCardResponse",
    "ModelInfo",
    "PredictionResponse",
    "VertexResponse",
    "error_response",
]

PHOTO_FIELD: Final = "photo"
"""The form field of a photo in a request with a form."""

VISITOR_COOKIE: Final = "petmood_visitor"
"""Cookie of a visitor with feedback: random, without personal data."""

ExplanationMethod = Literal["hirescam", "occlusion"]


def _is_none(value: object) -> bool:
    return value is None


def _optional() -> Any:  # noqa: ANN401 - as pydantic's Field
    """Return a field that is None by default, and left out of the JSON then."""
    return Field(default=None, exclude_if=_is_none)


class ModelInfo(BaseModel):
    """Model of a prediction; ``sha256`` is the hash of its manifest, which lists the hashes of all other files."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    sha256: str


class PredictionResponse(BaseModel):
    """Prediction for one photo; ``photo`` is its name on the command line, ``request_id`` is set by the service.

    ``label`` is null if ``in_domain`` is false: the photo is not of the kind that the model was trained on. Then
    ``domain_warning`` says why, the prediction is not confident, and ``prediction_set`` is empty. ``novelty`` is the
    distance from the training photos, in units of the largest that is allowed. ``animal_score`` is the probability of
    an animal. A model without these scores leaves them out. ``scene_warnings`` are what the
    photo may show beside one clear face, left out if there are none. ``warnings`` holds a sentence for each.
    ``confidence_threshold`` is the probability from which the model is confident; above 1, it never is.
    """

    model_config = ConfigDict(frozen=True)

    photo: str | None = _optional()
    label: str | None
    probability: float = Field(ge=0, le=1)
    probabilities: dict[str, float]
    confident: bool
    confidence_threshold: float | None = _optional()
    in_domain: bool | None = _optional()
    domain_warning: DomainWarning | None = _optional()
    scene_warnings: list[SceneWarning] = Field(default=[], exclude_if=lambda names: not names)
    novelty: float | None = _optional()
    animal_score: float | None = _optional()
    prediction_set: list[str]
    model: ModelInfo
    request_id: str | None = _optional()
    warnings: list[str] = []


class ExplanationResponse(BaseModel):
    """A prediction with a map for each class: which places of the photo raise (positive) or lower its logit.

    ``maps`` are rows of numbers by class, from the top left; the unit is that of a logit. ``box`` is where the maps lie
    on the upright photo: left, top, right and bottom as shares of its width and height. It may reach beyond the photo.
    ``method`` is "hirescam" (equal to Grad-CAM for networks with average pooling), or "occlusion": the network has no
    such maps, and each place was covered in turn.
    """

    model_config = ConfigDict(frozen=True)

    prediction: PredictionResponse
    method: ExplanationMethod
    maps: dict[str, list[list[float]]]
    box: tuple[float, float, float, float]

    @field_validator("maps")
    @classmethod
    def _have_one_shape(cls, maps: dict[str, list[list[float]]]) -> dict[str, list[list[float]]]:
        sizes = {(len(rows), len(row)) for rows in maps.values() for row in rows or [[]]}
        if len(sizes) != 1 or 0 in sizes.pop():
            raise ValueError("Expected a map for one class or more, all of the same height and width.")
        return maps


class ErrorResponse(BaseModel):
    """Error of a photo or a request: ``code`` for programs, ``message`` for people."""

    model_config = ConfigDict(frozen=True)

    photo: str | None = _optional()
    code: str
    message: str
    request_id: str | None = _optional()


class BatchResponse(BaseModel):
    """Results of ``/predict/batch``, in the order of the photos: a prediction or an error for each."""

    model_config = ConfigDict(frozen=True)

    results: list[PredictionResponse | ErrorResponse]
    request_id: str


class VertexResponse(BaseModel):
    """Results of a Vertex AI prediction request, one for each instance and in their order."""

    model_config = ConfigDict(frozen=True)

    predictions: list[PredictionResponse | ErrorResponse]


class FeedbackRequest(BaseModel):
    """Feedback on a prediction: ``right`` if the predicted label is right, else the right ``label``.

    ``position`` is that of the photo in a request with several, from 0. ``note`` is free text of the visitor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    position: int = Field(default=0, ge=0, le=999)
    right: Literal[True] | None = None
    label: str | None = Field(default=None, min_length=1, max_length=100)
    note: str | None = Field(default=None, max_length=500, pattern=r"^[^\x00]*$")

    @model_validator(mode="after")
    def _say_one_thing(self) -> Self:
        if (self.right is None) == (self.label is None):
            raise ValueError('Expected either "right": true, or the right "label"')
        return self


class FeedbackResponse(BaseModel):
    """Feedback as it was stored; ``replaced`` is whether it replaced earlier feedback of the same visitor.

    ``label`` is the right label; null if it is none, as for a photo out of the domain.
    """

    model_config = ConfigDict(frozen=True)

    request_id: str
    position: int
    label: str | None
    replaced: bool


class HealthStatus(BaseModel):
    """Liveness or readiness of the process; ``reason`` is set if it is not ready."""

    model_config = ConfigDict(frozen=True)

    status: str
    reason: str | None = _optional()


class ModelCardResponse(BaseModel):
    """Manifest and model card (Markdown) of the served model.

    ``takes_feedback`` is true if ``POST /feedback`` works. ``keep_photos_days`` is for how many days the service keeps
    photos, left out if it keeps none.
    """

    model_config = ConfigDict(frozen=True)

    model: ModelInfo
    classes: list[str]
    manifest: dict[str, Any]
    card: str
    takes_feedback: bool | None = _optional()
    keep_photos_days: float | None = _optional()


def error_response(error: PetmoodError, *, photo: str | None = None, request_id: str | None = None) -> ErrorResponse:
    """Build the response body of an error from its code, message and request id."""
    return ErrorResponse(photo=photo, code=error.code, message=str(error), request_id=request_id or error.request_id)
